"""Intervals, errors and tests for shares of right answers, through statsmodels and scipy.

Questions about one image are not independent (GQA's testdev asks 31.6 an image), so standard errors and bootstraps are
clustered by image; see Miller, "Adding Error Bars to Evals", arXiv:2411.00640.
"""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from scipy.stats import bootstrap, norm
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

CONFIDENCE = 0.95
POWER = 0.80
RESAMPLES = 5_000


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share.

    >>> [round(bound, 3) for bound in wilson(8, 10)]
    [0.49, 0.943]
    """
    low, high = proportion_confint(successes, n, alpha=1 - CONFIDENCE, method="wilson")
    return (float(low) if successes else 0.0), (float(high) if successes < n else 1.0)  # without rounding's 1e-17


def clustered_error(values: Sequence[float], clusters: Sequence[str]) -> float | None:
    """Standard error of the mean of ``values`` where those of one cluster are correlated.

    Cluster-robust, with the usual correction for few clusters. None with fewer than two clusters, which say nothing of
    how clusters differ.
    """
    codes = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)[1]
    if codes.max(initial=0) < 1:
        return None
    fit = OLS(np.asarray(values, dtype=float), np.ones(len(values)))
    # Rounded: the last digits differ between machines and numbers of threads, and eval.json must not.
    return round(float(fit.fit(cov_type="cluster", cov_kwds={"groups": codes}).bse[0]), 10)


def detectable_difference(error: float | None) -> float | None:
    """The smallest true difference that a two-sided test at 5 % finds with 80 % power, from a difference's error.

    None where there is no error, or none was seen: all answers alike say nothing of how they vary.
    """
    if not error:
        return None
    return float(norm.ppf(0.5 + CONFIDENCE / 2) + norm.ppf(POWER)) * error


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Chance that one of ``k`` samples is right, unbiased, from ``correct`` of ``n`` (Chen et al., arXiv:2107.03374).

    >>> pass_at_k(4, 1, 2)
    0.5
    """
    return 1.0 - math.comb(n - correct, k) / math.comb(n, k)


def exact_mcnemar(before: Sequence[bool], after: Sequence[bool]) -> float:
    """p of McNemar's exact test, two-sided: do two policies, asked the same questions, differ in how many are right?"""
    lost = sum(a and not b for a, b in zip(before, after, strict=True))
    gained = sum(b and not a for a, b in zip(before, after, strict=True))
    return float(mcnemar([[0, lost], [gained, 0]], exact=True).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being many (Holm 1979), in the order given."""
    return [float(p) for p in multipletests(p_values, method="holm")[1]] if p_values else []


def bootstrap_interval(differences: Sequence[float], clusters: Sequence[str], seed: int) -> tuple[float, float] | None:
    """95 % percentile interval of the mean difference, whole clusters drawn; None with fewer than two of them.

    The same for the same ``seed``, whatever the order of the clusters' names was drawn in.
    """
    pairs = sorted(zip(clusters, differences, strict=True), key=lambda pair: pair[0])
    groups = [[value for _, value in group] for _, group in groupby(pairs, key=lambda pair: pair[0])]
    if len(groups) < 2:
        return None
    sums = np.array([sum(group) for group in groups], dtype=float)
    counts = np.array([len(group) for group in groups], dtype=float)

    def mean(sums: Any, counts: Any, axis: int) -> Any:
        return sums.sum(axis=axis) / counts.sum(axis=axis)

    drawn = bootstrap(
        (sums, counts),
        mean,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=500,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(drawn.low), float(drawn.high)
