"""The gallery's files: every test question with its images, and what each policy answered.

A browser refuses ``fetch`` in a page that was opened as a file. So the rows are scripts, which call a function of the
page with a list of rows each.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from reinforced_cot.data.examples import Example, read_examples
from reinforced_cot.errors import DataError
from reinforced_cot.files import write_text
from reinforced_cot.inert_text import visible
from reinforced_cot.report.run import Run
from reinforced_cot.scoring.metrics import credit_of
from reinforced_cot.scoring.prediction_rows import Prediction

ROWS_PER_FILE = 1000
IMAGES = "images"


def write_gallery(run: Run, folder: Path) -> tuple[list[str], dict[str, tuple[int, int]]]:
    """Write the rows and the images of all test questions.

    Args:
        folder: exists; gets ``rows-000.js``, ... and ``images/``.

    Returns:
        The names of the scripts, and the width and height in pixels of each question's first image, by its id.

    Raises:
        DataError: the test split, or one of its images, is missing or damaged, or it is not the one that was asked.
    """
    data = run.results / "data"
    examples = read_examples(data / "test.jsonl")
    refuse_other_questions(run, examples, data / "test.jsonl")
    (folder / IMAGES).mkdir()
    sizes: dict[str, tuple[int, int]] = {}
    by_image: dict[str, tuple[int, int]] = {}
    for example in examples:
        for path in example.images:
            if path not in by_image:
                by_image[path] = _take_image(data / path, folder / IMAGES / Path(path).name)
        sizes[example.id] = by_image[example.images[0]]
    names = []
    rows = [*_rows(run, examples)]
    for number, start in enumerate(range(0, len(rows), ROWS_PER_FILE)):
        names.append(f"rows-{number:03}.js")
        # ASCII: no encoding to guess.
        text = json.dumps(rows[start : start + ROWS_PER_FILE], separators=(",", ":"))
        write_text(folder / names[-1], f"galleryRows({text});\n")
    return names, sizes


def refuse_other_questions(run: Run, examples: Sequence[Example], path: Path) -> None:
    """See that the split holds the questions that were asked.

    Raises:
        DataError: names a question that is missing in the split, or in a policy's answers.
    """
    ids = {example.id for example in examples}
    for policy, predictions in run.predictions.items():
        if odd := sorted(ids ^ {row["id"] for row in predictions}):
            raise DataError(
                f"{path} and {run.results / policy / 'predictions.jsonl'} have different questions: {odd[0]!r} is in "
                "one of them alone; run the evaluation again"
            )


def hash_of_chains(rows: Sequence[Prediction]) -> str:
    """What tells the chains and answers of one evaluation from those of another: the page's labels are of these."""
    said = sorted((row["id"], row["prediction_raw"]) for row in rows)
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def _take_image(source: Path, target: Path) -> tuple[int, int]:
    """Put an image beside the page, sharing its bytes on the disk where that is possible; its width and height."""
    try:
        with Image.open(source) as image:
            size = image.size
    except OSError as error:
        raise DataError(f"{source} cannot be shown ({error}): prepare the data again") from None
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
    return size


def _rows(run: Run, examples: Sequence[Example]) -> Iterator[dict[str, Any]]:
    by_policy = {policy: {row["id"]: row for row in rows} for policy, rows in run.predictions.items()}
    for example in examples:
        yield {
            "id": example.id,
            "images": [f"{IMAGES}/{Path(path).name}" for path in example.images],
            "question": visible(example.question_text),
            "truth": visible(" / ".join(dict.fromkeys(example.answers))),
            "choices": [visible(choice) for choice in example.choices],
            "type": visible(example.question_type),
            "answers": [_answer(rows[example.id]) for rows in by_policy.values()],
        }


def _answer(row: Prediction) -> Mapping[str, Any]:
    """What a policy wrote: ``a`` answer, ``c`` chain, ``r`` credit, ``v`` verdict on the chain, ``b`` whether the chain
    only copies, ``p`` why it could not be read, ``w`` the whole text where that is so, ``t`` whether it was cut off.
    """
    answer: dict[str, Any] = {"r": round(credit_of(row), 3)}
    if row["parse_problem"]:
        answer |= {"p": row["parse_problem"], "w": visible(row["prediction_raw"])}
    else:
        answer |= {"a": visible(row["pred_answer"] or ""), "v": row["chain_verdict"]}
        if row["pred_think"] is not None:
            answer["c"] = visible(row["pred_think"])
    if row["truncated"]:
        answer["t"] = 1
    if row["bare_chain"]:
        answer["b"] = 1
    return answer
