"""The options that a question lists, and which of them an answer takes.

Lists by letter or number ("A. red", "(b) blue", "2) green", "A: cat; B: dog"), of lines, bullets, slashes
("cat/dog/bird"), brackets, and commas behind words such as "Options:" or "one of". What stands around an "or" is found
by `rivals`.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import regex

from reinforced_cot.data.tokens import is_word
from reinforced_cot.matching.words import inner_marks, is_same_word, occurrences, phrase

MAX_OPTIONS = 26
MAX_OPTION_WORDS = 20
MAX_LISTED_WORDS = 5  # of an option without a label: more is a sentence

_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")
_LABEL = regex.compile(
    r"(?:^|(?<=[\s,;:?(\[]))(?|[(\[<{]?([A-Za-z]|\d{1,2}|[IVX]{2,4}|[ivx]{2,4})"
    r"(?:[).:\]>}]{1,2}(?=\s|$)|(?<=\p{L}):(?=\p{L}))"
    r"|[(\[<{]?([A-Za-z]|\d{1,2})[)\]>}](?=\w)|([A-Z])[ \t][-\u2013](?=[ \t])"
    r"|(?<=^[ \t]*)(?|([A-Za-z]|\d{1,2})(?:[ \t][-\u2013](?=[ \t])|\t)|([A-Z])\.(?=\p{L})))",
    regex.MULTILINE,
)
_BEFORE_LABEL = regex.compile(r"\s(?:option|choice)\s*$", regex.IGNORECASE)
_END_OF_LIST = regex.compile(r"[;?]|(?<=\w{3})\.\s")
_FIRST = regex.compile(
    r"\*\*[aA]\*\*|(?<![^\W_])[aA][*_]{0,3}(?:[)\]>}]|\s?[=\u2192\u2013\u2014]|\s-\s|\s?[-=]>)"
    r"|(?<![^\W_])A(?=(?:\s+|\s*&\s*)[B-Z](?![^\W_]))"  # "A B", "a and b"
    r"|(?<![^\W_])[aA](?=\s+(?:and|or|nor|then|to|plus|with|option)\s+[b-zB-Z](?![^\W_]))"
)
_BULLET = regex.compile(r"^[ \t]*+[-*\u2022\u2013][ \t]+(.+)$", regex.MULTILINE)
_ANNOUNCED = regex.compile(
    r"\b(?:one of|options?(?: are)?|choices?(?: are)?|choose(?: one)?(?: from| between)?|"
    r"select(?: one)?(?: from)?|pick(?: one)?(?: from)?|the following|candidates|answers?)"
    r"(?: of)?(?: the following)?(?: these)?\s*[:\-]\s*([^?\n]+)",
    regex.IGNORECASE,
)
_FROM = regex.compile(r"\b(?:choose|select|pick)(?: one)?(?: from| between| out of)\s+([^?:\n]+)", regex.IGNORECASE)
_NAMED = regex.compile(r"\b(?:options|choices|candidates|possible answers)\s+are\s+([^?:.\n]+)", regex.IGNORECASE)
_LAST_AND = regex.compile(r",?\s+and\s+(?=[^,]+$)")
_BRACKETS = regex.compile(r"[(\[{]([^()\[\]{}\n]{3,300})[)\]}]")
_AFTER_COLON = regex.compile(r":\s*([^:?\n]{3,300})\?")
_AFTER_COMMA = regex.compile(r"^(?:who|which|what)\b[^,?]*,\s*([^?\n]+)\?", regex.IGNORECASE)
_SLASHES = regex.compile(r"(?<![\w/])[^\W\d_][\w-]*+(?:\s?/\s?[^\W\d_][\w-]*+)++(?![\w/])")
_NO_LIST = frozenset(("and/or", "km/h", "he/she", "him/her", "his/her", "her/his", "w/o", "s/he", "n/a"))
_SEPARATOR = regex.compile(r"\s*(?:[,;|/]|\bor\b|\bvs\.?(?=\s))(?:\s*\bor\b)?\s*", regex.IGNORECASE)
_ENDS = " \t\n.,;?!'\"\u201c\u201d"
_ARTICLE_OR_PRONOUN = (("a",), ("i",))
_CALLED = frozenset(("option", "answer", "choice", "letter", "number", "is", ":"))


class Option(NamedTuple):
    """One option of a question; it may hold a negation of its own ("no dog").

    Attributes:
        label: its letter or number in lower case, or "".
        text: its words, as `phrase` gives them; and the marks of punctuation between them.
    """

    label: str
    text: tuple[str, ...]
    marks: dict[int, str]


@lru_cache(maxsize=1024)
def listed_options(question: str) -> tuple[Option, ...]:
    """The options in order; nothing where the question lists none.

    >>> [(o.label, *o.text) for o in listed_options("What color is it?\\nA. red\\nB. dark blue")]
    [('a', 'red'), ('b', 'dark', 'blue')]
    >>> [o.text for o in listed_options("Which is it: cat/dog/bird?")]
    [('cat',), ('dog',), ('bird',)]
    """
    if labelled := _labelled(question):
        return labelled
    for items in (_BULLET.findall(question), _lines(question), *map(_items, _regions(question))):
        options = [Option("", tuple(phrase(item)), inner_marks(item)) for item in items]
        options = [option for option in options if option.text]
        fits = all(len(option.text) <= MAX_LISTED_WORDS for option in options)
        if 2 <= len(options) <= MAX_OPTIONS and fits and len({option.text for option in options}) > 1:
            return tuple(options)
    return ()


def _labelled(question: str) -> tuple[Option, ...]:
    """Options with labels that count up from A, a, 1, I or i."""
    question = question.replace("**", "")
    labels = list(_LABEL.finditer(question))
    for first, label in enumerate(labels):
        if label[1] not in ("A", "a", "1", "I", "i"):
            continue
        run, is_roman = [label], label[1] in ("I", "i")
        wanted = _next(label[1], is_roman)
        for other in labels[first + 1 :]:
            if other[1] == wanted:
                run.append(other)
                wanted = _next(wanted, is_roman)
        if len(run) < 2:
            continue
        ends = [*(match.start() for match in run[1:]), len(question)]
        texts = [_BEFORE_LABEL.sub("", question[match.end() : end]) for match, end in zip(run, ends, strict=True)]
        texts[-1] = texts[-1].strip().partition("\n")[0]
        if texts[0].rstrip()[-1:] in (",", ";"):  # else a full stop may belong to a text: "B. Mt. Everest"
            texts[-1] = _END_OF_LIST.split(texts[-1], maxsplit=1)[0]
        return tuple(
            Option(match[1].lower(), tuple(phrase(text)[:MAX_OPTION_WORDS]), inner_marks(text))
            for match, text in zip(run[:MAX_OPTIONS], texts, strict=False)
        )
    return ()


def _next(label: str, is_roman: bool) -> str:
    if is_roman:
        after = dict(pairwise(_ROMAN)).get(label.upper(), "")
        return after if label.isupper() else after.lower()
    return str(int(label) + 1) if label.isdecimal() else chr(ord(label) + 1)


def _lines(question: str) -> list[str]:
    """The lines behind a question's own, where each is short."""
    _, mark, below = question.partition("?")
    lines = [line.strip() for line in below.splitlines() if line.strip()]
    return lines if mark and all(len(line.split()) <= MAX_LISTED_WORDS for line in lines) else []


def _regions(question: str) -> list[str]:
    """The parts of a question that may hold a list, the surest first."""
    regions = [match[1] for pattern in (_ANNOUNCED, _FROM, _BRACKETS) for match in pattern.finditer(question)]
    regions += [_LAST_AND.sub(", ", match[1].strip(_ENDS)) for match in _NAMED.finditer(question)]
    regions += [match[1] for pattern in (_AFTER_COLON, _AFTER_COMMA) if (match := pattern.search(question))]
    return regions + [m[0] for m in _SLASHES.finditer(question) if m[0].lower().replace(" ", "") not in _NO_LIST]


def _items(region: str) -> list[str]:
    region = region.strip(_ENDS).partition(". ")[0]
    return [item.strip(_ENDS) for item in _SEPARATOR.split(region) if item.strip(_ENDS)]


def true_option(options: Sequence[Option], truth: str) -> int | None:
    """The number of the option that a true answer names, by its text, its label, or both; None for no option."""
    wanted = phrase(truth)
    for number, option in enumerate(options):
        if _equal(wanted, option.text):
            return number
    for number, option in enumerate(options):
        if option.label and (
            wanted == [option.label] or (wanted[:1] == [option.label] and _equal(wanted[1:], option.text))
        ):
            return number
        # "A" before a text reads as an article: the label and the text of option A.
        if option.label == "a" and _equal([word for word in wanted if word != "a"], option.text):
            return number
    return None


def _equal(one: Sequence[str], other: Sequence[str]) -> bool:
    return bool(one) and len(one) == len(other) and all(is_same_word(a, b) for a, b in zip(one, other, strict=True))


def mentions(options: Sequence[Option], tokens: Sequence[str]) -> list[tuple[int, range]]:
    """Where a text names options, by their texts (the longest first: "dark red" is not "red") or their labels."""
    places: list[tuple[int, range]] = []
    taken: set[int] = set()
    for number, option in sorted(enumerate(options), key=lambda entry: -len(entry[1].text)):
        for place in occurrences(option.text, tokens, option.marks):
            is_article = option.text in _ARTICLE_OR_PRONOUN and not _is_label(tokens, place.start)
            if not taken.intersection(place) and not is_article:
                taken.update(place)
                places.append((number, place))
    labels = {option.label: number for number, option in enumerate(options) if option.label}
    for i, token in enumerate(tokens):
        if token in labels and i not in taken and _is_label(tokens, i):
            places.append((labels[token], range(i, i + 1)))
    return places


def names_first_option(options: Sequence[Option], answer: str) -> bool:
    """Whether an answer names the first option by an A that its words do not show: in brackets, before a dash or "B".

    Args:
        answer: as it was written: "(A) white" names option A, "a white bus" does not.
    """
    is_a = bool(options) and (options[0].label == "a" or options[0].text == ("a",))
    return is_a and _FIRST.search(answer) is not None


def _is_label(tokens: Sequence[str], i: int) -> bool:
    """Whether a letter or number stands for an option: "a" before a word is an article, a number may count things."""
    before = tokens[i - 1] if i else ""
    after = tokens[i + 1] if i + 1 < len(tokens) else "."
    if len([token for token in tokens if is_word(token)]) == 1:
        return True
    if tokens[i] in ("a", "i"):
        return not is_word(after) or after in ("is", "because") or before in ("option", "choice", "letter")
    if tokens[i].isdecimal():
        return before in _CALLED - {"is"} or (i == 0 and after in (".", ":"))
    return True
