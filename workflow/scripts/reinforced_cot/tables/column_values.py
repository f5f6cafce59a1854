"""Turns the values of a table's columns into those of a record; a value of another kind sets its record aside."""

import ast
import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from reinforced_cot.data.text_cleaning import canonical, is_text
from reinforced_cot.tables.row_values import MalformedRow, is_missing, name_of, shown, text

KINDS_OF_LISTS = ("box", "list", "set")  # kinds of answers that are lists: these are not several people's answers
_LONGEST_ID = 200  # characters: ids become names in result files


def plain(value: Any) -> str | None:
    """A text, a number or a truth value as text; None for anything else.

    pandas writes whole numbers as 12.0 in a column with gaps; a text that says 12.0 stays.

    >>> [plain(value) for value in ("12.0", 12, 12.0, 0.5, True, [])]
    ['12.0', '12', '12', '0.5', 'yes', None]
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float | Decimal) and math.isfinite(value) and value != int(value):
        return str(value)
    return name_of(value) or None


def name(key: str, value: Any) -> str:
    """A short text or a number, as text; empty where there is none."""
    found = "" if is_missing(value) else plain(value)
    if found is None:
        raise MalformedRow("not text", f"{key} is {type(value).__name__}: {shown(value)}")
    return found


def record_id(value: Any) -> str:
    """An id: a text or a whole number."""
    found = name_of(value)
    if not found:
        raise MalformedRow("malformed id", f"the id must be a text or a whole number, not {shown(value)}")
    if not is_text(found):
        raise MalformedRow("malformed id", "the id holds half a character (a lone surrogate)")
    if "\0" in found or "/" in found or "\\" in found:
        raise MalformedRow("malformed id", f"the id {shown(found)} has a NUL or a separator of paths")
    found = canonical(found)
    if len(found) > _LONGEST_ID:
        raise MalformedRow("malformed id", f"the id has {len(found)} characters; {_LONGEST_ID} are allowed")
    if not found:
        raise MalformedRow("missing id", "the id has no visible character")
    return found


def chain(value: Any) -> str:
    """A chain of thought: a text, or a list of texts or of ``{"text": ...}``, which are joined by line breaks."""
    if not isinstance(value, list | tuple):
        return text("chain", value)
    steps = [step.get("text") if isinstance(step, dict) else step for step in value]
    texts = [step for step in steps if isinstance(step, str)]
    if len(texts) < len(steps):
        raise MalformedRow(
            "malformed chain", f'chain must be a text or a list of texts or {{"text": ...}}: {shown(value)}'
        )
    return "\n".join(texts)


def one_list(value: Any, offered: Sequence[str] = (), is_text_format: bool = False) -> tuple[str, ...]:
    """The one true answer of a kind that is a list itself: a list, such as a box, becomes its text.

    >>> one_list([10, 20, 30, 40]), one_list("red, blue")
    (('[10, 20, 30, 40]',), ('red, blue',))
    """
    if isinstance(value, list | tuple | dict):
        try:
            return (json.dumps(value, ensure_ascii=False, allow_nan=False),)
        except (TypeError, ValueError):
            raise MalformedRow(
                "malformed answer", f"the answer is no list of texts or numbers: {shown(value)}"
            ) from None
    return answers(value, offered, is_text_format) if not isinstance(value, str) else (value,)


def answers(value: Any, offered: Sequence[str] = (), is_text_format: bool = False) -> tuple[str, ...]:
    """The true answers: one, or a list of them, plain or as ``{"answer": ...}``.

    Args:
        offered: the choices of the question, of which a whole number or a letter names one.
        is_text_format: every value of the file is a text, so that lists and numbers are written as texts.
    """
    if is_text_format and isinstance(value, str):
        listed = from_text(value)
        # Only a list of quoted texts is taken for one: [1, 2] may well be the answer itself.
        if listed and all(isinstance(item, str | dict) for item in listed):
            value = listed
    items = value if isinstance(value, list | tuple) else [value]
    found = []
    for item in items:
        one = item.get("answer") if isinstance(item, dict) else item
        if is_missing(one):
            continue
        if offered:
            one = _chosen(one, offered, is_text_format)
        answer = plain(one)
        if answer is None:
            raise MalformedRow("not text", f"the answer is {type(one).__name__}: {shown(one)}")
        found.append(answer)
    return tuple(found)


def _chosen(answer: Any, offered: Sequence[str], is_text_format: bool) -> Any:
    """The choice that a whole number or a letter names; any other answer as it is."""
    if isinstance(answer, bool):
        return answer
    number = None
    if isinstance(answer, int | float | Decimal):
        number = int(answer) if math.isfinite(answer) and answer == int(answer) else None
    elif isinstance(answer, str) and answer.strip() not in offered:
        written = answer.strip()
        if len(written) == 1 and "A" <= written <= "Z":
            number = ord(written) - ord("A")
        elif is_text_format and written.isdecimal() and len(written) < 4:
            number = int(written)
    if number is None:
        return answer
    if not 0 <= number < len(offered):
        raise MalformedRow("answer is no choice", f"the answer {shown(answer)} names none of {len(offered)} choices")
    return offered[number]


def choices(value: Any) -> tuple[str, ...]:
    """What a question offers: a list, a list written as text, or a text with ``|`` between the choices.

    >>> choices(["cat", 2]), choices('["cat", "dog"]'), choices("cat | dog"), choices(None)
    (('cat', '2'), ('cat', 'dog'), ('cat', 'dog'), ())
    """
    if is_missing(value):
        return ()
    listed = value
    if isinstance(value, str):
        listed = from_text(value)
        if listed is None and "|" in value:
            listed = [part.strip() for part in value.split("|")]
    if not isinstance(listed, list | tuple):
        raise MalformedRow(
            "malformed choices", f"choices must be a list, or a text with | between them, not {shown(value)}"
        )
    found = [plain(choice) for choice in listed]
    if not all(found):
        raise MalformedRow("malformed choices", f"each choice must be a text or a number: {shown(value)}")
    return tuple(map(str, found))


def from_text(value: str) -> list[Any] | None:
    """The list that a text spells as JSON, or as Python and so pandas write one; None if it spells none."""
    value = value.strip()
    if not (value.startswith("[") and value.endswith("]")):
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, list) else None
    return None
