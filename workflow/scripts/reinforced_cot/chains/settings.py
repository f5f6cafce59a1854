"""The section ``chains``: sets of chains of thought that are made, and what makes them."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from reinforced_cot.chains.policy_keys import DATA
from reinforced_cot.endpoints.settings import CONTROL, Endpoint, EndpointKeys, Temperature, endpoint_problems
from reinforced_cot.endpoints.settings import DEFAULTS as ENDPOINT_DEFAULTS
from reinforced_cot.own_code import loading_problem
from reinforced_cot.section import Count, Section, Seed, Text
from reinforced_cot.sources.settings import OWN_FUNCTION

_NAME = re.compile(r"[a-z][a-z0-9_]*")
KIND = "chains function"  # how messages call a user's own function
BY = rf"^(policy|endpoint|gqa_programs)$|{OWN_FUNCTION}"


_TEACHER_PROMPT = (
    "Look at the image and answer the question. First reason step by step, in plain sentences, inside <think> and "
    "</think>: say what you see and what follows from it. Then write the final answer, a word or a short phrase, "
    "inside <answer> and </answer>. Write nothing else."
)
_DEFAULTS = {
    **{"prompt": _TEACHER_PROMPT, "temperature": 1.0, "max_tokens": 1024},
    **ENDPOINT_DEFAULTS,
}


class ChainSet(EndpointKeys):
    """A set of chains of thought that is made from the training questions and their true answers."""

    by: Annotated[str, Field(pattern=BY)]
    """What makes them: `policy`, a policy's own right answers (rejection sampling, STaR); `endpoint`, a larger model
    behind an OpenAI-compatible server; `gqa_programs`, the functional programs of GQA's questions, executed on its
    scene graphs and put into words; or a function of your own, `module:function`, which gets a record and returns a
    chain, a list of chains, or None.
    """

    policy: Text | None = None
    """by policy: whose answers; `base`, or a name under `policies`."""

    samples: Count | None = None
    """by policy, by endpoint: how many samples are drawn per question; null for 8 of a policy, and 1 of an endpoint."""

    prompt: Text | None = None
    """by endpoint: the system message; null for one that asks for reasoning and answer in their tags."""

    temperature: Temperature | None = None
    """by endpoint: of sampling; null for 1."""

    max_tokens: Count | None = None
    """by endpoint: longest reply; null for 1024."""

    licence: Text | None = None
    """by endpoint: the licence of what the model writes, recorded with the set."""

    preview: Count | None = None
    """by endpoint: ask so many questions, say what came of them and what all would cost, and stop; null to ask all.
    The replies are kept.
    """

    scene_graphs: Text | None = None
    """by gqa_programs: GQA's file of scene graphs, or a folder with several (`train_sceneGraphs.json` and
    `val_sceneGraphs.json`); null for the folder of the questions.
    """

    questions: Text | None = None
    """by gqa_programs: GQA's question file, or the folder of its chunks; null for those of the train split's sources
    `gqa`. The ids must be those of the train split, which has one source.
    """

    per_question: Count = 1
    """How many chains are kept per question, at most: the first that pass the filters."""

    max_words: Count = 300
    """A longer chain is left out."""

    min_chains: Count = 1
    """A set with fewer chains is refused before SFT."""

    @property
    def drawn(self) -> int:
        """How many samples are drawn per question."""
        return self.samples or (1 if self.by == "endpoint" else 8)

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
    seed: Seed
    chains: ChainSet


class Asked(Section):
    """What an endpoint is asked: the part of a set that decides what it replies."""

    model: str
    samples: int
    prompt: str
    temperature: float
    max_tokens: int
    preview: int | None


class Teacher(Asked, Endpoint):
    """The same with how the endpoint is asked."""


class AskedSettings(Section):
    """What the stage that asks an endpoint reads from its file.

    Attributes:
        name: of the set.
        instruction: the text behind each question.
    """

    name: str
    seed: Seed
    instruction: str
    teacher: Asked


class TeacherSettings(AskedSettings):
    """The same with how the endpoint is asked, which comes beside the file."""

    teacher: Teacher


def without_control(chosen: ChainSet) -> ChainSet:
    """A set without the keys of `CONTROL`, as what is recorded with it."""
    return chosen.model_copy(update=dict.fromkeys(CONTROL))


def teacher_of(chosen: ChainSet) -> Teacher:
    """What an endpoint is asked, and how, with the defaults."""
    return Teacher.model_validate(_with_defaults(chosen, Teacher))


def asked_of(chosen: ChainSet) -> Asked:
    """What an endpoint is asked, with the defaults."""
    return Asked.model_validate(_with_defaults(chosen, Asked))


def _with_defaults(chosen: ChainSet, kind: type[Asked]) -> dict[str, Any]:
    stated = {name: value for name in kind.model_fields if (value := getattr(chosen, name)) is not None}
    return {name: stated.get(name, _DEFAULTS.get(name)) for name in kind.model_fields} | {"samples": chosen.drawn}


class Reads(NamedTuple):
    """Which keys a maker of chains reads beside those of the filters, and which of them it needs."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


READS: Mapping[str, Reads] = {
    "policy": Reads(("policy",), ("samples",)),
    "endpoint": Reads(
        ("url", "model"), ("licence", *(name for name in Teacher.model_fields if name not in ("url", "model")))
    ),
    "gqa_programs": Reads((), ("scene_graphs", "questions")),
    "function": Reads(()),
}
_FILTERS = ("by", "per_question", "max_words", "min_chains")


def chain_problems(name: str, chosen: ChainSet) -> Iterator[str]:
    """One line per key that a set lacks or does not read, and where a user's own function does not exist."""
    key = f"chains.{name}"
    if name == DATA or not _NAME.fullmatch(name):
        yield (
            f"`{key}`: a set's name is lower-case letters, digits and _, begins with a letter, and is not {DATA}, "
            "which stands for the chains that came with the data; choose another"
        )
    reads = READS["function" if chosen.own_function else chosen.by]
    for field in reads.required:
        if getattr(chosen, field) is None:
            yield f"`{key}.{field}` is missing; `by: {chosen.by}` needs it"
    yield from endpoint_problems(key, chosen)
    for field in ChainSet.model_fields:
        if field not in (*_FILTERS, *reads.required, *reads.optional) and getattr(chosen, field) is not None:
            yield f"`{key}.{field}` is not read with `by: {chosen.by}`; remove it"
    if chosen.own_function and (problem := loading_problem(chosen.own_function, KIND)):
        yield f"`{key}.by` names {chosen.own_function}; {problem}"
