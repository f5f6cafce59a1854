"""One line of `predictions.jsonl`: a question, a system's completion, and its scores.

The keys are the original's. ``instruction``, ``gt_answer`` and ``prediction_raw`` are enough: all scores follow from
these texts, so that a file of any other system is scored like this pipeline's own.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reinforced_cot.answers.kinds import credit
from reinforced_cot.answers.specification import chosen
from reinforced_cot.answers.true_answers import fault_of
from reinforced_cot.answers.truth import truth_of_row
from reinforced_cot.data.completions import THINK_OPEN
from reinforced_cot.data.image_probes import IMAGE_PROBES
from reinforced_cot.data.parsing import Parsed, parse_completion
from reinforced_cot.data.question_types import infer_question_type
from reinforced_cot.data.text_cleaning import is_text, without_prefix
from reinforced_cot.data.tokens import UNMATCHABLE, can_be_matched
from reinforced_cot.errors import DataError
from reinforced_cot.files import read_jsonl
from reinforced_cot.judging.by_kind import judged
from reinforced_cot.judging.consistency import is_bare
from reinforced_cot.reading.verdict import Verdict
from reinforced_cot.scoring.prediction_rows import FURTHER_COMPLETIONS, Prediction

ANSWER_FORMS = ("tags", "plain", "opened")
OPENING = f"{THINK_OPEN}\n"  # what the prompt has written of completions that are read as `opened`
VERDICTS = ("is_correct", "chain_verdict", "bare_chain", "control_verdict")
REQUIRED = ("instruction", "gt_answer", "prediction_raw")


def scored(row: Mapping[str, Any]) -> Prediction:
    """``row`` with its completion's parts and their scores.

    A plain answer has no chain: what a chain would be judged by is None then. A malformed completion should have had
    one, and counts as inconsistent. Where the kind of the true answer gives parts of the full credit,
    ``credit`` is what the answer gets, and at least half of it counts as right.
    """
    truth = truth_of_row(row)
    parsed = parsed_as(row.get("answer_form"), row["prediction_raw"])
    may_have_chain = row.get("answer_form") != "plain"
    verdict, bare = Verdict.UNKNOWN, False
    if parsed.think is not None and parsed.answer is not None:
        verdict = judged(parsed.think, parsed.answer, truth)
        bare = is_bare(parsed.think, parsed.answer, truth.question)
    earned = credit(parsed.answer, truth)
    return {
        **row,
        "pred_think": parsed.think,
        "pred_answer": parsed.answer,
        "parse_problem": parsed.problem,
        "is_correct": earned >= 0.5,
        **({"credit": earned} if chosen(truth.kind).has_parts else {}),
        "is_consist": verdict is Verdict.SUPPORT if may_have_chain else None,
        "chain_verdict": verdict.value if may_have_chain else None,
        "bare_chain": bare if may_have_chain else None,
    }


def moved(before: Mapping[str, Any], now: Prediction) -> dict[str, tuple[Any, Any]]:
    """The verdicts of a row that differ from those in an older file: their values there, and now.

    Args:
        before: the row as it stands in the file; keys that it lacks are left out.
        now: the row as `evaluation.scores.scored_rows` scores it. Of a plain answer, only this is compared: whether it
            is right.
    """
    verdicts = VERDICTS[:1] if now.get("answer_form") == "plain" else VERDICTS
    return {key: (before[key], now[key]) for key in verdicts if key in before and before[key] != now[key]}


def parsed_as(form: str | None, text: str) -> Parsed:
    """A completion's parts.

    Args:
        form: ``plain`` where the text is the answer alone, without tags and chain; else the pipeline's tags are read.
    """
    if form != "plain":
        return parse_completion(text)
    answer = text.strip()
    return Parsed(None, answer, None) if answer else Parsed(None, None, "empty answer")


def read_predictions(path: Path, answer_form: str = "tags", answer_kind: str = "") -> list[Prediction]:
    """The rows of a predictions file, unscored.

    The texts ``instruction``, ``gt_answer`` and ``prediction_raw`` are required. A row without ``id`` is named by its
    line, a row without ``image_id`` is taken for the only one about its image, and a missing ``question_type`` is
    inferred from the wording. Other keys of this pipeline's own files are read where their values have the right type.
    All further keys, and all scores, are ignored.

    Args:
        answer_form: how to read completions of rows that have no ``answer_form`` of their own: ``tags``; ``opened``,
            where the prompt has opened the chain and the file has only what came behind; or ``plain`` (`parsed_as`).
            Rows that are ``opened`` get the tag that they lack, and are like those with ``tags`` from then on.
        answer_kind: how to compare answers of rows that have no ``answer_kind`` of their own (`answers.kinds`).

    Raises:
        DataError: the file has no rows, or a row cannot be scored; the message names the line and the key.
    """
    rows: list[Prediction] = []
    lines: dict[str, int] = {}
    for number, raw_row in read_jsonl(path):
        row = _row(
            {"answer_form": answer_form, **raw_row, "answer_kind": raw_row.get("answer_kind") or answer_kind},
            number,
            f"{path}, line {number}",
        )
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
            raise DataError(f"{place}: `{key}` must be text, and is {json.dumps(raw_row[key])[:40]}")
        if not is_text(raw_row[key]):
            raise DataError(f"{place}: `{key}` holds half a character (a lone surrogate); it is not valid text")
    question = without_prefix(raw_row["instruction"])
    if not question.split():
        raise DataError(f"{place}: `instruction` is empty: it cannot be scored")
    if not can_be_matched(raw_row["gt_answer"]):
        raise DataError(f"{place}: `gt_answer` {UNMATCHABLE}: it cannot be scored")
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
    if truths := raw_row.get("gt_answers"):
        if not _are_texts(truths) or not all(map(can_be_matched, truths)):
            raise DataError(f"{place}: `gt_answers` must be a list of answers, and is {json.dumps(truths)[:80]}")
        row["gt_answers"] = truths
    for key, is_kind in _CARRIED.items():
        if raw_row.get(key):
            if not is_kind(raw_row[key]):
                raise DataError(f"{place}: `{key}` must be {_WANTED[key]}, and is {json.dumps(raw_row[key])[:80]}")
            row[key] = raw_row[key]
    try:
        fault = fault_of(truth_of_row(row))
    except DataError as error:
        raise DataError(f"{place}: {error}") from None
    if fault:
        raise DataError(f"{place}: `gt_answer` is not of its kind `{row['answer_kind']}`: {fault}")
    if (form := raw_row["answer_form"]) not in ANSWER_FORMS:
        raise DataError(f"{place}: `answer_form` is {form!r}; it must be one of {', '.join(ANSWER_FORMS)}")
    if form == "plain":
        row["answer_form"] = form
    if form == "opened":
        row["samples"] = [OPENING + text for text in row["samples"]]
        for key in ("prediction_raw", *(probe.key for probe in IMAGE_PROBES.values())):
            row[key] = None if row[key] is None else OPENING + row[key]
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
        raise DataError(f"{place}: `{key}` must be text, and is {json.dumps(value)[:40]}")
    return value or ""


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


_WANTED = {"choices": "a list of texts", "answer_kind": "text", "extra": "an object"}
# Keys of this pipeline's own files that are handed on, and when a value has the right type.
_CARRIED: dict[str, Callable[[Any], bool]] = {
    "choices": _are_texts,
    "answer_kind": lambda value: isinstance(value, str),
    "extra": lambda value: isinstance(value, dict),
}
