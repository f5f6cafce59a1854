"""Intervals, errors and tests against scipy and statsmodels, closed formulas, enumerations, published tables."""

import math
import random
import statistics as plain
from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from reinforced_cot.evaluation.uncertainty import (
    clustered_error,
    detectable_difference,
    exact_mcnemar,
    holm,
    mean_interval,
    paired_p_value,
    pass_at_k,
    share_interval,
    t_p_value,
    t_quantile,
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
    assert wilson(successes / n, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (1, 2), (0, 50), (50, 50), (613, 1000)])
def test_wilsons_interval_by_its_formula(successes: int, n: int) -> None:
    share = successes / n
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    low, high = wilson(share, n)
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
    ("error", "images", "difference"),
    [
        (1.0, 100_000, 2.8016),
        (0.01, 100_000, 0.028016),
        (1.0, 10, 2.26216 + 0.88340),  # quantiles of t with 9 degrees of freedom
        (None, 1, None),
        (0.0, 10, None),
    ],
)
def test_detectable_difference(error: float | None, images: int, difference: float | None) -> None:
    expected = None if difference is None else pytest.approx(difference, rel=1e-5)
    assert detectable_difference(error, images) == expected


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


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 8, 9, 19, 49, 397, 6288, 20_000])
def test_students_t_as_scipy_has_it(degrees: int) -> None:
    for t in (0.0, 0.1, 1.0, 2.2, -5.0):
        assert t_p_value(t, degrees) == pytest.approx(2 * stats.t.sf(abs(t), degrees), abs=1e-11)
    for share in (0.8, 0.975, 0.995):
        assert t_quantile(share, degrees) == pytest.approx(stats.t.ppf(share, degrees), rel=2e-4)


def test_one_question_per_image_is_wilson_and_mcnemar() -> None:
    names = [f"image-{i}" for i in range(20)]
    right = [i < 7 for i in range(20)]
    assert share_interval(right, names) == wilson(7 / 20, 20)
    later = [i in range(3, 15) for i in range(20)]
    assert paired_p_value(right, later, names) == exact_mcnemar(right, later)


def test_credits_between_right_and_wrong() -> None:
    """The interval does not jump where two questions share an image, nor p where one credit is not whole."""
    credits = [0.3, 0.6] * 50
    apart = share_interval(credits, [str(n) for n in range(100)])
    shared = share_interval(credits, ["0", *(str(n) for n in range(99))])
    assert apart is not None and shared is not None
    assert apart == pytest.approx(shared, abs=0.01) and apart[1] - apart[0] < 0.1
    images = [str(n) for n in range(10)]
    before, after = [0.0] * 3 + [1.0] * 7, [1.0] * 10
    assert (
        paired_p_value(before, after, images) == paired_p_value([*before[:-1], 0.9], [*after[:-1], 0.9], images) == 0.25
    )


def test_the_clustered_interval_by_hand() -> None:
    """Five images of four answers, 4, 3, 2, 1 and 0 right: the error is sqrt(5/4 * 10) / 20, worth 8 answers of .5."""
    names = [f"image-{i // 4}" for i in range(20)]
    right = [i % 4 < 4 - i // 4 for i in range(20)]
    independent = 0.25 / (5 / 4 * 10 / 400)
    assert independent == 8
    narrower = (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 4)) ** 2
    assert share_interval(right, names) == pytest.approx(wilson(0.5, 8 * narrower))


@pytest.mark.parametrize("right", [True, False])
def test_all_right_or_all_wrong_counts_images(right: bool) -> None:
    interval = share_interval([right] * 40, [f"image-{i % 10}" for i in range(40)])
    narrower = (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 9)) ** 2
    assert interval == pytest.approx(wilson(float(right), 10 * narrower))


def test_one_image_has_no_interval_and_no_test() -> None:
    assert share_interval([True, False], ["a", "a"]) is None
    assert mean_interval([1.0, 0.0], ["a", "a"]) is None
    assert paired_p_value([True, False], [False, True], ["a", "a"]) is None


def test_the_same_change_in_every_image_is_a_sign_test() -> None:
    names = [f"image-{i % 5}" for i in range(10)]
    assert paired_p_value([False] * 10, [True] * 10, names) == 2 * 0.5**5
    assert paired_p_value([True] * 10, [True] * 10, names) == 1.0
    assert mean_interval([0.0] * 10, names) == (0.0, 0.0)


def test_the_interval_of_images_that_agree_is_wider() -> None:
    right = [i < 20 for i in range(40)]
    together = share_interval(right, [f"image-{i // 4}" for i in range(40)])
    apart = share_interval(right, [f"image-{i}" for i in range(40)])
    assert together is not None and apart is not None
    assert together[1] - together[0] > 1.5 * (apart[1] - apart[0])


@pytest.mark.parametrize("correlation", [0.0, 0.1])
@pytest.mark.parametrize(("images", "each"), [(50, 4), (9, 10)])
def test_the_interval_covers_and_the_test_keeps_its_size(images: int, each: int, correlation: float) -> None:
    """A short form of benchmarks/intervals.py, at fixed random numbers."""
    rng, names = np.random.default_rng(5), [f"image-{i // each}" for i in range(images * each)]
    covered, rejected, runs = 0, 0, 400
    for _ in range(runs):
        spread = 0.5 * (1 - correlation) / correlation if correlation else 0.0
        share = np.repeat(rng.beta(spread, spread, images) if spread else np.full(images, 0.5), each)
        low, high = share_interval(list(rng.random(len(names)) < share), names) or (0.0, 1.0)
        covered += low <= 0.5 <= high
        changed = rng.random(len(names)) < 0.2
        gained = changed & (rng.random(len(names)) < share)
        p = paired_p_value(list(changed & ~gained), list(gained), names)
        rejected += p is not None and p < 0.05
    assert 0.92 <= covered / runs <= 0.98
    assert 0.02 <= rejected / runs <= 0.08


@pytest.mark.parametrize("n", [2, 5, 60, 2000])
def test_all_as_scipy_and_statsmodels_have_them(n: int) -> None:
    draw = random.Random(n)
    before, after = ([draw.random() < share for _ in range(n)] for share in (0.5, 0.6))
    images = [f"image-{0 if i == 0 else draw.randrange(1, n // 2 + 1)}" for i in range(n)]  # two at least
    changes = [float(b) - float(a) for a, b in zip(before, after, strict=True)]

    assert wilson(sum(after) / n, n) == pytest.approx(proportion_confint(sum(after), n, method="wilson"), abs=1e-12)

    codes = np.unique(images, return_inverse=True)[1]
    fit = OLS(np.array(changes), np.ones(n)).fit(cov_type="cluster", cov_kwds={"groups": codes})
    assert clustered_error(changes, images) == pytest.approx(fit.bse[0], abs=1e-9)

    lost, gained = changes.count(-1.0), changes.count(1.0)
    assert exact_mcnemar(before, after) == pytest.approx(mcnemar([[0, lost], [gained, 0]], exact=True).pvalue)

    p_values = [draw.random() ** 4 for _ in range(n)]
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))

    if fit.bse[0] > 1e-9:
        by_t = OLS(np.array(changes), np.ones(n)).fit(cov_type="cluster", cov_kwds={"groups": codes}, use_t=True)
        bounds = np.clip(by_t.conf_int()[0], -1, 1)  # accuracies differ by no more
        assert mean_interval(changes, images) == pytest.approx(tuple(bounds), rel=1e-3, abs=1e-9)
        assert paired_p_value(before, after, images) == pytest.approx(by_t.pvalues[0], abs=1e-9)
