"""Intervals, errors and tests against scipy and statsmodels, closed formulas, enumerations, published tables."""

import math
import random
import statistics as plain
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import bootstrap
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from reinforced_cot.evaluation.uncertainty import (
    RESAMPLES,
    bootstrap_interval,
    clustered_error,
    detectable_difference,
    exact_mcnemar,
    holm,
    pass_at_k,
    wilson,
)

Z = 1.959963984540054  # 97.5 % quantile of the normal distribution


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [  # Newcombe 1998, table I, method 3; the last one is the third mirrored
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_wilsons_interval_as_published(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (1, 2), (0, 50), (50, 50), (613, 1000)])
def test_wilsons_interval_by_its_formula(successes: int, n: int) -> None:
    share = successes / n
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    low, high = wilson(successes, n)
    assert (low, high) == pytest.approx((middle - half, middle + half), abs=1e-12)
    assert (low == 0.0) == (successes == 0)  # exactly, for the report
    assert (high == 1.0) == (successes == n)


@pytest.mark.parametrize("values", [[1.0, 0.0], [1.0, 0.0, 0.0, -1.0, 1.0], [0.2, 0.9, 0.4]])
def test_without_clusters_the_error_is_the_plain_one(values: list[float]) -> None:
    names = [f"image-{i}" for i in range(len(values))]
    assert clustered_error(values, names) == pytest.approx(plain.stdev(values) / math.sqrt(len(values)))


@pytest.mark.parametrize(
    ("values", "clusters", "error"),
    [  # sqrt(G / (G - 1) * sum over clusters of (sum of deviations)^2) / n
        ([1, 1, 0, 0], "aabb", math.sqrt(2 / 1 * (1 + 1)) / 4),  # 0.5; the plain error is 0.289
        ([1, 1, 0, 0], "abba", 0.0),  # clusters that are all alike
        ([1, 1, 1, 0, 0], "aaabc", math.sqrt(3 / 2 * (1.2**2 + 0.6**2 + 0.6**2)) / 5),
        ([0, 1, 0, 1, 1], "cabaa", math.sqrt(3 / 2 * (1.2**2 + 0.6**2 + 0.6**2)) / 5),
        ([1, 1, 1], "abc", 0.0),
    ],
)
def test_the_clustered_error_by_hand(values: list[float], clusters: str, error: float) -> None:
    assert clustered_error(values, list(clusters)) == pytest.approx(error, abs=1e-12)


def test_clusters_that_agree_raise_the_error() -> None:
    values = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    together, alone = clustered_error(values, list("aaabbbccc")), clustered_error(values, list("abcdefghi"))
    assert together is not None
    assert alone is not None
    assert together == pytest.approx(2 * alone)  # 1/3 of 3 clusters, 1/6 of 9 values


def test_one_cluster_has_no_error() -> None:
    assert clustered_error([1.0, 0.0, 1.0], ["a", "a", "a"]) is None
    assert clustered_error([1.0], ["a"]) is None
    assert clustered_error([], []) is None


@pytest.mark.parametrize(
    ("error", "difference"), [(1.0, 2.8016), (0.01, 0.028016), (None, None), (0.0, None), (0.0, None)]
)
def test_detectable_difference(error: float | None, difference: float | None) -> None:
    assert detectable_difference(error) == (None if difference is None else pytest.approx(difference, rel=1e-5))


@pytest.mark.parametrize(("n", "correct", "k"), [(4, 1, 2), (5, 0, 3), (5, 5, 1), (6, 2, 4), (6, 3, 4), (7, 2, 1)])
def test_pass_at_k_by_trying_all_subsets(n: int, correct: int, k: int) -> None:
    subsets = list(combinations([True] * correct + [False] * (n - correct), k))
    assert pass_at_k(n, correct, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),  # 2 * 1 / 2
        (6, 0, 2 / 64),
        (5, 1, 2 * (1 + 6) / 64),
        (8, 2, 2 * (1 + 10 + 45) / 1024),
        (3, 3, 1.0),  # not 2 * 42 / 64
        (4, 3, 1.0),
    ],
)
def test_mcnemar_by_binomial_sums(gained: int, lost: int, p: float) -> None:
    unchanged = [True] * 3 + [False] * 20
    before = unchanged + [False] * gained + [True] * lost
    after = unchanged + [True] * gained + [False] * lost
    assert exact_mcnemar(before, after) == pytest.approx(p)
    assert exact_mcnemar(after, before) == pytest.approx(p)


def test_mcnemar_takes_the_same_questions_only() -> None:
    with pytest.raises(ValueError, match="zip"):
        exact_mcnemar([True, False], [True])


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([], []),
        ([0.04], [0.04]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # 0.04 * 1 is raised to 0.03 * 2
        ([0.02, 0.5, 0.02], [0.06, 0.5, 0.06]),  # 0.02 * 2 is raised to 0.02 * 3
        ([0.9, 0.6], [1.0, 1.0]),
    ],
)
def test_holm_by_hand(p_values: list[float], adjusted: list[float]) -> None:
    assert holm(p_values) == pytest.approx(adjusted)


# With half of G equal clusters at 1 and half at 0, the drawn means are Binomial(G, 1/2) / G: its 2.5 % quantile is 0 of
# 4, 1 of 8 and 4 of 16.
@pytest.mark.parametrize(("clusters", "interval"), [(16, (4 / 16, 12 / 16)), (8, (1 / 8, 7 / 8)), (4, (0.0, 1.0))])
def test_the_bootstrap_draws_whole_clusters(clusters: int, interval: tuple[float, float]) -> None:
    names = [f"image-{i % clusters}" for i in range(16)]
    values = [float(i % 2) for i in range(16)]
    assert bootstrap_interval(values, names, seed=3) == pytest.approx(interval)


def test_the_bootstrap_is_of_the_mean_over_values_not_over_clusters() -> None:
    """5 images with ten 1s, 5 with one 0: the mean is 50/55; with 2 to 8 of the large ones, 20/28 to 80/82."""
    names = [f"large-{i}" for i in range(5) for _ in range(10)] + [f"small-{i}" for i in range(5)]
    interval = bootstrap_interval([1.0] * 50 + [0.0] * 5, names, seed=0)
    assert interval == pytest.approx((20 / 28, 80 / 82))
    assert interval is not None
    assert interval[0] < 50 / 55 < interval[1]


def test_the_bootstrap_is_the_same_for_a_seed_and_any_order() -> None:
    rng = random.Random(1)
    rows = [(rng.choice((-1.0, 0.0, 1.0)), f"image-{rng.randrange(30)}") for _ in range(100)]
    shuffled = rng.sample(rows, len(rows))

    def interval(rows: list[tuple[float, str]], seed: int) -> tuple[float, float] | None:
        return bootstrap_interval([value for value, _ in rows], [image for _, image in rows], seed)

    assert interval(rows, 1) == interval(rows, 1) == interval(shuffled, 1)
    assert interval(rows, 1) != interval(rows, 2)


def test_one_cluster_has_no_interval() -> None:
    assert bootstrap_interval([1.0, 0.0], ["a", "a"], seed=0) is None
    assert bootstrap_interval([], [], seed=0) is None


def test_the_bootstrap_of_no_change_is_a_point() -> None:
    assert bootstrap_interval([0.0, 0.0, 0.0], ["a", "b", "b"], seed=0) == (0.0, 0.0)


@pytest.mark.parametrize("n", [2, 5, 60, 2000])
def test_all_as_scipy_and_statsmodels_have_them(n: int) -> None:
    draw = random.Random(n)
    before, after = ([draw.random() < share for _ in range(n)] for share in (0.5, 0.6))
    images = [f"image-{0 if i == 0 else draw.randrange(1, n // 2 + 1)}" for i in range(n)]  # two at least
    changes = [float(b) - float(a) for a, b in zip(before, after, strict=True)]

    assert wilson(sum(after), n) == pytest.approx(proportion_confint(sum(after), n, method="wilson"), abs=1e-12)

    codes = np.unique(images, return_inverse=True)[1]
    fit = OLS(np.array(changes), np.ones(n)).fit(cov_type="cluster", cov_kwds={"groups": codes})
    assert clustered_error(changes, images) == pytest.approx(fit.bse[0], abs=1e-9)

    lost, gained = changes.count(-1.0), changes.count(1.0)
    assert exact_mcnemar(before, after) == pytest.approx(mcnemar([[0, lost], [gained, 0]], exact=True).pvalue)

    p_values = [draw.random() ** 4 for _ in range(n)]
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))

    totals = [np.bincount(codes, weights) for weights in (changes, np.ones(n))]
    drawn = bootstrap(
        totals,
        lambda sums, counts, axis: sums.sum(axis=axis) / counts.sum(axis=axis),
        paired=True,
        n_resamples=RESAMPLES,
        batch=500,
        method="percentile",
        rng=np.random.default_rng(7),
    ).confidence_interval  # the same draws, too
    assert bootstrap_interval(changes, images, seed=7) == pytest.approx((drawn.low, drawn.high), abs=1e-12)
