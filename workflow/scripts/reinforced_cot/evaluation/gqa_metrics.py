"""GQA's official metrics: the figures that its own evaluation prints; predictions are compared as raw strings.

They are those of Hudson & Manning, "GQA: A New Dataset for Real-World Visual Reasoning and Compositional Question
Answering", CVPR 2019, all but grounding, which needs attention maps.

``consistency`` here is across questions: if a question is answered rightly, the questions that follow from it should be
as well. It is never the chain consistency of `consistency.py`: whether an answer follows from its own chain of thought.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from reinforced_cot.errors import DataError
from reinforced_cot.files import read_json

Questions = Mapping[str, Mapping[str, Any]]
Predictions = Mapping[str, str]
Choices = Mapping[str, Mapping[str, list[str]]]

_COMMON = ["color", "material", "shape"]  # the choices where the question is what two objects have in common
# Steps that only read off the answer are not counted as reasoning.
_UNCOUNTED_STEPS = ("exist", "query: name", "choose name")


def gqa_metrics(questions: Questions, predictions: Predictions, choices: Choices | None = None) -> dict[str, Any]:
    """Score predictions against GQA's questions.

    Args:
        questions: GQA's questions file, question id -> record, as `read_questions` gives it.
        predictions: question id -> predicted answer; every balanced question needs one.
        choices: GQA's choices file, question id -> ``valid`` and ``plausible`` answers.

    Returns:
        Over the balanced questions, in percent but for ``n`` and ``distribution``:

        - n: how many there are
        - accuracy; open: of questions of structural type query; binary: of all others
        - consistency: for each rightly answered question, the share of the questions it entails, balanced or not, that
          are answered rightly; then the mean over those that entail any. None unless every question
          has a prediction and ``questions`` holds all entailed ones: this needs GQA's file of all questions, not that
          of the balanced ones
        - validity, plausibility: share of predictions among the choices; None without choices
        - distribution: chi-square distance between predicted and true answers, lower is better
        - by_structural_type, by_semantic_type (keys str), by_words, by_steps (keys int): {"n", "accuracy"} per key

        A question without the annotation a metric needs (``question``, ``semantic``, ``groups``, ``entailed``,
        ``types.detailed``) is left out of that metric; a metric with nothing to count is None.

    Raises:
        DataError: a balanced question has no prediction, a prediction is for no question, or the choices lack a
            question that needs them.
    """
    check_ids(questions, predictions)
    balanced = {id: record for id, record in questions.items() if record["isBalanced"]}
    correct = {id: predictions[id] == record["answer"] for id, record in balanced.items()}
    structural = {id: record["types"]["structural"] for id, record in balanced.items()}
    semantic = {id: record["types"]["semantic"] for id, record in balanced.items()}
    return {
        "n": len(balanced),
        "accuracy": _percent(correct.values()),
        "binary": _percent(correct[id] for id, name in structural.items() if name != "query"),
        "open": _percent(correct[id] for id, name in structural.items() if name == "query"),
        "consistency": _consistency(questions, predictions, correct),
        "validity": _share_among("valid", balanced, predictions, choices),
        "plausibility": _share_among("plausible", balanced, predictions, choices),
        "distribution": _distribution(balanced, predictions),
        "by_structural_type": _accuracy_by(structural, correct),
        "by_semantic_type": _accuracy_by(semantic, correct),
        "by_words": _accuracy_by({id: _words(record) for id, record in balanced.items()}, correct),
        "by_steps": _accuracy_by({id: _steps(record) for id, record in balanced.items()}, correct),
    }


def check_ids(questions: Questions, ids: Collection[str]) -> None:
    """See that ``ids`` are ids of GQA's questions, and that no balanced question is missing.

    Raises:
        DataError: names a balanced question that is missing, or an id that is none of GQA's.
    """
    balanced = [id for id, record in questions.items() if record["isBalanced"]]
    missing = [id for id in balanced if id not in ids]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(balanced)} balanced questions have no prediction, the first is {missing[0]!r}; "
            "GQA's metrics are defined over all of them"
        )
    unknown = [id for id in ids if id not in questions]
    if unknown:
        raise DataError(
            f"{len(unknown)} predictions are for no question of the file, the first is for {unknown[0]!r}; "
            "were they made for another split?"
        )


def check_choices(questions: Questions, choices: Choices) -> None:
    """See that the choices hold every balanced question that validity and plausibility look up.

    Raises:
        DataError: names a question that they lack.
    """
    wanted = [id for id, record in questions.items() if record["isBalanced"] and _looks_up(record)]
    lacking = [id for id in wanted if id not in choices]
    if lacking:
        raise DataError(
            f"the choices lack {len(lacking)} of {len(wanted)} questions, the first is {lacking[0]!r}; are they "
            "another split's?"
        )


def _looks_up(record: Mapping[str, Any]) -> bool:
    """Whether the choices file is asked about a question."""
    detailed = record["types"].get("detailed")
    return detailed is not None and "Common" not in detailed


def _consistency(questions: Questions, predictions: Predictions, correct: Mapping[str, bool]) -> float | None:
    if any(id not in predictions for id in questions):
        return None
    shares = []
    for id in (id for id, right in correct.items() if right):
        others = [other for other in questions[id].get("entailed") or () if other != id]
        if any(other not in questions for other in others):
            return None
        if others:
            shares.append(fmean(predictions[other] == questions[other]["answer"] for other in others))
    return 100 * fmean(shares) if shares else None


def _share_among(kind: str, balanced: Questions, predictions: Predictions, choices: Choices | None) -> float | None:
    """Percentage of predictions in their question's list ``kind`` of the choices."""
    if choices is None:
        return None
    check_choices(balanced, choices)
    return _percent(
        predictions[id] in (choices[id][kind] if _looks_up(record) else _COMMON)
        for id, record in balanced.items()
        if record["types"].get("detailed") is not None
    )


def _distribution(balanced: Questions, predictions: Predictions) -> float | None:
    true: dict[str, Counter[str]] = defaultdict(Counter)
    predicted: dict[str, Counter[str]] = defaultdict(Counter)
    for id, record in balanced.items():
        group = (record.get("groups") or {}).get("global")
        if group is not None:
            true[group][record["answer"]] += 1
            predicted[group][predictions[id]] += 1
    if not true:
        return None
    # Over the true answers only: a prediction that is none of them shows as one too few elsewhere.
    distances = [
        sum((predicted[group][answer] - count) ** 2 / count for answer, count in counts.items())
        for group, counts in true.items()
    ]
    return fmean(distances, weights=[counts.total() for counts in true.values()]) / 100


def _words(record: Mapping[str, Any]) -> int | None:
    text = record.get("question")
    return None if text is None else len(text.split())


def _steps(record: Mapping[str, Any]) -> int | None:
    program = record.get("semantic")
    if program is None:
        return None
    steps = [f"{step['operation']}: {step['argument']}" for step in program]
    return sum(not any(name in step for name in _UNCOUNTED_STEPS) for step in steps)


def _accuracy_by(keys: Mapping[str, Any], correct: Mapping[str, bool]) -> dict[Any, dict[str, Any]] | None:
    """Accuracy over the questions of each key, in the keys' order; a question whose key is None is left out."""
    rows: dict[Any, list[bool]] = defaultdict(list)
    for id, key in keys.items():
        if key is not None:
            rows[key].append(correct[id])
    return {key: {"n": len(row), "accuracy": _percent(row)} for key, row in sorted(rows.items())} or None


def _percent(values: Iterable[bool]) -> float | None:
    counted = list(values)
    return 100 * sum(counted) / len(counted) if counted else None


def gqa_files(settings: Mapping[str, str | None]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Read the files under ``gqa_questions`` and ``gqa_choices``; None for each that is not given."""
    questions, choices = settings["gqa_questions"], settings["gqa_choices"]
    return (read_questions(Path(questions)) if questions else None, read_choices(Path(choices)) if choices else None)


def read_questions(path: Path) -> dict[str, Any]:
    """GQA's questions file: question id -> record.

    Raises:
        DataError: the file is missing, not JSON or not an object, or a record lacks ``answer``, ``isBalanced``,
            ``types.structural`` or ``types.semantic``; names the file, the question and the key.
    """
    questions = _read_records(path)
    for id, record in questions.items():
        _require(path, id, record, {"answer": str, "isBalanced": bool, "types": dict})
        _require(path, id, record["types"], {"structural": str, "semantic": str}, "types.")
    return questions


def read_choices(path: Path) -> dict[str, Any]:
    """GQA's choices file: question id -> ``valid`` and ``plausible`` answers.

    Raises:
        DataError: the file is missing, not JSON or not an object, or a record lacks one of the two lists.
    """
    choices = _read_records(path)
    for id, record in choices.items():
        _require(path, id, record, {"valid": list, "plausible": list})
    return choices


def _read_records(path: Path) -> dict[str, Any]:
    records = read_json(path)
    if not isinstance(records, dict):
        raise DataError(f"{path}: expected a JSON object of question ids, found {type(records).__name__}")
    return records


def _require(path: Path, id: str, record: Any, keys: Mapping[str, type], prefix: str = "") -> None:
    if not isinstance(record, dict):
        raise DataError(f"{path}, question {id!r}: expected a JSON object, found {type(record).__name__}")
    for key, kind in keys.items():
        if key not in record:
            raise DataError(f"{path}, question {id!r}: {prefix + key!r} is missing")
        if not isinstance(record[key], kind):
            actual = type(record[key]).__name__
            raise DataError(f"{path}, question {id!r}: {prefix + key!r} should be a {kind.__name__}, found {actual}")
