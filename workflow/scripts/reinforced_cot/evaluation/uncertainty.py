"""Intervals, errors and tests for shares of right answers.

The formulas are short and written out: importing scipy.stats and statsmodels takes longer than computing all of them.
The tests compare them with both.

Questions about one image are not independent (GQA's testdev asks 31.6 per image), so intervals and tests are clustered
by image, with Student's t distribution because images may be few; see Miller, "Adding Error Bars to Evals",
arXiv:2411.00640. Where each image has one question, they are Wilson's and McNemar's. `benchmarks/intervals.md` shows by
simulation how often they are right.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist, fmean

CONFIDENCE = 0.95
POWER = 0.80
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


def share_interval(values: Sequence[float], clusters: Sequence[str]) -> tuple[float, float] | None:
    """The 95 % interval of a share of right answers: ``values`` of 0 and 1, or credits between them.

    Wilson's score interval for the number of independent answers that the clusters are worth, less what it costs that
    their variance is estimated from few of them: the "effective sample size" of Korn & Graubard (1998), as compared by
    Franco et al., J. Surv. Stat. Methodol. 7 (2019). With one answer per cluster, Wilson's interval as it is, if
    each is right or wrong.

    Returns:
        The bounds; None for several answers in a single cluster, which do not show how clusters differ.
    """
    share, n, images = fmean(values), len(values), len(set(clusters))
    if images == n and {*values} <= {0, 1}:
        return wilson(share, n)
    error = clustered_error(values, clusters)
    if error is None:
        return None
    independent = share * (1 - share) / error**2 if error else float(n)
    if share in (0.0, 1.0):
        independent = float(images)  # nothing varies: as if the answers about one image were one answer
    return wilson(share, independent * (_Z / t_quantile(0.5 + CONFIDENCE / 2, images - 1)) ** 2)


def wilson(share: float, n: float) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share of ``n`` answers.

    >>> [round(bound, 3) for bound in wilson(0.8, 10)]
    [0.49, 0.943]
    """
    weight = 1 + _Z**2 / n
    middle = (share + _Z**2 / (2 * n)) / weight
    half = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / weight
    return (middle - half if share > 0 else 0.0), (middle + half if share < 1 else 1.0)  # exactly 0 and 1


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


def mean_interval(values: Sequence[float], clusters: Sequence[str]) -> tuple[float, float] | None:
    """The 95 % interval of a mean difference of shares, by Student's t over clusters; None for a single cluster."""
    error = clustered_error(values, clusters)
    if error is None:
        return None
    half, mean = t_quantile(0.5 + CONFIDENCE / 2, len(set(clusters)) - 1) * error, fmean(values)
    return max(-1.0, mean - half), min(1.0, mean + half)  # accuracies differ by no more


def paired_p_value(before: Sequence[float], after: Sequence[float], clusters: Sequence[str]) -> float | None:
    """Two-sided p: do two policies differ in how many of the same questions they get right?

    McNemar's exact test where each cluster has one question (for credits between 0 and 1, the sign test that it is),
    else Student's t test of the mean change, clustered. Where the change is the same in every cluster, so that it has
    no error, the sign test over clusters.

    Returns:
        p; None for several questions in a single cluster.
    """
    images = len(set(clusters))
    if images == len(before):  # of credits between, only which of the two is larger counts
        ahead = [(a > b, b > a) for a, b in zip(before, after, strict=True)]
        return exact_mcnemar([one for one, _ in ahead], [other for _, other in ahead])
    changes = [float(b) - float(a) for a, b in zip(before, after, strict=True)]
    error = clustered_error(changes, clusters)
    if error is None:
        return None
    mean = fmean(changes)
    if error == 0:
        return 2 * 0.5**images if mean else 1.0
    return t_p_value(mean / error, images - 1)


def t_p_value(t: float, degrees: int) -> float:
    """Two-sided p of Student's t with whole ``degrees`` of freedom: 1 - A(t), Abramowitz & Stegun 26.7.3 and 26.7.4.

    Exact to 1e-12; smaller values are given as 0.

    >>> round(t_p_value(2.262157, 9), 6)
    0.05
    """
    angle = math.atan(abs(t) / math.sqrt(degrees))
    cosine = math.cos(angle) ** 2
    odd = degrees % 2
    term = total = math.cos(angle) if odd else 1.0
    if degrees == 1:
        total = 0.0
    for k in range(2 if not odd else 3, degrees - 1, 2):
        term *= cosine * (k - 1) / k
        total += term
        if term < 1e-17 * total:
            break
    inside = 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
    return max(0.0, 1.0 - inside) if inside < 1 - 1e-12 else 0.0


@lru_cache
def t_quantile(share: float, degrees: int) -> float:
    """The quantile of Student's t with whole ``degrees`` of freedom, for a ``share`` above one half; by bisection.

    >>> round(t_quantile(0.975, 9), 4), round(t_quantile(0.975, 100_000), 4)
    (2.2622, 1.96)
    """
    if degrees > 10_000:
        return NormalDist().inv_cdf(share)  # 2e-5 off
    wanted, low, high = 2 * (1 - share), 0.0, 1.0
    while t_p_value(high, degrees) > wanted:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if t_p_value(middle, degrees) > wanted else (low, middle)
    return (low + high) / 2


def detectable_difference(error: float | None, images: int) -> float | None:
    """The smallest true difference that a two-sided test at 5 % finds with 80 % power, given a difference's error.

    None if the error is None or 0: answers that are all alike do not show how they vary.
    """
    if not error:
        return None
    return (t_quantile(0.5 + CONFIDENCE / 2, images - 1) + t_quantile(POWER, images - 1)) * error


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
