"""Mean and spread of each policy's scores over several seeds, at each of which the whole run is repeated."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

MEASURES = ("accuracy", "format_rate", "consistency", "supported_accuracy")


def spread(evaluations: Mapping[int, Mapping[str, Mapping[str, Any]]], origins: Mapping[str, str]) -> dict[str, Any]:
    """Summarise scores over seeds: mean, standard deviation (n - 1; None for one seed) and the values, seed by seed.

    Args:
        evaluations: the content of eval.json by seed and policy.
        origins: the policy that each trained one starts from.

    Returns:
        ``seeds``; ``policies``: summaries by policy and measure, ``sampled_accuracy`` among them; ``gains``: for each
        policy a summary of its gain in accuracy over its origin (``over``) at the same seed, if both are evaluated.
    """
    seeds = list(evaluations)
    policies = list(evaluations[seeds[0]])
    summaries: dict[str, Any] = {policy: {} for policy in policies}
    for policy in policies:
        runs = [evaluations[seed][policy] for seed in seeds]
        for measure in MEASURES:
            summaries[policy][measure] = summary([run[measure] for run in runs])
        if all(run["sampled"] for run in runs):
            summaries[policy]["sampled_accuracy"] = summary([run["sampled"]["accuracy"] for run in runs])
    gains = {
        policy: {
            "over": origin,
            **summary(
                [evaluations[seed][policy]["accuracy"] - evaluations[seed][origin]["accuracy"] for seed in seeds]
            ),
        }
        for policy in policies
        if (origin := origins.get(policy, "")) in policies
    }
    return {"seeds": seeds, "policies": summaries, "gains": gains}


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Mean, standard deviation and the values.

    >>> summary([0.5, 0.75])["mean"], round(summary([0.5, 0.75])["deviation"], 4), summary([0.5])["deviation"]
    (0.625, 0.1768, None)
    """
    return {
        "mean": fmean(values),
        "deviation": stdev(values) if len(values) > 1 else None,
        "values": list(values),
    }
