"""Intervals, errors and tests for shares of right answers.

The formulas are short and written out: importing scipy.stats and statsmodels takes longer than computing all of them.
The tests compare them with both.

Questions about one image are not independent (GQA's testdev asks 31.6 per image), so standard errors and bootstraps are
clustered by image; see Miller, "Adding Error Bars to Evals", arXiv:2411.00640.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import NormalDist, fmean

import numpy as np

CONFIDENCE = 0.95
POWER = 0.80
RESAMPLES = 5_000
_BATCH = 500  # resamples in memory at the same time
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share.

    >>> [round(bound, 3) for bound in wilson(8, 10)]
    [0.49, 0.943]
    """
    share, weight = successes / n, 1 + _Z**2 / n
    middle = (share + _Z**2 / (2 * n)) / weight
    half = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / weight
    return (middle - half if successes else 0.0), (middle + half if successes < n else 1.0)  # exactly 0 and 1


def clustered_error(values: Sequence[float], clusters: Sequence[str]) -> float | None:
    """Standard error of the mean of ``values`` where those of one cluster are correlated.

    Cluster-robust, with the usual correction for few clusters. None for fewer than two clusters, which do not show how
    clusters differ.
    """
    groups = _by_cluster(values, clusters)
    if len(groups) < 2:
        return None
    mean = fmean(values)
    squares = math.fsum(math.fsum(value - mean for value in group) ** 2 for group in groups)
    # Rounded, so that deviations that cancel give exactly 0.
    return round(math.sqrt(len(groups) / (len(groups) - 1) * squares) / len(values), 10)


def _by_cluster(values: Sequence[float], clusters: Sequence[str]) -> list[list[float]]:
    """The values of each cluster, in the order of the clusters' names."""
    groups = defaultdict(list)
    for value, cluster in zip(values, clusters, strict=True):
        groups[cluster].append(value)
    return [groups[cluster] for cluster in sorted(groups)]


def detectable_difference(error: float | None) -> float | None:
    """The smallest true difference that a two-sided test at 5 % finds with 80 % power, given a difference's error.

    None if the error is None or 0: answers that are all alike do not show how they vary.
    """
    if not error:
        return None
    return (_Z + NormalDist().inv_cdf(POWER)) * error


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Chance that one of ``k`` samples is right, unbiased, from ``correct`` of ``n`` (Chen et al., arXiv:2107.03374).

    >>> pass_at_k(4, 1, 2)
    0.5
    """
    return 1.0 - math.comb(n - correct, k) / math.comb(n, k)


def exact_mcnemar(before: Sequence[bool], after: Sequence[bool]) -> float:
    """p of McNemar's exact test, two-sided: do two policies differ in how many of the same questions they get right?"""
    lost = sum(a and not b for a, b in zip(before, after, strict=True))
    gained = sum(b and not a for a, b in zip(before, after, strict=True))
    changed, fewer = lost + gained, min(lost, gained)
    term = tail = 1  # sums of binomial coefficients in whole numbers: no rounding, however large
    for k in range(fewer):
        term = term * (changed - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / 2**changed)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for the number of tests (Holm 1979), in the order given."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, number in enumerate(sorted(range(len(p_values)), key=lambda number: p_values[number])):
        largest = max(largest, (len(p_values) - rank) * p_values[number])
        adjusted[number] = min(1.0, largest)
    return adjusted


def bootstrap_interval(differences: Sequence[float], clusters: Sequence[str], seed: int) -> tuple[float, float] | None:
    """95 % percentile interval of the mean difference, with whole clusters drawn; None for fewer than two clusters.

    It follows from ``seed`` and the values of each cluster, whatever the order of the clusters.
    """
    groups = _by_cluster(differences, clusters)
    if len(groups) < 2:
        return None
    sums = np.array([sum(group) for group in groups], dtype=float)
    counts = np.array([len(group) for group in groups], dtype=float)
    rng, means = np.random.default_rng(seed), []
    for _ in range(0, RESAMPLES, _BATCH):
        drawn = rng.integers(0, len(groups), (_BATCH, len(groups)))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    low, high = np.quantile(np.concatenate(means), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
