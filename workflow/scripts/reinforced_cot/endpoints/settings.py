"""How an endpoint is asked: where, how fast, and for how much."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from reinforced_cot.section import Count, NotNegative, Positive, Section, Text

URL = r"^https?://[^\s/@]+(/[^\s]*)?$"  # without a name and a password: `key_env` names the key
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


class EndpointKeys(Section):
    """The keys by which a section says how an endpoint is asked; null takes the default."""

    by: str
    """What is asked; `endpoint` reads the following keys."""

    url: Url | None = None
    """by endpoint: where the server answers, up to `/v1`."""

    model: Text | None = None
    """by endpoint: the name of the model, as the server knows it."""

    key_env: Variable | None = None
    """by endpoint: the environment variable that holds the key, in capitals; null for a server that needs none. The key
    itself stands in no file.
    """

    concurrency: Count | None = None
    """by endpoint: how many requests are under way at once; null for 16."""

    requests_per_minute: Count | None = None
    """by endpoint: no more requests are begun in a minute; null for as many as come."""

    timeout: Positive | None = None
    """by endpoint: seconds until a request is given up and tried again; null for 120."""

    tries: Count | None = None
    """by endpoint: how often a request is tried while the server is busy or fails; null for 6."""

    max_requests: Count | None = None
    """by endpoint: the most requests, over all calls that share these replies; null for no bound."""

    price: Price | None = None
    """by endpoint: what a million tokens cost; null where that does not matter."""

    max_cost: Positive | None = None
    """by endpoint: no request is begun once the replies have cost as much, in the currency of `price`; null for no
    bound.
    """

    @model_serializer(mode="wrap")
    def _stated(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The keys that have a value: an entry reads few of them."""
        return {key: value for key, value in whole(self).items() if value is not None}


def endpoint_problems(key: str, stated: EndpointKeys) -> Iterator[str]:
    """One line where a bound of the cost stands without a price."""
    if stated.max_cost is not None and stated.price is None:
        yield f"`{key}.max_cost` is only read with `{key}.price`; set that too, or this null"


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
