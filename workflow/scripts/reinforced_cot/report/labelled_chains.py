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
    few = [
        f"{policy} has {agreement['n']} clear labels; intervals are narrow enough to be of use from about {_FEW}."
        for policy, counted in found.items()
        if (agreement := counted["agreement"]) and agreement["n"] < _FEW
    ]
    colours = {policy.name: number for number, policy in enumerate(run.policies)}
    return [dots("labels", "The judge against your labels", rows, [*found], "share of labelled chains", colours, few)]


def table(run: Run) -> pd.DataFrame:
    """One row per policy and label with the number of each verdict; then labels of questions that the run lacks."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for policy, counted in compared(run).items():
        rows |= {(policy, label): verdicts for label, verdicts in counted["table"].items()}
        if counted["absent"]:
            rows[policy, f"of other questions: {counted['absent']}"] = {}
    if not rows:
        return pd.DataFrame()
    # As objects, counts stay whole beside a gap.
    return pd.DataFrame([*rows.values()], index=pd.MultiIndex.from_tuples(rows), dtype=object)
