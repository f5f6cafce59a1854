"""What went wrong in a training, read from its curves: in words, with what to try. No torch, no pandas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """A fault that a training's log shows.

    Attributes:
        policy: whose training.
        fault: its short name, such as ``equal-groups``.
        figure: the key of the chart that it is read from (`report.curves`).
        text: what was seen, with the figures.
        advice: what to try.
    """

    policy: str
    fault: str
    figure: str
    text: str
    advice: str

    @property
    def sentence(self) -> str:
        """The whole, for a page or a log."""
        return f"{self.policy}: {self.text} {self.advice}"


def diagnose(policy: str, method: str, history: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """What is wrong in a policy's training, the worst first; nothing for a sound one.

    Args:
        method: that trained the policy, as in `policies.methods`.
        history: the logged entries, each with its ``step``.
    """
    return []
