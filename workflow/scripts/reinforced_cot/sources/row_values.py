"""Values of a row of JSON as a record needs them: texts, names and numbers, or what is wrong with them."""

import logging
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from reinforced_cot.data.images import ImageRejected
from reinforced_cot.data.records import Place, RawRecord, Rejection
from reinforced_cot.data.text_cleaning import canonical, is_text

log = logging.getLogger(__name__)


class MalformedRow(Exception):
    """A row that makes no record; it is set aside.

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
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def record_or_rejection(
    row: Any, value: Any, place: Place, make: Callable[[dict[str, Any], str, Place], RawRecord]
) -> RawRecord | Rejection:
    """What ``make`` makes of a row, its id and its place; a rejection if it is malformed or has no id.

    Args:
        row: of the file.
        value: the id as the file has it.
        place: where the row stands. Without an id, its rejection is named by its number or key.
        make: raises `MalformedRow` or `ImageRejected` where the row makes no record.
    """
    name = name_of(value)
    usable = is_text(name) and canonical(name)
    record_id = usable or f"{place.unit}-{place.line}"
    try:
        if not isinstance(row, dict):
            raise MalformedRow("not an object", f"expected a JSON object, found {type(row).__name__}")
        if not usable:
            shown = repr(value)[:80]
            raise MalformedRow("missing id", f"the id is {shown}; it must be a text or a whole number")
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
        MalformedRow: there is something else than a text.
    """
    value = row.get(key)
    if value is not None and not isinstance(value, str):
        raise MalformedRow("not text", f"{key} is {type(value).__name__}, not a text")
    return value or ""


def required_name(row: Mapping[str, Any], key: str) -> str:
    """An id of something else, such as an image, that the row must have.

    Raises:
        MalformedRow: it has none, or one that is neither a text nor a whole number.
    """
    name = name_of(row.get(key))
    if not name:
        raise MalformedRow(f"missing {key}", f"{key} is {repr(row.get(key))[:80]}; it must be a text or a whole number")
    return name


@cache
def warn_once(message: str) -> None:
    """Say something of a whole file, although its records are read several times."""
    log.warning("%s", message)
