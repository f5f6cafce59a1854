"""Numbers with a tolerance, and with units that are converted: 50 mm is 5 cm.

An answer that is right as a text is right here (`matching.answer_matching`). Beyond that, one number is compared with
the true one within a tolerance, both as fractions. Where both have a unit, the answer's is converted; where one of them
has none, the question must name the other's.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import regex

from reinforced_cot.answers.truth import Truth
from reinforced_cot.answers.units import Measured, converted, is_unit
from reinforced_cot.data.tokens import is_word
from reinforced_cot.matching.answer_matching import is_correct
from reinforced_cot.matching.vocabulary import AROUND
from reinforced_cot.matching.words import NEGATORS, is_same_word, word_set, words

_ABOUT = word_set(
    """about approximately approx around roughly nearly almost circa ca exactly precisely estimated measured
    value equals"""
)
_BOUNDS, _UP_TO = word_set("than least most"), ("up", "to")  # before a number, also where the question has them
_SIGNS = frozenset(("~", "\u2248", "=", ":", ".", ",", "\n"))
_DECIMAL = regex.compile(r"[-+]?\d{1,30}(?:\.\d{1,30})?")
_FRACTION = regex.compile(r"([-+]?\d{1,15})/(\d{1,15})")
_EXPONENT = regex.compile(r"(?<=\d)e\+?(-?\d{1,2})(?!\w|\.\d)", regex.IGNORECASE)
_MAX_UNIT = 5  # tokens
_MAX_POWER = 40  # of ten


class _Quantity(NamedTuple):
    """A number, and the tokens of its unit; none where it has no unit."""

    value: Fraction
    unit: tuple[str, ...]


def is_right(answer: str, true: str, truth: Truth, settings: Mapping[str, float]) -> bool:
    """Whether an answer gives the true number, within ``absolute`` or within ``relative`` times it.

    >>> is_right("about 105", "100", Truth(("100",)), {"absolute": 0, "relative": 0.05})
    True
    >>> is_right("0.05 m", "5 cm", Truth(("5 cm",)), {"absolute": 0, "relative": 0})
    True
    """
    if is_correct(answer, true, truth.question):
        return True
    wanted = _quantity_of_truth(true)
    said = _quantity(answer, truth.question)
    if wanted is None or said is None:
        return False
    value = _in_unit_of(said, wanted, words(truth.question))
    if value is None:
        return False
    error = abs(value - wanted.value)
    exactly = [Fraction(repr(settings[name])) for name in ("absolute", "relative")]
    return error <= max(exactly[0], exactly[1] * abs(wanted.value))


@lru_cache(maxsize=512)
def _quantity_of_truth(true: str) -> _Quantity | None:
    return _quantity(true, "")


def _quantity(text: str, question: str) -> _Quantity | None:
    """The one number that a text gives; None where it gives none, several, or says more than the question explains."""
    said = words(_EXPONENT.sub(r" x 10^\1", text))  # else the sign of 3e-5 is lost
    question_words = words(question)
    found: list[_Quantity] = []
    place = 0
    while place < len(said):
        number = _number_at(said, place)
        if number is None:
            if not _may_stand_around(said[place], question_words):
                return None
            place += 1
            continue
        if _BOUNDS.intersection(said[place - 1 : place]) or said[max(place - 2, 0) : place] == _UP_TO:
            return None
        value, place = number
        length = next(
            (n for n in range(min(_MAX_UNIT, len(said) - place), 0, -1) if is_unit(said[place : place + n])), 0
        )
        found.append(_Quantity(value, said[place : place + length]))
        place += length
    return found[0] if len({*found}) == 1 else None


def _may_stand_around(token: str, question_words: Sequence[str]) -> bool:
    if token in NEGATORS or token == "?":
        return False
    is_known = token in AROUND or token in _ABOUT or token in _SIGNS or not is_word(token)
    return is_known or any(is_same_word(token, word) for word in question_words if not word[:1].isdecimal())


def _number_at(said: Sequence[str], place: int) -> tuple[Fraction, int] | None:
    """The number that begins at a token, and the place behind it: 3, 3.5, 1/2, 3 1/2, 1.2 x 10^5."""
    value = _plain(said[place])
    if value is None:
        return None
    place += 1
    rest = said[place : place + 4]
    if rest and value.denominator == 1 and (part := _FRACTION.fullmatch(rest[0])) and part[1].isdecimal():
        fraction = _plain(rest[0])
        if fraction is not None and 0 < fraction < 1:
            return value + (fraction if value >= 0 else -fraction), place + 1
    if len(rest) == 4 and rest[0] in ("x", "*") and rest[1:3] == ("10", "^"):
        power_of_ten = _plain(rest[3])
        if power_of_ten is not None and power_of_ten.denominator == 1 and abs(power_of_ten) <= _MAX_POWER:
            return value * Fraction(10) ** int(power_of_ten), place + 4
    return value, place


def _plain(token: str) -> Fraction | None:
    if _DECIMAL.fullmatch(token):
        return Fraction(token)
    if (match := _FRACTION.fullmatch(token)) and int(match[2]):
        return Fraction(int(match[1]), int(match[2]))
    return None


def _in_unit_of(said: _Quantity, wanted: _Quantity, question_words: Sequence[str]) -> Fraction | None:
    """The answer's number in the unit of the true one; None where it cannot be known."""
    if said.unit and wanted.unit:
        return converted(Measured(said.value, said.unit), wanted.unit)
    named = said.unit or wanted.unit
    if named and not all(any(is_same_word(part, word) for word in question_words) for part in named):
        return None
    return said.value


def cheats(truths: Sequence[Truth]) -> list[str]:
    """The middle one of the true numbers, which a wide tolerance may pay, and many numbers at once."""
    found = [quantity for truth in truths for answer in truth.answers if (quantity := _quantity_of_truth(answer))]
    if not found:
        return []
    middle = sorted(found)[len(found) // 2]
    unit = " ".join(middle.unit)
    mean = sum(quantity.value for quantity in found) / len(found)
    digits = ", ".join(map(str, range(10)))
    return [f"{float(value):g} {unit}".strip() for value in (middle.value, mean)] + [digits, "0 to 100"]
