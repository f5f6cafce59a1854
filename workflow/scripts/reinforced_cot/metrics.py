"""From completions to `predictions.jsonl` and `eval.json`: pure functions, the same bytes for the same completions."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import sha256
from statistics import fmean
from typing import Any

from reinforced_cot.answers import is_correct
from reinforced_cot.consistency import Verdict, judge
from reinforced_cot.errors import DataError
from reinforced_cot.examples import Example
from reinforced_cot.parsing import parse_completion

Prediction = dict[str, Any]


def prediction(example: Example, completion: str, samples: Sequence[str] = ()) -> Prediction:
    """One line of `predictions.jsonl`: the original's keys, plus id, question type and the sampled completions."""
    parsed = parse_completion(completion)
    verdict = (
        judge(parsed.think, parsed.answer, example.question) if parsed.think and parsed.answer else Verdict.UNKNOWN
    )
    return {
        "id": example.id,
        "image_id": example.group,
        "question_type": example.question_type,
        "instruction": example.question,
        "gt_answer": example.answer,
        "prediction_raw": completion,
        "pred_think": parsed.think,
        "pred_answer": parsed.answer,
        "parse_problem": parsed.problem,
        "is_correct": is_correct(parsed.answer, example.answer, example.question),
        "is_consist": verdict is Verdict.SUPPORT,
        "samples": list(samples),
    }


def evaluate(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """The content of `eval.json`.

    Returns:
        accuracy, format_rate, consistency (share of all answers that follow from their chains), accuracy_well_formed
        (among well-formed completions only), each a share in 0..1 or None where nothing could be counted; the same per
        question type; counts; for sampled completions (temperature 1) the mean over all of them; and ``questions``, a
        hash of the ids asked, so that policies are compared on the same ones.

    Raises:
        DataError: there are no predictions (fault 63: no 0/0).
    """
    if not predictions:
        raise DataError("there are no predictions to evaluate")
    by_type: dict[str, list[Prediction]] = defaultdict(list)
    problems: dict[str, int] = defaultdict(int)
    for row in predictions:
        by_type[row["question_type"]].append(row)
        if row["parse_problem"]:
            problems[row["parse_problem"]] += 1
    return {
        "questions": sha256("\n".join(sorted(row["id"] for row in predictions)).encode()).hexdigest()[:16],
        **_shares(predictions),
        "by_question_type": {name: _shares(rows) for name, rows in sorted(by_type.items())},
        "parse_problems": dict(sorted(problems.items())),
        "sampled": _sampled_shares(predictions),
    }


def _shares(rows: Sequence[Prediction]) -> dict[str, Any]:
    well_formed = [row for row in rows if row["parse_problem"] is None]
    correct = sum(row["is_correct"] for row in rows)
    return {
        "n": len(rows),
        "n_correct": correct,
        "n_well_formed": len(well_formed),
        "accuracy": correct / len(rows),
        "accuracy_well_formed": _mean(row["is_correct"] for row in well_formed),
        "format_rate": len(well_formed) / len(rows),
        "consistency": _mean(row["is_consist"] for row in rows),
    }


def _sampled_shares(rows: Sequence[Prediction]) -> dict[str, Any] | None:
    samples = [
        (parsed := parse_completion(text), is_correct(parsed.answer, row["gt_answer"], row["instruction"]))
        for row in rows
        for text in row["samples"]
    ]
    if not samples:
        return None
    return {
        "samples_per_question": len(rows[0]["samples"]),
        "accuracy": fmean(correct for _, correct in samples),
        "accuracy_well_formed": _mean(correct for parsed, correct in samples if parsed.well_formed),
        "format_rate": fmean(parsed.well_formed for parsed, _ in samples),
    }


def _mean(values: Iterable[bool]) -> float | None:
    counted = list(values)
    return fmean(counted) if counted else None
