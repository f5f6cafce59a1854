"""Differences between policies that were asked the same questions, paired question by question."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean
from typing import Any

from reinforced_cot.errors import DataError
from reinforced_cot.evaluation import uncertainty
from reinforced_cot.scoring.metrics import credit_of
from reinforced_cot.scoring.prediction_rows import Prediction


def compare(predictions: Mapping[str, Sequence[Prediction]]) -> list[dict[str, Any]]:
    """Compare every pair of policies: how much more often the second is right than the first.

    Args:
        predictions: scored rows by policy, in the order of the report.

    Returns:
        One mapping per pair: ``before`` and ``after`` (names); the keys of `difference` over all questions; and
        ``by_question_type``, the same per type with ``p_holm``, p adjusted for the number of types that have one.

    Raises:
        DataError: two policies were asked different questions.
    """
    by_id = {policy: {row["id"]: row for row in rows} for policy, rows in predictions.items()}
    refuse_different_questions(by_id)
    comparisons = []
    for before, after in combinations(by_id, 2):
        pairs = [(by_id[before][id], by_id[after][id]) for id in sorted(by_id[before])]
        types = sorted({row["question_type"] for row, _ in pairs})
        parts = {name: difference([pair for pair in pairs if pair[0]["question_type"] == name]) for name in types}
        tested = {name: part["p_value"] for name, part in parts.items() if part["p_value"] is not None}
        adjusted = dict(zip(tested, uncertainty.holm(list(tested.values())), strict=True))
        comparisons.append(
            {
                "before": before,
                "after": after,
                **difference(pairs),
                "by_question_type": {name: {**part, "p_holm": adjusted.get(name)} for name, part in parts.items()},
            }
        )
    return comparisons


def difference(pairs: Sequence[tuple[Prediction, Prediction]]) -> dict[str, Any]:
    """Compare two policies' answers to the same questions.

    Returns:
        ``difference`` in accuracy (second minus first) with its 95 % ``interval``, ``error`` (standard error) and
        ``p_value``, all clustered by image (`uncertainty.paired_p_value`); ``detectable`` (the smallest difference that
        these questions would show, power .8); ``images``; ``gained`` and ``lost`` questions. A value is None if there
        is one image, which does not show how images differ, or if all questions changed alike.
    """
    first, second = ([credit_of(pair[side]) for pair in pairs] for side in (0, 1))
    changes = [after - before for before, after in zip(first, second, strict=True)]
    images = [_image(*pair) for pair in pairs]
    error, n_images = uncertainty.clustered_error(changes, images), len(set(images))
    return {
        "n": len(pairs),
        "images": n_images,
        "difference": fmean(changes),
        "interval": uncertainty.mean_interval(changes, images) if error else None,
        "error": error,
        "detectable": uncertainty.detectable_difference(error or None, n_images),
        "gained": sum(change > 0 for change in changes),
        "lost": sum(change < 0 for change in changes),
        "p_value": uncertainty.paired_p_value(first, second, images),
    }


def _image(one: Prediction, other: Prediction) -> str:
    """The image of a question: a row that names none has its own id there."""
    return str(one["image_id"] if one["image_id"] != one["id"] else other["image_id"])


def refuse_different_questions(by_id: Mapping[str, Mapping[str, Prediction]]) -> None:
    """See that all policies were asked the same questions, with the same true answers.

    Args:
        by_id: each policy's rows by the ids of their questions.

    Raises:
        DataError: names two policies, and a question that only one was asked or that differs.
    """
    (first, expected), *others = by_id.items()
    for policy, rows in others:
        if odd := sorted(expected.keys() ^ rows.keys()):
            raise DataError(
                f"{first} and {policy} were asked different questions: the one with the id {odd[0]!r} was put to only "
                "one of them; evaluate both on the same test split"
            )
        for id, row in expected.items():
            for key in ("instruction", "gt_answer"):
                if row[key] != rows[id][key]:
                    raise DataError(
                        f"{first} and {policy} were asked different questions: `{key}` of {id!r} is {row[key]!r} in "
                        f"one and {rows[id][key]!r} in the other; rows without `id` are compared line by line"
                    )
