"""The section ``chains``: sets of chains of thought that are made, and what makes them."""

from collections.abc import Iterator, Mapping
from typing import Annotated, NamedTuple

from pydantic import Field

from reinforced_cot.own_code import loading_problem
from reinforced_cot.section import Count, Section, Share, Text
from reinforced_cot.sources.settings import OWN_FUNCTION

DATA = "data"  # the chains that came with the data, in place of a set
_WORDS = 300
KIND = "chains function"  # how messages call a user's own function


class PassRate(Section):
    """Which training questions RL asks: those that a policy answers right neither too seldom nor too often."""

    of: Text
    """The policy whose samples are scored; `base`, or a name under `policies`."""

    samples: Annotated[int, Field(ge=2)] = 8
    """How many samples of each question are scored."""

    keep: Annotated[tuple[Share, Share], Field(strict=False)] = (0.1, 0.9)
    """[least, most]: the share of right samples that a question may have, both bounds included."""


class ChainSet(Section):
    """A set of chains of thought that is made from the training questions and their true answers."""

    by: Annotated[str, Field(pattern=rf"^policy$|{OWN_FUNCTION}")]
    """What makes them: `policy`, a policy's own right answers (rejection sampling, STaR); or a function of your own,
    `module:function`, which gets a record and returns a chain, a list of chains, or None.
    """

    policy: Text | None = None
    """by policy: whose answers; `base`, or a name under `policies`."""

    samples: Count | None = None
    """by policy: how many samples at temperature 1 are drawn per question; null for 8."""

    per_question: Count = 1
    """How many chains are kept per question, at most: the first that pass the filters."""

    max_words: Count = _WORDS
    """A longer chain is left out."""

    min_chains: Count = 1
    """A set with fewer chains is refused before SFT."""

    @property
    def drawn(self) -> int:
        """How many samples are drawn per question."""
        return self.samples or 8

    @property
    def own_function(self) -> str | None:
        """The user's own function, if one makes the chains."""
        return self.by if ":" in self.by else None


class ChainSettings(Section):
    """What the stage that filters a set's chains reads.

    Attributes:
        name: of the set.
    """

    name: str
    chains: ChainSet


class Reads(NamedTuple):
    """Which keys a maker of chains reads beside those of the filters, and which of them it needs."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


READS: Mapping[str, Reads] = {"policy": Reads(("policy",), ("samples",)), "function": Reads(())}
_FILTERS = ("by", "per_question", "max_words", "min_chains")


def chain_problems(name: str, chosen: ChainSet) -> Iterator[str]:
    """One line per key that a set lacks or does not read, and where a user's own function does not exist."""
    key = f"chains.{name}"
    reads = READS["function" if chosen.own_function else chosen.by]
    for field in reads.required:
        if getattr(chosen, field) is None:
            yield f"`{key}.{field}` is missing; `by: {chosen.by}` needs it"
    for field in ChainSet.model_fields:
        if field not in (*_FILTERS, *reads.required, *reads.optional) and getattr(chosen, field) is not None:
            yield f"`{key}.{field}` is not read with `by: {chosen.by}`; remove it"
    if chosen.own_function and (problem := loading_problem(chosen.own_function, KIND)):
        yield f"`{key}.by` names {chosen.own_function}; {problem}"
