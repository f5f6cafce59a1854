"""Answers of several things: each is compared as a text, in their order (list) or in any (set)."""

from collections.abc import Mapping, Sequence

from reinforced_cot.answers.items import items_of, readings
from reinforced_cot.answers.truth import Truth
from reinforced_cot.matching.answer_matching import is_correct
from reinforced_cot.matching.words import words

_ALTERNATIVES = frozenset(("or", "maybe", "perhaps", "either", "not", "no", "never", "neither", "nor"))


def is_list(answer: str, true: str, truth: Truth, settings: Mapping[str, float]) -> bool:
    """Whether an answer names the true things in their order, and nothing else."""
    wanted = items_of(true)
    return any(len(said) == len(wanted) and all(map(_is_same, said, wanted)) for said in _readings(answer, true))


def is_set(answer: str, true: str, truth: Truth, settings: Mapping[str, float]) -> bool:
    """Whether an answer names each of the true things, in any order, and nothing else; naming one twice is no fault."""
    wanted = items_of(true)
    return any(_are_same_things(said, wanted) for said in _readings(answer, true))


def _are_same_things(said: Sequence[str], wanted: Sequence[str]) -> bool:
    named = [[_is_same(item, thing) for thing in wanted] for item in said]
    return bool(said) and all(map(any, named)) and all(map(any, zip(*named, strict=True)))


def _readings(answer: str, true: str) -> list[tuple[str, ...]]:
    """The readings of a list that leaves nothing open and denies nothing; a true thing may be a "no"."""
    return [] if _ALTERNATIVES & (set(words(answer)) - set(words(true))) else readings(answer)


def _is_same(said: str, wanted: str) -> bool:
    # Without the question: its words stand in the answer, but a thing that it names is no other thing of the list.
    return is_correct(said, wanted, as_text=True)


def cheats(truths: Sequence[Truth]) -> list[str]:
    """All things that occur at once, and the most frequent ones."""
    counts: dict[str, int] = {}
    for truth in truths:
        for item in items_of(truth.answers[0]):
            counts[item.casefold()] = counts.get(item.casefold(), 0) + 1
    frequent = sorted(counts, key=lambda item: (-counts[item], item))
    return list(dict.fromkeys(", ".join(frequent[:many]) for many in (2, 3, 5, 20) if frequent))
