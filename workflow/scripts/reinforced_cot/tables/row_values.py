"""Values of a row as a record needs them: texts, names and numbers, or what is wrong with them."""

import logging
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from reinforced_cot.data.images import ImageRejected
from reinforced_cot.data.records import Place, RawRecord, Rejection
from reinforced_cot.data.text_cleaning import canonical, is_text

log = logging.getLogger(__name__)

_SHOWN = 100  # characters


class MalformedRow(Exception):
    """A row, or a value of it, that makes no record; it is set aside.

    Attributes:
        reason: the kind of fault, by which rejected records are counted.
        detail: the fault of this row.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def name_of(value: Any) -> str:
    """An id or a name as text; pandas writes whole numbers as 12.0 in a column with gaps.

    >>> [name_of(value) for value in ("007", 12, 12.0, 0.5, True, None)]
    ['007', '12', '12', '', '', '']
    """
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        value = int(value)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def readable_id(value: Any) -> str:
    """An id in its canonical form; empty where the value is no id, has no visible character, or half a character."""
    name = name_of(value)
    return canonical(name) if is_text(name) else ""


def is_missing(value: Any) -> bool:
    """Whether there is no value: None, NaN (pandas' gap) or an empty text."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def shown(value: Any) -> str:
    """A value as a message shows it."""
    return f"{value!r:.{_SHOWN}}"


def record_or_rejection(
    row: Any, value: Any, place: Place, make: Callable[[dict[str, Any], str, Place], RawRecord]
) -> RawRecord | Rejection:
    """The record that ``make`` makes of a row, its id and its place; a rejection if the row is malformed or has no id.

    Args:
        row: of the file.
        value: the id as the file has it.
        place: where the row stands. Without an id, its rejection is named by its number or key.
        make: raises `MalformedRow` or `ImageRejected` where the row makes no record.
    """
    usable = readable_id(value)
    record_id = usable or f"{place.unit}-{place.line}"
    try:
        if not isinstance(row, dict):
            raise MalformedRow("not an object", f"expected a JSON object, found {type(row).__name__}")
        if not usable:
            raise MalformedRow("missing id", f"the id is {shown(value)}; it must be a text or a whole number")
        return make(row, record_id, place)
    except (MalformedRow, ImageRejected) as error:
        return Rejection(record_id, place, error.reason, error.detail)


def text_of(row: Mapping[str, Any], key: str) -> str:
    """A text that the row must have.

    Raises:
        MalformedRow: it lacks the key, or has no text there.
    """
    if row.get(key) is None:
        raise MalformedRow(f"missing {key}", f"the record has no {key}")
    return optional_text(row, key)


def optional_text(row: Mapping[str, Any], key: str) -> str:
    """A text, empty where the row has none.

    Raises:
        MalformedRow: the value is not a text.
    """
    return text(key, row.get(key))


def text(key: str, value: Any) -> str:
    """The text that a row has under ``key``; empty where there is none.

    Raises:
        MalformedRow: the value is not a text.
    """
    if isinstance(value, str):
        return value
    if is_missing(value):
        return ""
    raise MalformedRow("not text", f"{key} is {type(value).__name__}: {shown(value)}")


def required_name(row: Mapping[str, Any], key: str) -> str:
    """The id of an image, or of something else, that the row must have.

    Raises:
        MalformedRow: it has none, or a value that is neither a text nor a whole number.
    """
    name = name_of(row.get(key))
    if not name:
        raise MalformedRow(f"missing {key}", f"{key} is {shown(row.get(key))}; it must be a text or a whole number")
    return name


@cache
def warn_once(message: str) -> None:
    """Log a warning about a whole file once, although its records are read several times."""
    log.warning("%s", message)
