"""What a sentence says where a question asks whether a thing has a colour, is of a material, or is there in a number.

"The bag is brown" says no to "Is the bag green?", though it denies nothing.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from reinforced_cot.data.tokens import ARTICLES, is_word
from reinforced_cot.matching.numbers import is_number
from reinforced_cot.matching.words import word_set, words
from reinforced_cot.reading.sentences import Sentence, all_stems, base_forms, content_words
from reinforced_cot.reading.verdict import Verdict

# No two of a kind name the same: "navy" is a blue, steel is a metal, and bricks may be of stone.
_COLORS = word_set("red blue green yellow orange purple pink brown black white gray")
_MATERIALS = word_set(
    "wood metal plastic glass leather paper cardboard rubber wicker concrete marble wool cotton denim"
)
_BE = word_set("is are was were looks look appears appear seems seem")
_PRONOUNS = word_set("it they this these")
_PREPOSITIONS = word_set("in on at of to from with by near behind under above below beside next between that which who")
_BREAKS = word_set(", ; : . but and while whereas though although so because")
_MODIFIERS = (
    word_set("all both very clearly really actually entirely completely mostly also just only in fact to be") | ARTICLES
)
_NO_SINGLE = word_set("or both all every each any same")  # `quantities` reads what a whole has
_VAGUE = word_set("least most more than about over under around almost nearly other another")


class Asked(NamedTuple):
    """What a question asks whether a thing has it.

    Attributes:
        value: a colour, a material, or a number. kind: words in whose place it stands; empty for numbers.
        things: the stems of the noun of each thing; empty for a pronoun.
    """

    value: str
    kind: frozenset[str]
    things: tuple[frozenset[str], ...]


@lru_cache(maxsize=512)
def asked(question: str) -> Asked | None:
    """What a question asks for; None for other questions.

    >>> asked("Is the chair made of wood?").value, len(asked("Are both the cat and the dog black?").things)
    ('wood', 2)
    >>> asked("Is the red chair large?")
    """
    tokens = [token for token in base_forms(words(question)) if is_word(token)]
    if "both" in tokens and "and" in tokens:
        tokens.remove("both")
    if tokens[:1] not in (["is"], ["are"]) or not _NO_SINGLE.isdisjoint(tokens) or len(tokens) < 3:
        return None
    if tokens[1] == "there":
        is_count = len(tokens) > 3 and is_number(tokens[2]) and tokens[2] != "1"
        noun = _head(tokens[3:])
        return Asked(tokens[2], frozenset(), (all_stems(noun),)) if is_count and noun else None
    before = tokens[1:-1]
    if tokens[-1] in _MATERIALS and before[-2:] == ["made", "of"]:
        kind, before = _MATERIALS, before[:-2]
    elif tokens[-1] in _COLORS:
        kind = _COLORS
    else:
        return None
    place = before.index("and") if "and" in before else len(before)
    nouns = [_head(thing) for thing in (before[:place], before[place + 1 :]) if thing]
    if not kind.isdisjoint(before) or before[-1:] == ["and"] or "and" in before[place + 1 :]:
        return None
    if not all(nouns) and (len(nouns) > 1 or _PRONOUNS.isdisjoint(before)):
        return None
    return Asked(tokens[-1], kind, tuple(map(all_stems, nouns)))


def _head(tokens: Sequence[str]) -> list[str]:
    """The noun of a thing: what stands last before a preposition."""
    end = next((i for i, token in enumerate(tokens) if token in _PREPOSITIONS), len(tokens))
    return content_words(tokens[:end])[-1:]


def reader(question: str, answered: bool) -> Callable[[Sentence], Verdict | None] | None:
    """What reads a sentence's verdict on a yes or a no; None where the question asks for no such value."""
    found = asked(question)
    if found is None:
        return None

    def read(sentence: Sentence) -> Verdict | None:
        if sentence.is_question:
            return None
        holds = _holds(sentence, found) if found.kind else _is_counted(sentence, found)
        if holds is None:
            return None
        if sentence.is_hedged or sentence.is_undecided:
            return Verdict.UNKNOWN
        return Verdict.SUPPORT if holds == answered else Verdict.CONTRADICT

    return read


def _holds(sentence: Sentence, found: Asked) -> bool | None:
    """Whether a sentence gives all things the value, or one of them another; None where it does neither."""
    tokens = sentence.tokens
    said: dict[int, set[bool]] = {number: set() for number in range(len(found.things))}
    for i, token in enumerate(tokens):
        if token not in found.kind or content_words(tokens[i + 1 : i + 2]):  # "a metal frame"
            continue
        start = next((j + 1 for j in range(i - 1, -1, -1) if tokens[j] in _BREAKS), 0)
        verb = next((j for j in range(start, i) if tokens[j] in _BE), None)
        if i > 1 and tokens[i - 1] in ("and", ",", "or") and tokens[i - 2] in found.kind:
            return None  # "green and white"
        if verb is None:
            continue
        between = [t for t in tokens[verb + 1 : i] if t not in _MODIFIERS and t not in ("not", "made", "of", "out")]
        subject = tokens[start:verb]
        head, is_pronoun = all_stems(_head(subject)), not _PRONOUNS.isdisjoint(subject)
        if between or (sentence.denied[i] and token != found.value):
            continue
        for number, thing in enumerate(found.things):
            if thing & head or (is_pronoun and len(found.things) == 1):
                said[number].add(token == found.value and not sentence.denied[i])
    if any(values == {False} for values in said.values()):
        return False
    return True if all(values == {True} for values in said.values()) else None


def _is_counted(sentence: Sentence, found: Asked) -> bool | None:
    """Whether a sentence counts as many things, or another number; None where it counts none, or several times."""
    tokens = sentence.tokens
    places = [i for i, token in enumerate(tokens) if is_number(token)]
    if len(places) != 1 or sentence.denied[places[0]] or not _VAGUE.isdisjoint(tokens):
        return None
    if not {"see", "count", "there"}.intersection(tokens[: places[0]]):
        return None
    is_thing = bool(found.things[0] & all_stems(tokens[places[0] + 1 : places[0] + 2]))
    return tokens[places[0]] == found.value if is_thing else None
