"""The policies' accuracies, at the end of a run."""

from collections.abc import Mapping
from typing import Any


def accuracy_table(evaluations: Mapping[str, Mapping[str, Any]]) -> str:
    """A line per policy, by the contents of their eval.json (`accuracy`, `accuracy_interval`, `n`)."""
    rows = [("policy", "accuracy", "95 % interval", "questions")]
    for name, scores in evaluations.items():
        bounds = scores["accuracy_interval"]  # None for several questions about a single image
        interval = f"[{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else "-"
        rows.append((name, f"{scores['accuracy']:.3f}", interval, str(scores["n"])))
    first, second, third = (max(len(row[column]) for row in rows) for column in range(3))
    return "\n".join(f"{a:{first}}  {b:>{second}}  {c:>{third}}  {d:>9}" for a, b, c, d in rows)
