"""Whether a file of answers or predictions that this pipeline wrote is whole."""

from pathlib import Path

from reinforced_cot.data.examples import read_examples
from reinforced_cot.errors import DataError
from reinforced_cot.result_files import check_result, made_again
from reinforced_cot.scoring.prediction_rows import Prediction
from reinforced_cot.scoring.predictions import read_predictions


def read_whole(path: Path, asked: Path, answer_form: str = "tags", answer_kind: str = "") -> list[Prediction]:
    """The rows of ``answers.jsonl`` or ``predictions.jsonl``: one for each question of the split that was asked.

    Args:
        path: the file.
        asked: ``results/data/{split}.jsonl``.
        answer_form, answer_kind: as for `read_predictions`.

    Raises:
        DataError: a line is damaged, the file is not what was written, or the questions are not those of the split; the
            message says how the file is made again.
    """
    remedy = made_again(path)
    try:
        rows = read_predictions(path, answer_form, answer_kind)
    except DataError as error:
        raise DataError(f"{error}: {remedy}" if path.exists() else str(error)) from None
    check_result(path, remedy)
    questions = {example.id for example in read_examples(asked)}
    if differing := questions ^ {row["id"] for row in rows}:
        raise DataError(
            f"{path} has {len(rows)} questions, and {asked} has {len(questions)}; {min(differing)} is in one of them "
            f"alone: {remedy}"
        )
    return rows
