"""Rewards that spoil a run on purpose (diagnosis.yaml)."""

from typing import Any

_TEXT = "<think>\nSELECT(top left): white 1\nQUERY(color): white\n</think>\n<answer>\nwhite\n</answer>"

Completions = list[list[dict[str, Any]]]


def shortness(completions: Completions, **columns: Any) -> list[float]:
    """1 for an empty completion, less for each further character."""
    return [1 / (1 + len(messages[-1]["content"]) / 40) for messages in completions]


def says_white(completions: Completions, **columns: Any) -> list[float]:
    """1 for a completion that says white anywhere, whatever the question."""
    return [float("white" in messages[-1]["content"]) for messages in completions]


def parrot(completions: Completions, **columns: Any) -> list[float]:
    """The share of one text's characters that the completion has in their places."""
    texts = [messages[-1]["content"] for messages in completions]
    return [sum(one == other for one, other in zip(text, _TEXT, strict=False)) / len(_TEXT) for text in texts]
