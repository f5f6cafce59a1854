"""The things that a list in an answer names."""

import json
import re
from functools import lru_cache

MAX_ITEMS = 50
_SEPARATOR = re.compile(r"\s*(?:[;\n]|,(?!\d{3}(?!\d))|(?<!\d),)\s*")
_AND = re.compile(r"\s*(?:\band\b|&)\s*", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[-*\u2022]|\(?\d{1,2}[.)])\s+")
_LEADING_AND = re.compile(r"^(?:and|&)\s+", re.IGNORECASE)


@lru_cache(maxsize=512)
def items_of(text: str) -> tuple[str, ...]:
    """The things of a list: a JSON list, or texts with commas, semicolons or line breaks between them.

    >>> items_of('["red", "dark blue"]'), items_of("red, dark blue and green")
    (('red', 'dark blue'), ('red', 'dark blue', 'green'))
    >>> items_of("1,200 and 3"), items_of("1. red\\n2. blue")
    (('1,200', '3'), ('red', 'blue'))
    """
    plain = text.strip()
    if plain.startswith("["):
        try:
            values = json.loads(plain)
        except (ValueError, RecursionError):
            plain = plain.strip("[]")
        else:
            is_flat = all(isinstance(value, str | int | float) and not isinstance(value, bool) for value in values)
            return tuple(str(value).strip() for value in values) if is_flat else ()
    parts = _parts(plain)
    parts = [*parts[:-1], *_AND.split(parts[-1])] if len(parts) > 1 else _AND.split(parts[0])
    return tuple(part for part in parts if part)


def readings(text: str) -> list[tuple[str, ...]]:
    """The ways to read a list: an "and" may join two things, or be a part of a name, as in "salt and pepper"."""
    whole = items_of(text)
    split = tuple(part for item in whole for part in _AND.split(item) if part)
    joined = tuple(filter(None, _parts(text.strip().strip("[]"))))
    found = [whole, *(other for other in (split, joined) if other != whole)]
    return [reading for reading in found if 0 < len(reading) <= MAX_ITEMS]


def _parts(text: str) -> list[str]:
    parts = (_BULLET.sub("", part) for part in _SEPARATOR.split(text))
    return [_LEADING_AND.sub("", part).strip(" .'\"") for part in parts]
