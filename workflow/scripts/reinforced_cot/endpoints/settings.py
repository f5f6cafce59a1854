"""How an endpoint is asked: where, how fast, and for how much."""

from typing import Annotated

from pydantic import Field

from reinforced_cot.section import NotNegative, Section

URL = r"^https?://[^\s]+$"
VARIABLE = r"^[A-Z_][A-Z0-9_]*$"  # no form that a key may have
Url = Annotated[str, Field(pattern=URL)]
Variable = Annotated[str, Field(pattern=VARIABLE)]
Temperature = Annotated[float, Field(ge=0, le=2)]
DEFAULTS = {"concurrency": 16, "timeout": 120.0, "tries": 6}


class Price(Section):
    """What a million tokens cost."""

    input: NotNegative
    """Of what is sent."""

    output: NotNegative
    """Of what is written."""


class Endpoint(Section):
    """These keys decide no reply: a change of one makes nothing stale.

    Attributes:
        url: up to ``/v1``. key_env: the environment variable that holds the key; None for a server that needs none.
        concurrency: requests under way at once. timeout: seconds. tries: of each request.
        max_requests, max_cost: bounds over all calls; the cost is in the currency of ``price``.
    """

    url: str
    key_env: str | None
    concurrency: int
    requests_per_minute: int | None
    timeout: float
    tries: int
    max_requests: int | None
    price: Price | None
    max_cost: float | None


CONTROL = tuple(Endpoint.model_fields)
