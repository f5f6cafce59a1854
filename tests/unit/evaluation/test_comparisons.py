"""Pairs of policies on the same questions: every number of a small case written out."""

import random
from math import sqrt
from typing import Any

import pytest
from scipy import stats

from reinforced_cot.errors import DataError
from reinforced_cot.evaluation.comparisons import compare
from reinforced_cot.scoring.prediction_rows import Prediction

# Questions 1 to 5 are of one type, 6 to 8 of another; two per image.
RIGHT = {"base": {1, 6}, "sft": {1, 2, 3, 4, 5, 7}, "gspo": {1, 2, 3, 4, 5, 6, 7, 8}}


def rows(right: set[int], questions: int = 8) -> list[Prediction]:
    return [
        {
            "id": f"q{n}",
            "image_id": f"image-{(n + 1) // 2}",
            "question_type": "query" if n <= 5 else "verify",
            "is_correct": n in right,
            "instruction": f"Question {n}?",
            "gt_answer": "red",
        }
        for n in range(1, questions + 1)
    ]


def p_of(mean: float, sums: list[float], n: int) -> float:
    """p of the mean of ``n`` changes, given each image's sum of deviations from it."""
    images = len(sums)
    error = sqrt(images / (images - 1) * sum(total**2 for total in sums)) / n
    return float(2 * stats.t.sf(mean / error, images - 1))


@pytest.fixture(scope="module")
def pairs() -> list[dict[str, Any]]:
    return compare({policy: rows(right) for policy, right in RIGHT.items()})


def test_all_pairs_in_the_order_of_the_policies(pairs: list[dict[str, Any]]) -> None:
    assert [(pair["before"], pair["after"]) for pair in pairs] == [("base", "sft"), ("base", "gspo"), ("sft", "gspo")]


@pytest.mark.parametrize(
    ("place", "kind", "n", "difference", "gained", "lost", "p", "holm"),
    [
        (0, None, 8, 4 / 8, 5, 1, p_of(1 / 2, [0, 1, -1, 0], 8), None),
        (0, "query", 5, 4 / 5, 4, 0, p_of(0.8, [-0.6, 0.4, 0.2], 5), 2 * p_of(0.8, [-0.6, 0.4, 0.2], 5)),
        (0, "verify", 3, 0.0, 1, 1, 1.0, 1.0),
        (1, None, 8, 6 / 8, 6, 0, p_of(3 / 4, [-0.5, 0.5, -0.5, 0.5], 8), None),
        (1, "query", 5, 4 / 5, 4, 0, p_of(0.8, [-0.6, 0.4, 0.2], 5), 2 * p_of(0.8, [-0.6, 0.4, 0.2], 5)),
        (1, "verify", 3, 2 / 3, 2, 0, p_of(2 / 3, [-2 / 3, 2 / 3], 3), p_of(2 / 3, [-2 / 3, 2 / 3], 3)),
        (2, None, 8, 2 / 8, 2, 0, p_of(1 / 4, [-0.5, -0.5, 0.5, 0.5], 8), None),
        (2, "query", 5, 0.0, 0, 0, 1.0, 1.0),
        (2, "verify", 3, 2 / 3, 2, 0, p_of(2 / 3, [1 / 3, -1 / 3], 3), 2 * p_of(2 / 3, [1 / 3, -1 / 3], 3)),
    ],
)
def test_what_changed(
    pairs: list[dict[str, Any]],
    place: int,
    kind: str | None,
    n: int,
    difference: float,
    gained: int,
    lost: int,
    p: float,
    holm: float | None,
) -> None:
    found = pairs[place] if kind is None else pairs[place]["by_question_type"][kind]
    assert (found["n"], found["gained"], found["lost"]) == (n, gained, lost)
    assert (found["difference"], found["p_value"]) == pytest.approx((difference, p))
    assert found.get("p_holm") == (None if holm is None else pytest.approx(holm))


def test_errors_and_intervals_are_clustered_by_image(pairs: list[dict[str, Any]]) -> None:
    to_sft, to_gspo, _ = pairs
    # changes sum to 1, 2, 0, 1 and to 1, 2, 1, 2 in the four images
    assert to_sft["error"] == pytest.approx(sqrt(4 / 3 * 2) / 8)
    assert to_gspo["error"] == pytest.approx(sqrt(4 / 3 * 1) / 8)
    assert to_gspo["detectable"] == pytest.approx((stats.t.ppf(0.975, 3) + stats.t.ppf(0.8, 3)) * sqrt(4 / 3) / 8)
    half = stats.t.ppf(0.975, 3) * sqrt(4 / 3) / 8
    assert to_gspo["interval"] == pytest.approx((6 / 8 - half, 1.0))  # never above 1
    assert list(to_sft["by_question_type"]) == ["query", "verify"]


@pytest.mark.parametrize(("key", "value"), [("instruction", "Another question"), ("gt_answer", "blue")])
def test_other_questions_under_the_same_ids_are_refused(key: str, value: str) -> None:
    """As where two files without ids hold the questions in another order."""
    other = rows({1})
    other[3][key] = value
    with pytest.raises(
        DataError, match=f"`{key}` of 'q4' is '.*' in one and '{value}' in the other; rows without `id`"
    ):
        compare({"a": rows({1}), "b": other})


def test_images_that_only_one_file_names_count_for_both() -> None:
    without = [{**row, "image_id": row["id"]} for row in rows(RIGHT["sft"])]
    named = rows(RIGHT["base"])
    [one], [other] = compare({"a": named, "b": without}), compare({"a": without, "b": named})
    assert one["images"] == other["images"] == 4 and one["p_value"] == other["p_value"]


@pytest.mark.parametrize("right", [{1, 2, 3, 4, 5, 6, 7, 8}, set()])
def test_where_all_questions_change_alike_no_interval_is_claimed(right: set[int]) -> None:
    [pair] = compare({"a": rows(set()), "b": rows(right)})
    assert pair["difference"] == len(right) / 8 and pair["interval"] is None and pair["detectable"] is None


def test_one_image_says_nothing_of_how_images_differ() -> None:
    [pair] = compare({"base": rows(set(), 2), "sft": rows({1, 2}, 2)})
    assert (pair["error"], pair["interval"], pair["detectable"]) == (None, None, None)
    assert (pair["difference"], pair["gained"], pair["p_value"]) == (1.0, 2, None)
    assert pair["by_question_type"]["query"]["p_holm"] is None


def test_no_change_detects_nothing() -> None:
    [pair] = compare({"base": rows({1, 2}), "sft": rows({1, 2})})
    assert (pair["difference"], pair["p_value"], pair["detectable"]) == (0.0, 1.0, None)
    assert pair["interval"] is None  # nothing was seen to vary


def test_one_policy_has_no_pairs() -> None:
    assert compare({"sft": rows({1})}) == []


def test_the_order_of_rows_is_irrelevant(pairs: list[dict[str, Any]]) -> None:
    rng = random.Random(0)
    assert compare({policy: rng.sample(rows(right), 8) for policy, right in RIGHT.items()}) == pairs


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        ({"base": 8, "sft": 7}, ("base", "sft", "q8")),
        ({"base": 6, "sft": 8}, ("base", "sft", "q7")),
        ({"base": 8, "sft": 8, "gspo": 7}, ("base", "gspo", "q8")),
    ],
)
def test_different_questions_are_refused(sizes: dict[str, int], named: tuple[str, ...]) -> None:
    with pytest.raises(DataError) as refusal:
        compare({policy: rows({1}, size) for policy, size in sizes.items()})
    assert all(name in str(refusal.value) for name in named)
    assert not any(policy in str(refusal.value) for policy in sizes if policy not in named)
