"""One line of `predictions.jsonl`: a question, a system's completion, and its scores.

The keys are the original's. ``instruction``, ``gt_answer`` and ``prediction_raw`` are enough: all scores follow from
these texts, so that a file of any other system is scored like this pipeline's own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reinforced_cot.data.parsing import parse_completion
from reinforced_cot.data.question_types import infer_question_type
from reinforced_cot.data.text_cleaning import without_prefix
from reinforced_cot.errors import DataError
from reinforced_cot.files import read_jsonl
from reinforced_cot.scoring.answer_matching import is_correct
from reinforced_cot.scoring.consistency import Verdict, is_bare, judge
from reinforced_cot.scoring.prediction_rows import FURTHER_COMPLETIONS, Prediction
from reinforced_cot.scoring.words import phrase

REQUIRED = ("instruction", "gt_answer", "prediction_raw")


def scored(row: Mapping[str, Any]) -> Prediction:
    """``row`` with its completion's parts and their scores."""
    question = row["instruction"]
    parsed = parse_completion(row["prediction_raw"])
    verdict, bare = Verdict.UNKNOWN, False
    if parsed.think is not None and parsed.answer is not None:
        verdict = judge(parsed.think, parsed.answer, question)
        bare = is_bare(parsed.think, parsed.answer, question)
    return {
        **row,
        "pred_think": parsed.think,
        "pred_answer": parsed.answer,
        "parse_problem": parsed.problem,
        "is_correct": is_correct(parsed.answer, row["gt_answer"], question),
        "is_consist": verdict is Verdict.SUPPORT,
        "chain_verdict": verdict.value,
        "bare_chain": bare,
    }


def read_predictions(path: Path) -> list[Prediction]:
    """The rows of a predictions file, unscored.

    The texts ``instruction``, ``gt_answer`` and ``prediction_raw`` are required. A row without ``id`` is named by its
    line, a row without ``image_id`` is taken for the only one about its image, and a missing ``question_type`` is
    inferred from the wording. Other keys of this pipeline's own files are read where their values have the right type.
    All further keys, and all scores, are ignored.

    Raises:
        DataError: the file has no rows, or a row cannot be scored; the message names the line and the key.
    """
    rows: list[Prediction] = []
    lines: dict[str, int] = {}
    for number, raw_row in read_jsonl(path):
        row = _row(raw_row, number, f"{path}, line {number}")
        if row["id"] in lines:
            raise DataError(
                f"{path}, line {number}: `id` {row['id']!r} stands in line {lines[row['id']]} as well; each question "
                "must be answered once"
            )
        lines[row["id"]] = number
        rows.append(row)
    if not rows:
        raise DataError(f"{path} holds no predictions")
    return rows


def _row(raw_row: Mapping[str, Any], number: int, place: str) -> Prediction:
    for key in REQUIRED:
        if key not in raw_row:
            raise DataError(f"{place}: the key `{key}` is missing; required are {', '.join(REQUIRED)}")
        if not isinstance(raw_row[key], str):
            raise DataError(f"{place}: `{key}` must be text, not {type(raw_row[key]).__name__}")
        if not raw_row[key].isprintable() and any("\ud800" <= character <= "\udfff" for character in raw_row[key]):
            raise DataError(f"{place}: `{key}` holds half a character (a lone surrogate); it is not valid text")
    question = without_prefix(raw_row["instruction"])
    for key, words in (("instruction", question.split()), ("gt_answer", phrase(raw_row["gt_answer"]))):
        if not words:
            raise DataError(f"{place}: `{key}` is empty or has only articles and punctuation: it cannot be scored")
    row: Prediction = {
        "id": _name(raw_row, "id", place) or f"line-{number}",
        "image_id": _name(raw_row, "image_id", place),
        "question_type": _text(raw_row, "question_type", place) or infer_question_type(question, raw_row["gt_answer"]),
        "semantic_type": raw_row.get("semantic_type") if isinstance(raw_row.get("semantic_type"), str) else None,
        "instruction": question,
        "gt_answer": raw_row["gt_answer"],
        "prediction_raw": raw_row["prediction_raw"],
        "truncated": raw_row.get("truncated") if isinstance(raw_row.get("truncated"), bool) else None,
        "samples": raw_row["samples"] if _are_texts(raw_row.get("samples")) else [],
        **{key: raw_row[key] if isinstance(raw_row.get(key), str) else None for key in FURTHER_COMPLETIONS},
    }
    row["image_id"] = row["image_id"] or row["id"]
    return row


def _name(raw_row: Mapping[str, Any], key: str, place: str) -> str:
    """A text or a number as text, empty where there is none."""
    value = raw_row.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas writes whole numbers like this in a column with gaps
    if value is not None and (isinstance(value, bool) or not isinstance(value, (str, int))):
        raise DataError(f"{place}: `{key}` must be text or a whole number, not {type(value).__name__}")
    return "" if value is None else str(value).encode("utf-8", "replace").decode()


def _text(raw_row: Mapping[str, Any], key: str, place: str) -> str:
    value = raw_row.get(key)
    if value is not None and not isinstance(value, str):
        raise DataError(f"{place}: `{key}` must be text, not {type(value).__name__}")
    return value or ""


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)
