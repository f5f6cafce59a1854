"""Which words mean the same, where a phrase stands in a text, and what is denied there.

Two words are the same when one may be the plural of the other or is a listed spelling or unit of it; numbers are the
same in words and digits, times of day with and without "o'clock". Rules of spelling, not a lexicon: every regular
plural is known, and the package starts without loading one; `plurals` lists the exceptions.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from reinforced_cot.data.tokens import ARTICLES, is_word, tokens
from reinforced_cot.matching.plurals import IRREGULAR, NO_PLURALS


def word_set(text: str) -> frozenset[str]:
    """The words of a list written as a line."""
    return frozenset(text.split())


_TO_TWENTY = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen"""
_SMALL = {word: number for number, word in enumerate(_TO_TWENTY.split())}
_TENS = {
    word: 10 * number
    for number, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_SIGNS = word_set("minus negative")
# British and American spelling, and units by their symbol. Only forms of one word: synonyms are other answers.
_SPELLINGS = {
    **{"grey": "gray", "greyish": "grayish", "colour": "color", "colours": "colors", "coloured": "colored"},
    **{"centre": "center", "metre": "m", "tyre": "tire", "tyres": "tires", "aluminium": "aluminum"},
    **{"moustache": "mustache", "doughnut": "donut", "doughnuts": "donuts", "yoghurt": "yogurt", "pyjamas": "pajamas"},
    **{"jewellery": "jewelry", "theatre": "theater", "catalogue": "catalog", "aeroplane": "airplane", "fibre": "fiber"},
    **{"plough": "plow", "storey": "story", "neighbour": "neighbor", "harbour": "harbor", "favourite": "favorite"},
    **{"travelling": "traveling", "traveller": "traveler", "licence": "license", "cosy": "cozy", "kerb": "curb"},
    **{"flavour": "flavor", "honour": "honor", "savoury": "savory", "defence": "defense", "programme": "program"},
    **{"sceptical": "skeptical", "okay": "ok", "whisky": "whiskey", "ketchup": "catsup", "armour": "armor"},
    **{
        "percentage": "percent",
        "celsius": "c",
        "fahrenheit": "f",
        "usd": "dollar",
        "eur": "euro",
        "gbp": "pound",
        "inr": "rupee",
        "jpy": "yen",
    },
    **{"centimeter": "cm", "centimetre": "cm", "millimeter": "mm", "millimetre": "mm", "kilometer": "km"},
    **{"kilometre": "km", "meter": "m", "kilogram": "kg", "kilo": "kg", "gram": "g", "milligram": "mg", "liter": "l"},
    **{"litre": "l", "milliliter": "ml", "millilitre": "ml", "pounds": "pound", "lbs": "lb", "ounce": "oz"},
    **{
        "inches": "inch",
        "ft": "foot",
        "kgs": "kg",
        "cms": "cm",
        "kms": "km",
        "yd": "yard",
        "yds": "yard",
        "hr": "hour",
        "hrs": "hour",
        "min": "minute",
        "mins": "minute",
        "sec": "second",
    },
    **{"secs": "second", "kph": "kmh"},
}
_SPELLINGS |= {f"{word}s": short for word, short in _SPELLINGS.items() if len(short) <= 2}

ENDS = frozenset("?!.;\n")  # of a sentence
NEGATORS = word_set("not never neither nor without cannot no isnt arent lacks lack")
TURNS = frozenset(("but", "instead", "however", "rather"))  # what follows is asserted again
_SUBJECTS = word_set("it they he she this that these those there the its so")
# A full stop behind these ends no sentence; nor does one behind a single letter in a name.
_ABBREVIATIONS = word_set("st mr mrs ms dr prof jr sr mt ave blvd rd inc ltd co vs approx dept capt sgt fig vol etc")

HALF_DAYS = frozenset(("am", "pm"))  # behind an hour

# What may begin or join a number, or needs a look at the token before it.
_MARKED = frozenset((*_SMALL, *_TENS, "a", "half", ".", "cent", "hour", "h"))
_BEFORE_HOUR = {"mile per": "mph", "miles per": "mph", "km per": "kmh", "km /": "kmh"}


def words(text: str) -> tuple[str, ...]:
    """Words, numbers as digits, symbols, and marks of punctuation, in order.

    >>> words("It isn't the Two-door car."), words("one hundred and five grey cats")
    (('it', 'is', 'not', 'the', '2', 'door', 'car', '.'), ('105', 'gray', 'cats'))
    >>> words("03:15 p.m."), words("three o'clock"), words("+3")
    (('3:15', 'pm'), ('3:00',), ('3',))
    """
    return _kept_words(text) if len(text) <= _SHORT else _words(text)


def _words(text: str) -> tuple[str, ...]:
    plain = [_SPELLINGS.get(token, token) for token in tokens(text)]
    result: list[str] = []
    place = 0
    while place < len(plain):
        token = plain[place]
        if token not in _MARKED and not token[-1].isdecimal():
            result.append(token)
            place += 1
            continue
        number = _number_at(plain, place)
        if number is not None:
            value, place = _time_at(plain, *number)
            if value[0] == "+" and not _ends_a_term(result):
                value = value[1:]  # "+3" is 3, but "2 +3" is a sum
            if result and result[-1] in _SIGNS:
                result[-1] = f"-{value}"
            else:
                result.append(value)
            continue
        place += 1
        if token == "." and result and result[-1] in _ABBREVIATIONS and place < len(plain):
            continue
        if token == "cent" and result and result[-1] == "per":
            result[-1] = "percent"
            continue
        if token in ("hour", "h") and (speed := _BEFORE_HOUR.get(" ".join(result[-2:]))):
            result[-2:] = [speed]
            continue
        result.append(token)
    return tuple(result)


_SHORT = 400  # questions and answers are compared again and again; chains would fill the memory
_kept_words = lru_cache(maxsize=4096)(_words)


def _number_at(plain: Sequence[str], place: int) -> tuple[str, int] | None:
    """The number in words, or in digits before "thousand" and the like, that begins here, and where it ends."""
    token = plain[place]
    if tuple(plain[place : place + 3]) == ("half", "a", "dozen"):
        return "6", place + 3
    if token == "a" and place + 1 < len(plain) and plain[place + 1] in (*_SCALES, "dozen"):
        return ("12", place + 2) if plain[place + 1] == "dozen" else _in_words(plain, place)
    if token in _SMALL or token in _TENS:
        number, end = _in_words(plain, place)
        is_dozens = plain[end : end + 1] == ["dozen"]
        return (str(12 * int(number)), end + 1) if is_dozens else (number, end)
    if is_time(token):
        return token.removeprefix("0") if token[1] != ":" else token, place + 1
    if token.lstrip("+-").replace(".", "", 1).isdecimal():
        after = plain[place + 1] if place + 1 < len(plain) else ""
        if after in _SCALES:
            value = float(token) * _SCALES[after]
            return (f"{value:.0f}" if value.is_integer() else f"{value}"), place + 2
        return token, place + 1
    return None


def _in_words(plain: Sequence[str], place: int) -> tuple[str, int]:
    total = current = 0
    last = 10**12  # what the next word must be below: "two one" are two numbers
    end = place
    while place < len(plain):
        token = plain[place]
        if token == "and" and end == place and last in _SCALES.values() and _small(plain, place + 1):
            place += 1
            continue
        if token == "a" and end == place and total == current == 0:
            current, last = 1, 100
        elif token in _SMALL and _SMALL[token] < last and (last > 10 or _SMALL[token] > 0):
            current, last = current + _SMALL[token], 1
        elif token in _TENS and last > 99:
            current, last = current + _TENS[token], 10
        elif token == "hundred" and 0 < current < 100:
            current, last = current * 100, 100
        elif token in _SCALES and token != "hundred" and 0 < current < 1000:
            total, current, last = total + current * _SCALES[token], 0, 1_000
        else:
            break
        place += 1
        end = place
    return str(total + current), end


def _time_at(plain: Sequence[str], value: str, place: int) -> tuple[str, int]:
    """A number as the time that it is ("3 o'clock", "3 pm" and "03:00" are 3:00), and where it ends.

    Args:
        place: where the number ends.
    """
    after = plain[place] if place < len(plain) else ""
    clock = 2 if tuple(plain[place : place + 2]) == ("o", "clock") else int(after == "oclock")
    if len(value) <= 2 and value.isdecimal() and (clock or (after in HALF_DAYS and 1 <= int(value) <= 12)):
        return f"{int(value)}:00", place + clock
    return value, place + (clock if is_time(value) else 0)


def is_time(word: str) -> bool:
    """Whether a word is a time of day in digits: hours and minutes, perhaps seconds."""
    if ":" not in word:
        return False
    hours, *rest = word.split(":")
    return (
        1 <= len(rest) <= 2
        and hours.isdecimal()
        and len(hours) <= 2
        and int(hours) <= 24
        and all(len(part) == 2 and part.isdecimal() and part < "60" for part in rest)
    )


def _ends_a_term(said: Sequence[str]) -> bool:
    """Whether a sign behind these words adds to a number or a variable."""
    return bool(said) and (said[-1][-1].isdecimal() or (len(said[-1]) == 1 and said[-1].isalpha() and said[-1] != "a"))


def _small(plain: Sequence[str], place: int) -> bool:
    return place < len(plain) and (plain[place] in _SMALL or plain[place] in _TENS)


@lru_cache(maxsize=4096)  # a policy's words must not fill the memory
def forms(word: str) -> frozenset[str]:
    """The word itself and all that it may be the plural of.

    >>> sorted(forms("leaves"))
    ['leaf', 'leafe', 'leave', 'leaves']
    >>> sorted(forms("news"))
    ['news']
    """
    if word in NO_PLURALS:
        return frozenset((word,))
    singulars = {word, IRREGULAR.get(word, word)}
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        singulars.add(word[:-1])
        if word.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):
            singulars.add(word[:-2])
        if word.endswith("ies"):
            singulars.add(word[:-3] + "y")
        if word.endswith("ves"):
            singulars |= {word[:-3] + "f", word[:-3] + "fe"}
    return frozenset(singulars)


def is_same_word(one: str, other: str) -> bool:
    """Whether two words are the same but for the number."""
    return one == other or (
        (one[:1] == other[:1] or one in IRREGULAR or other in IRREGULAR) and bool(forms(one) & forms(other))
    )


def new_words(said: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    """The words of ``said`` that are the same as none of ``known``."""
    known_forms = frozenset(form for word in known for form in forms(word))
    return (word for word in said if known_forms.isdisjoint(forms(word)))


def phrase(text: str) -> list[str]:
    """The words of an answer without punctuation, and without articles where something else is left.

    An article is followed by a word; "A" that ends a name ("Gate A"), or is upper case within one, belongs to it.

    >>> phrase("The gate"), phrase("Gate A"), phrase("a"), phrase("vitamin A pills")
    (['gate'], ['gate', 'a'], ['a'], ['vitamin', 'a', 'pills'])
    """
    return list(_kept_phrase(text) if len(text) <= _SHORT else _phrase(text))


def _phrase(text: str) -> tuple[str, ...]:
    said = [token for token in words(text) if is_word(token)]
    kept = [token for i, token in enumerate(said) if token not in ARTICLES or i + 1 == len(said)]
    if " A " in text.strip() and len(kept) < len(said):
        kept = [token for i, token in enumerate(said) if token not in ARTICLES - {"a"} and (i or token != "a")]
    return tuple(kept) if set(kept) - {"an", "the"} else ()


_kept_phrase = lru_cache(maxsize=4096)(_phrase)


def inner_marks(text: str) -> dict[int, str]:
    """The marks of punctuation inside a phrase: the place of the word behind each, and the marks.

    >>> inner_marks("the Paris, France")
    {1: ','}
    """
    marks: dict[int, str] = {}
    said = 0
    for token in words(text):
        if not is_word(token):
            marks[said] = marks.get(said, "") + token
        elif token not in ARTICLES:
            said += 1
    return {place: text for place, text in marks.items() if 0 < place < said}


@lru_cache(maxsize=256)
def _all_forms(tokens: tuple[str, ...]) -> frozenset[str]:
    return frozenset().union(*map(forms, tokens))


def occurrences(
    wanted: Sequence[str], tokens: Sequence[str], marks: Mapping[int, str] = MappingProxyType({})
) -> list[range]:
    """Where ``wanted`` stands in ``tokens``, word for word.

    Articles may stand in between, a full stop behind an initial, and what ``marks`` (`inner_marks`) allows.
    """
    places: list[range] = []
    if not wanted or (wanted[0] not in tokens and forms(wanted[0]).isdisjoint(_all_forms(tuple(tokens)))):
        return places
    for start, token in enumerate(tokens):
        if not is_same_word(token, wanted[0]):
            continue
        place = start
        for number, word in enumerate(wanted[1:], start=1):
            place += 1
            allowed = marks.get(number, "")
            while (
                place < len(tokens)
                and not is_same_word(tokens[place], word)
                and _may_be_skipped(tokens, place, allowed)
            ):
                place += 1
            if place == len(tokens) or not is_same_word(tokens[place], word):
                break
        else:
            places.append(range(start, place + 1))
    return places


def _may_be_skipped(tokens: Sequence[str], place: int, allowed: str) -> bool:
    token = tokens[place]
    return token in ARTICLES or token in allowed or (token == "." and len(tokens[place - 1]) == 1)


def negated(tokens: Sequence[str], own: Collection[int] = ()) -> list[bool]:
    """For each token whether it is denied: from a "not" (or its like) to the end of the clause.

    Args:
        own: places of negations that deny nothing, since they are part of an answer ("no parking").

    >>> [w for w, no in zip(words("not red but blue"), negated(words("not red but blue"))) if no]
    ['not', 'red']
    """
    result, denied = [], False
    for i, token in enumerate(tokens):
        after = tokens[i + 1] if i + 1 < len(tokens) else "."
        turns = token in TURNS and after not in ("than", "of")
        if token in ENDS or turns or (token == "," and after in _SUBJECTS | TURNS):
            denied = False
        elif token == "no" and not is_word(after):
            pass  # "No, ...": an answer to the question, not a word of the sentence
        elif i in own:
            pass
        elif token in NEGATORS or (token, after) in (("rather", "than"), ("instead", "of"), ("opposed", "to")):
            denied = True
        result.append(denied)
    return result
