"""The report's tables of chain sets and of pass rates."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

Summaries = Mapping[str, Mapping[str, Any]]  # of chain sets, by name


def chain_sets(sets: Summaries, learners: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """One row per set: what made it, how much of it was kept, and how much its chains vary.

    Args:
        learners: the policies that learn from each set.
    """
    return pd.DataFrame.from_dict(
        {
            name: {
                "by": f"policy {made['policy']}" if made["by"] == "policy" else made["by"],
                "learned by": ", ".join(learners.get(name, ())) or None,
                "completions": made["completions"],
                "chains": made["chains"],
                "questions with one": f"{made['questions_with_chain']} of {made['questions']}",
                "words, median": made["words"]["median"] if made["words"] else None,
                "longest": made["words"]["max"] if made["words"] else None,
                "distinct": made["distinct_chains"],
                "distinct beginnings": made["distinct_openings"],
            }
            for name, made in sets.items()
        },
        orient="index",
    )


def rejections(sets: Summaries) -> pd.DataFrame:
    """One row per reason, the most frequent first, with the number of completions left out for it in each set."""
    total = Counter[str]()
    for made in sets.values():
        total.update(made["rejected"])
    counts = {name: [made["rejected"].get(reason) for reason, _ in total.most_common()] for name, made in sets.items()}
    return pd.DataFrame(counts, index=[reason for reason, _ in total.most_common()], dtype=object)


def shown(made: Mapping[str, Any]) -> pd.DataFrame:
    """Some completions of a set, those that were kept first, with the reason why the others were not."""
    rows = [*made["accepted"], *made["refused"]]
    return pd.DataFrame(
        {
            "question": [row["question"] for row in rows],
            "true answer": [row["answer"] for row in rows],
            "completion": [row["completion"] for row in rows],
            "left out since": [row["reason"] or "-" for row in rows],
        }
    )


def pass_rates(rates: Mapping[str, Mapping[str, Any]], keep: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """One row per policy whose questions were chosen: how many questions had 0, 1, ... right samples, and how many are
    left.

    Args:
        rates: pass_rates.json by policy.
        keep: the least and the greatest share of right samples, by policy.
    """
    rows = {}
    for policy, found in rates.items():
        count, (low, high) = found["samples"], keep[policy]
        left = sum(n for right, n in enumerate(found["histogram"]) if low <= right / count <= high)
        rows[policy] = {
            "kept share": f"{low:g} to {high:g}",
            "questions": sum(found["histogram"]),
            "left": left,
            **{f"{right} of {count} right": n for right, n in enumerate(found["histogram"])},
        }
    return pd.DataFrame.from_dict(rows, orient="index")
