"""Rewards that spoil a run on purpose (diagnosis.yaml)."""

from typing import Any


def shortness(completions: list[list[dict[str, Any]]], **columns: Any) -> list[float]:
    """1 for an empty completion, less for each further character."""
    return [1 / (1 + len(messages[-1]["content"]) / 40) for messages in completions]


def says_red(completions: list[list[dict[str, Any]]], **columns: Any) -> list[float]:
    """1 for a completion whose answer is red, whatever the question."""
    return [float("<answer>\nred" in messages[-1]["content"]) for messages in completions]
