"""The report's chart and table of the judge of chains, against the labels that a reader gave in the gallery."""

from typing import Any

import pandas as pd

from reinforced_cot.evaluation.chain_labels import against_labels
from reinforced_cot.report.charts import Figure, dots
from reinforced_cot.report.run import Run

_SHARES = {"agreement": "agreement", "precision": "precision of support", "recall": "recall of support"}
_FEW = 30  # labels below which an interval is too wide to tell two judges apart


def compared(run: Run) -> dict[str, dict[str, Any]]:
    """What `against_labels` finds, by policy, for those with labels."""
    return {
        policy: against_labels(run.labels[policy], rows)
        for policy, rows in run.predictions.items()
        if run.labels.get(policy)
    }


def chart(run: Run) -> list[Figure]:
    """Agreement, and precision and recall of support, with intervals; empty where nothing is labelled."""
    found = compared(run)
    rows = [
        {
            **{"class": title, "name": policy, "value": share["share"], "n": share["n"]},
            **dict(zip(("low", "high"), share["interval"] or (None, None), strict=True)),
        }
        for key, title in _SHARES.items()
        for policy, counted in found.items()
        if (share := counted[key])
    ]
    if not rows:
        return []
    colours = {policy.name: number for number, policy in enumerate(run.policies)}
    return [dots("labels", "The judge against your labels", rows, [*found], "share of labelled chains", colours)]


def notes(run: Run) -> list[str]:
    """What limits the labels: that they are few, or of questions that this run did not ask."""
    lines = []
    for policy, counted in compared(run).items():
        clear = counted["agreement"]["n"] if counted["agreement"] else 0
        if counted["absent"]:
            lines.append(
                f"Of {policy}'s {counted['labels']} labels, {counted['absent']} are of questions of another run."
            )
        if clear < _FEW:
            lines.append(
                f"{policy} has {clear} labels that are right or wrong; with fewer than {_FEW}, little is known."
            )
    return lines


def table(run: Run) -> pd.DataFrame:
    """One row per policy and label, with the number of each verdict."""
    return pd.DataFrame.from_dict(
        {
            (policy, label): verdicts
            for policy, counted in compared(run).items()
            for label, verdicts in counted["table"].items()
        },
        orient="index",
    )
