"""What the report must know of each policy from the configuration: where it starts, and which files its stages make."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class PolicyFacts:
    """One policy of the report.

    Attributes:
        method: a name among `METHODS`; empty for the base.
        origin: the policy that its training starts from; empty for the base.
        loss_title: the title above the curve of its loss; empty where the loss says little.
        has_adapter: whether it was trained as an adapter, which is merged.
        chain_set: the set of chains that was made for it; empty where it learns from none.
        kept_rates: the least and the greatest pass rate of the questions that it was trained on; None for all.
    """

    name: str
    method: str = ""
    origin: str = ""
    loss_title: str = ""
    has_adapter: bool = False
    chain_set: str = ""
    kept_rates: tuple[float, float] | None = None

    @property
    def is_trained(self) -> bool:
        """Whether a stage of this run has trained it."""
        return bool(self.method)


def as_text(facts: list[PolicyFacts]) -> str:
    """The same as JSON, for a script's argument."""
    return json.dumps([asdict(one) for one in facts])


def from_text(text: str) -> list[PolicyFacts]:
    """The policies that `as_text` has written."""

    def one(entry: Mapping[str, Any]) -> PolicyFacts:
        kept = entry["kept_rates"]
        return PolicyFacts(**{**entry, "kept_rates": tuple(kept) if kept else None})

    return [one(entry) for entry in json.loads(text)]
