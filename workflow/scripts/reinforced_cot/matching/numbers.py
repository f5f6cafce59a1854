"""What else may be written for a true answer that is a number: its unit, another form of a time, "none" for 0.

A unit counts: "5" is not right for "5 cm", nor "5 cm" for "5", unless the question names it ("How many centimeters is
it?") or asks for nothing else: years where it asks how old, degrees where it asks for a temperature or an angle. A time
may have the half of the day that the true one leaves out ("3:15 pm" for "3:15"), but must not lack the one that it has.
"""

from collections.abc import Sequence
from itertools import pairwise

from reinforced_cot.matching.words import HALF_DAYS, is_same_word, is_time, word_set

_CURRENCIES = word_set("dollar euro pound yen rupee cent won ruble lira bitcoin")
_SCALES = ("c", "f")
UNITS = _CURRENCIES | word_set(
    """percent permille degree c f cm mm km m kg g mg l ml lb oz inch foot mile yard mph kmh hour minute second day week
    month year number"""
)
_OF_DEGREES = word_set("temperature thermometer celsius fahrenheit angle c f degree degrees")
_HOW_WARM = word_set("hot cold warm cool")
_OF_TIMES = word_set("time clock watch when hour oclock")
_OF_YEARS = word_set("year when date")
_VERBS = word_set("is are was were do does did can could have has")
_OF_YOUNGER = word_set("month months week weeks day days hour hours minute minutes")
_ZERO = word_set("none nothing nobody")
_WEIGHING = word_set("weight weigh heavy")
# Symbols that are words or letters of their own wherever they stand for no unit: "6 in", "2 h".
_SYMBOLS = {"inch": "in", "hour": "h", "minute": "min", "second": "s", "watt": "w", "volt": "v"}


def is_number(word: str) -> bool:
    """Whether a word is a number in digits, as `words` writes all numbers."""
    return word.lstrip("+-")[:1].isdecimal()


_ORDINALS = {
    **{"first": ("1", "st"), "second": ("2", "nd"), "third": ("3", "rd"), "fourth": ("4", "th"), "fifth": ("5", "th")},
    **{
        "sixth": ("6", "th"),
        "seventh": ("7", "th"),
        "eighth": ("8", "th"),
        "ninth": ("9", "th"),
        "tenth": ("10", "th"),
    },
}


def number_variants(wanted: Sequence[str], question_words: Sequence[str]) -> list[tuple[str, ...]]:
    """What an answer may hold in place of the words of a true one, which stand first.

    Args:
        question_words: of the question, in order.

    >>> number_variants(["5", "cm"], ["how", "many", "cm", "is", "it"])
    [('5', 'cm'), ('5',)]
    >>> number_variants(["5"], ["how", "old", "is", "he"])
    [('5',), ('5', 'year'), ('5', 'year', 'old'), ('5', 'year', 'of', 'age')]
    >>> number_variants(["3:15"], [])
    [('3:15',), ('3:15', 'am'), ('3:15', 'pm')]
    """
    variants = [tuple(wanted)]
    variants += [
        other
        for word, digits in _ORDINALS.items()
        for one, other in (((word,), digits), (digits, (word,)))
        if one == variants[0]
    ]
    counts = tuple(question_words[:2]) == ("how", "many")
    if not wanted:
        return variants
    if counts and variants[0] in {("0",), *((word,) for word in _ZERO)}:
        things = question_words[2 : next((i for i, w in enumerate(question_words) if i > 2 and w in _VERBS), 3)]
        variants += [(word,) for word in ("0", *sorted(_ZERO)) if word != wanted[0]]
        return [*variants, ("no", *things)] if things else variants
    if wanted[0] == "number" and "number" in question_words:
        variants += [tuple(wanted[1:])] if len(wanted) > 1 else []
    if not is_number(wanted[0]):
        return variants
    if is_time(wanted[0]):
        return variants + _times(wanted, question_words)
    asked = _asked_units(question_words)
    if len(wanted) > 1:
        named = all(word in _parts(asked) or _is_named_unit(word, question_words) for word in wanted[1:])
        variants += [(wanted[0], *other) for other in _other_units(wanted[1:], question_words)]
        return [*variants, (wanted[0],), *((wanted[0], *unit) for unit in asked)] if named else variants
    if len(wanted[0]) <= 2 and wanted[0].isdecimal() and asks_time(question_words):
        variants.append((f"{wanted[0]}:00",))
    if (
        len(wanted[0]) == 4
        and wanted[0].isdecimal()
        and wanted[0][2] != "0"
        and not _OF_YEARS.isdisjoint(question_words)
    ):
        variants.append((wanted[0][:2], wanted[0][2:]))  # "nineteen eighty-four"
    return [*variants, *((wanted[0], *unit) for unit in asked)]


def _other_units(unit: Sequence[str], question_words: Sequence[str]) -> list[tuple[str, ...]]:
    """Other forms of a unit that are none wherever they stand for something else, as in "20 pounds" of a price."""
    if len(unit) == 2 and unit[0] == "degree" and unit[1] in _SCALES:
        return [(unit[1],)]
    if len(unit) != 1:
        return []
    others: list[tuple[str, ...]] = [
        (other,) for pair in _SYMBOLS.items() for one, other in (pair, pair[::-1]) if is_same_word(unit[0], one)
    ]
    if unit[0] in ("pound", "lb") and not _WEIGHING.isdisjoint(question_words):
        others += [("pound",), ("lb",)]
    return others


def _asked_units(question_words: Sequence[str]) -> list[tuple[str, ...]]:
    """The units of what a question asks for, where it need not name them; without a question, an angle's."""
    asked: list[tuple[str, ...]] = []
    how = {after for word, after in pairwise(question_words) if word == "how"}
    asks_age = "old" in how or not {"age", "aged"}.isdisjoint(question_words)
    if asks_age and _OF_YOUNGER.isdisjoint(question_words):
        asked += [("year",), ("year", "old"), ("year", "of", "age")]
    if not question_words or not _OF_DEGREES.isdisjoint(question_words) or not _HOW_WARM.isdisjoint(how):
        scales = [scale for scale in _SCALES if scale in question_words] or _SCALES
        asked += [("degree",), *(("degree", scale) for scale in scales)]
    return asked


def _parts(units: Sequence[tuple[str, ...]]) -> set[str]:
    """The words of units that may be left out; a scale of temperature only where the question names it."""
    return {form for unit in units for word in unit for form in (word, f"{word}s") if word not in _SCALES}


def _is_named_unit(word: str, question_words: Sequence[str]) -> bool:
    return any(is_same_word(word, unit) for unit in UNITS) and any(
        is_same_word(word, other) for other in question_words
    )


def _times(wanted: Sequence[str], question_words: Sequence[str]) -> list[tuple[str, ...]]:
    """Other forms of a time: with the half of the day, and of 24 hours where the question asks for a time."""
    hours, _, rest = wanted[0].partition(":")
    hour, half = int(hours), tuple(wanted[1:])
    is_asked = asks_time(question_words)
    if half == () and 1 <= hour <= 12:
        afternoon = [(f"{hour % 12 + 12}:{rest}",)] if is_asked and hour < 12 else []
        return [*((wanted[0], other) for other in sorted(HALF_DAYS)), *afternoon]
    if half == ("pm",) and hour <= 12:
        return [(f"{hour % 12 + 12}:{rest}",)]
    if half == () and hour > 12:
        return [(f"{hour - 12}:{rest}", "pm")] if is_asked else []
    return []


def asks_time(question_words: Sequence[str]) -> bool:
    """Whether a question asks for a time of day."""
    return not _OF_TIMES.isdisjoint(question_words)


def number_kind(said: Sequence[str]) -> str | None:
    """``time``, ``price`` or ``number`` of an answer's words that are nothing else, else None.

    >>> number_kind(["3:15", "pm"]), number_kind(["5", "dollar"]), number_kind(["-5", "cm"]), number_kind(["5", "cats"])
    ('time', 'price', 'number', None)
    """
    if not said or not is_number(said[0]):
        return None
    if is_time(said[0]):
        return "time" if HALF_DAYS.issuperset(said[1:]) else None
    if not all(any(is_same_word(word, unit) for unit in UNITS) or word == "old" for word in said[1:]):
        return None
    return "price" if any(is_same_word(word, unit) for word in said[1:] for unit in _CURRENCIES) else "number"
