"""What requests to an endpoint have cost."""

from dataclasses import dataclass, field
from typing import Any

from reinforced_cot.endpoints.reply_store import Reply
from reinforced_cot.endpoints.settings import Endpoint


@dataclass
class Spent:
    """What requests have cost so far, over all calls."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    accepted: int = 0
    refused: list[str] = field(default_factory=list)

    def add(self, reply: Reply) -> None:
        """Count one reply."""
        self.requests += 1
        self.input_tokens += reply.input_tokens
        self.output_tokens += reply.output_tokens
        if reply.problem:
            self.refused.append(reply.problem)
        else:
            self.accepted += 1

    def cost(self, endpoint: Endpoint) -> float:
        """In the currency of ``price``."""
        price = endpoint.price
        return (self.input_tokens * price.input + self.output_tokens * price.output) / 1e6 if price else 0.0

    def as_dict(self, endpoint: Endpoint) -> dict[str, Any]:
        """The same as numbers; ``cost`` is None without a price."""
        return {
            "requests": self.requests,
            "refused": len(self.refused),
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost": self.cost(endpoint) if endpoint.price else None,
        }

    def in_words(self, endpoint: Endpoint) -> str:
        """Requests, tokens and cost."""
        cost = f", cost {self.cost(endpoint):.4g}" if endpoint.price else ""
        return f"{self.requests:,} requests, {self.input_tokens:,} tokens in and {self.output_tokens:,} out{cost}"
