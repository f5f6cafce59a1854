"""The policies' accuracies, at the end of a run."""

from collections.abc import Mapping
from typing import Any


def accuracy_table(evaluations: Mapping[str, Mapping[str, Any]]) -> str:
    """A line per policy, by the contents of their eval.json (`accuracy`, `accuracy_interval`, `n`)."""
    rows = [("policy", "accuracy", "95 % interval", "questions")]
    for name, scores in evaluations.items():
        low, high = scores["accuracy_interval"]
        rows.append((name, f"{scores['accuracy']:.3f}", f"[{low:.3f}, {high:.3f}]", str(scores["n"])))
    first, second, third = (max(len(row[column]) for row in rows) for column in range(3))
    return "\n".join(f"{a:{first}}  {b:>{second}}  {c:>{third}}  {d:>9}" for a, b, c, d in rows)
