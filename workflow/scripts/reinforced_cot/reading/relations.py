"""Words that compare two things: "to the left of", "smaller than", "not as large as", "more cats than"."""

from collections.abc import Sequence
from typing import NamedTuple

from reinforced_cot.data.tokens import ARTICLES, is_word
from reinforced_cot.matching.words import word_set
from reinforced_cot.reading.opposites import ADJECTIVES, COMPARATIVES, COUNT, PLACES, Sense

BE = word_set("is are was were")
# What may follow a noun and is no part of its name.
_AFTER = """in on at of to from with by for that which who near behind under above below beside between , : ? . and away
    than left right front"""
BEHIND_A_NOUN = ARTICLES | BE | word_set(_AFTER)
_LEADS = word_set("to on at the in")  # before a place: "to the left of", "in front of"
_SIGNS = frozenset((*PLACES, *COMPARATIVES, "than", "as"))  # one of them stands in every relation
_REACH = 7  # tokens from "smaller" to its "than"


class Relation(NamedTuple):
    """Words that compare: "to the left of", "smaller than", "as large as".

    Attributes:
        place: of the words. senses: what they compare, and which end; several for "lighter".
        has_object: whether the second thing follows. is_place: whether they say where a thing is.
        is_equal: whether they say that both are alike ("as large as").
    """

    place: range
    senses: frozenset[Sense]
    has_object: bool
    is_place: bool = False
    is_equal: bool = False


def relations(tokens: Sequence[str]) -> list[Relation]:
    """The words of a text that compare, in order.

    >>> [relation.place for relation in relations(("it", "is", "to", "the", "left", "of", "me"))]
    [range(2, 6)]
    """
    found: list[Relation] = []
    if _SIGNS.isdisjoint(tokens):
        return found
    for i, token in enumerate(tokens):
        if found and i < found[-1].place.stop:
            continue
        if token in PLACES:
            relation = _of_place(tokens, i)
        elif token in ("as", "so"):
            relation = _of_likeness(tokens, i)
        elif token in COMPARATIVES or (token.endswith("er") and tokens[i + 1 : i + 2] == ("than",)):
            relation = _of_degree(tokens, i)
        else:
            continue
        if relation is not None:
            found.append(relation)
    return found


def _of_place(tokens: Sequence[str], i: int) -> Relation | None:
    """ "To the left of", "on top of", "above"; none in "the left cat", "all over it", or "the front door"."""
    token, start, stop = tokens[i], i, i + 1
    while start and tokens[start - 1] in _LEADS:
        start -= 1
    while stop < len(tokens) and tokens[stop] in ("hand", "side"):
        stop += 1
    after = tokens[stop] if stop < len(tokens) else "."
    if token in ("left", "right", "front", "top"):
        if after == "of":
            stop += 1
        elif start == i or (is_word(after) and after not in BEHIND_A_NOUN | {"or"}):
            return None
        has_object = after == "of"
    else:
        stop += after == "of"
        has_object = is_word(after) and after != "or"
        if token == "over" and after not in ARTICLES:
            return None
    return Relation(range(start, stop), frozenset({PLACES[token]}), has_object, is_place=True)


def _of_likeness(tokens: Sequence[str], i: int) -> Relation | None:
    """ "As large as", "as many cats as"."""
    adjective = tokens[i + 1] if i + 1 < len(tokens) else ""
    senses = frozenset({(COUNT, 1)}) if adjective in ("many", "much") else ADJECTIVES.get(adjective)
    end = next((j for j in range(i + 2, min(i + 5, len(tokens))) if tokens[j] == "as"), None)
    if senses is None or end is None or (end > i + 2 and adjective not in ("many", "much")):
        return None
    return Relation(range(i, end + 1), senses, has_object=True, is_equal=True)


def _of_degree(tokens: Sequence[str], i: int) -> Relation:
    """ "Smaller than", "farther from the camera than", "more cats than", "less full than", "the smaller one"."""
    token = tokens[i]
    senses = COMPARATIVES.get(token, frozenset({(token, 1)}))
    adjective = tokens[i + 1] if i + 1 < len(tokens) else ""
    if (COUNT, 1) in senses or (COUNT, -1) in senses:
        end = next(iter(senses))[1]
        senses = frozenset((kind, end * sense) for kind, sense in ADJECTIVES.get(adjective, ())) or senses
    reach = tokens[i : i + _REACH]
    length = next((j for j, t in enumerate(reach) if t in ("than", "or") or not is_word(t)), len(reach))
    has_object = reach[length : length + 1] == ("than",)
    return Relation(range(i, i + length + 1 if has_object else i + 1), senses, has_object)


def agreement(one: Relation, other: Relation) -> int:
    """1 where both name the same end, -1 where they name the two ends, 0 where they compare different things."""
    ends = dict(one.senses)
    return next((end * ends[kind] for kind, end in sorted(other.senses) if kind in ends), 0)


def senses_of(word: str) -> frozenset[Sense]:
    """What a single word compares, and which end: of "left", or of "smaller"; nothing for other words."""
    return frozenset({PLACES[word]}) if word in PLACES else COMPARATIVES.get(word, frozenset())
