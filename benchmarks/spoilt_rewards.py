"""Rewards that spoil a run on purpose (diagnosis.yaml)."""

from typing import Any

Completions = list[list[dict[str, Any]]]


def shortness(completions: Completions, **columns: Any) -> list[float]:
    """1 for an empty completion, less for each further character."""
    return [1 / (1 + len(messages[-1]["content"]) / 40) for messages in completions]


def says_white(completions: Completions, **columns: Any) -> list[float]:
    """1 for a completion that says white anywhere, whatever the question."""
    return [float("white" in messages[-1]["content"]) for messages in completions]
