"""Reads JSON files entry by entry: an array or object of millions of records is never in memory as a whole.

Each entry is decoded by itself (RFC 8259 gives the grammar). The file may be an array or an object of records, or an
object that holds them under one of its keys.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from reinforced_cot.data.records import Place
from reinforced_cot.data.text_cleaning import is_text
from reinforced_cot.errors import DataError
from reinforced_cot.files import read_json_lines

_CHUNK = 1 << 20  # characters that are read at once
_LONGEST = 1 << 28  # characters of one entry
_NEAR_END = 16  # characters: a number, a word such as `false` or an escape that a chunk's end cuts is shorter
_LONGEST_GAP = 4096  # characters between the bracket of a list and its first record
_SHOWN = 80  # characters of a key
_CLOSING = {"{": "}", "[": "]"}
_SPACE = re.compile(r"[ \t\n\r]*")
_RECORDS = re.compile(r"\[[ \t\n\r]*\{")
_decode = json.JSONDecoder().raw_decode


class Entry(NamedTuple):
    """One entry: its number from 1, its key in an object (None in an array), and its value."""

    number: int
    key: str | None
    value: Any

    def place(self, file: Path) -> Place:
        """Where the entry stands: by its key, if it has one that can be written."""
        key = self.key if self.key and is_text(self.key) else None
        return Place(str(file), key or self.number, "entry")


def read_entries(path: Path, within: str | None = None) -> Iterator[Entry]:
    """Yield the entries of a file's array or object.

    Args:
        path: the file, in UTF-8.
        within: the key of the file's object that holds the array or object; None if that is the whole file.

    Raises:
        DataError: the file cannot be read, ends too early, is not JSON, or has no array or object there; or an entry
            is nested too deeply or longer than 268 million characters. The message names the file, the line and the
            entry.
    """
    with _opened(path) as text:
        if within is None:
            yield from _entries(text, "")
        else:
            others = []
            for number, key in _members(text, ""):
                others.append(key or str(number))
                if key == within:
                    yield from _entries(text, f" of {within!r}")
                else:
                    _skip(text, number, key)
            if within not in others:
                raise DataError(f"{path} has no key {within!r}; it has {_listed(others)}. Is it the right file?")
        text.expect_end()


def read_member(path: Path, name: str) -> Any:
    """The value of one key of the file's object, None where it has no such key; what stands before is skipped.

    Raises:
        DataError: as `read_entries`.
    """
    with _opened(path) as text:
        for number, key in _members(text, ""):
            if key == name:
                return text.value(f"{name!r}")
            _skip(text, number, key)
    return None


def first_character(path: Path) -> str:
    """The first character of a file that is no white space, by which an array is told from JSON lines.

    Raises:
        DataError: the file cannot be read.
    """
    with _opened(path) as text:
        return text.peek()


def json_rows(path: Path) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield the records of a table with their places: the line, or the number of the entry in a list.

    ``.jsonl`` and ``.ndjson`` hold a record per line. The content of ``.json`` decides whether it is such a file, a
    list of records, or an object with one list of records, such as ``{"questions": [...]}``. A record that is a list
    itself becomes an object with the keys "0", "1" and so on.

    Raises:
        DataError: as `read_entries`, or the file is none of these.
    """
    if path.suffix.lower() != ".json" or has_one_record_per_line(path):
        yield from (_row(Place(str(path), line), value) for line, value in read_json_lines(path))
        return
    with _opened(path) as text:
        first = text.peek()
        if not first:
            raise DataError(f"{path} is empty")
        yield from _only_list(text) if first == "{" else _records(text, "")
        text.expect_end()


def has_one_record_per_line(path: Path) -> bool:
    """Whether the first line of a file is a JSON object by itself, and not one around a list of records."""
    try:
        with open(path, "rb") as file:
            head = file.read(_CHUNK)
            is_whole = not file.read(1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    first, feed, rest = head.decode("utf-8-sig", errors="replace").lstrip().partition("\n")
    if not feed and not is_whole:
        return False
    try:
        row = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and (bool(rest.strip()) or not is_whole or not any(map(_is_records, row.values())))


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _only_list(text: "_Text") -> Iterator[tuple[Place, dict[str, Any]]]:
    """The records of the only list of records in the object that begins here; its other values are skipped.

    Raises:
        DataError: it has none or several, or is no valid JSON.
    """
    name, keys = "", []
    for number, key in _members(text, ""):
        keys.append(str(key))
        if not text.begins_records():
            _skip(text, number, key)
        elif name:
            raise DataError(f"{text.path} has two lists of records, {name!r} and {key!r}: keep one of them in the file")
        else:
            name = str(key)
            yield from _records(text, f" of {key!r}")
    if not keys:
        raise DataError(f"{text.path} holds no record")
    if not name:
        raise DataError(
            f"{text.path} is one JSON object, and none of its keys {', '.join(keys[:8])} has a list of records; "
            "write a list of records, or one record per line into a .jsonl file"
        )


def _records(text: "_Text", of: str) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The entries of the list that begins here, with their places."""
    for number, key in _members(text, of):
        yield _row(Place(str(text.path), number, "entry"), text.value(_name(number, key) + of))


def _row(place: Place, value: Any) -> tuple[Place, dict[str, Any]]:
    """A record with its place; the columns of a list have no names but their numbers."""
    if isinstance(value, list):
        value = {str(number): item for number, item in enumerate(value)}
    if not isinstance(value, dict):
        raise DataError(f"{place}: expected a JSON object, found {type(value).__name__}")
    return place, value


class _Text:
    """The file's text from the present place on."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self.path, self._file = path, file
        self._text, self._at = "", 0
        self._line, self._counted = 1, 0  # line feeds are counted up to there

    def line(self) -> int:
        """The line of the present place."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def peek(self) -> str:
        """The next character that is no white space; empty at the end of the file."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text) or not self._read_more(""):
                return self._text[self._at : self._at + 1]

    def begins_records(self) -> bool:
        """Whether a list of objects comes next."""
        self.peek()
        while not _RECORDS.match(self._text, self._at):
            rest = self._text[self._at : self._at + _LONGEST_GAP]
            is_open = rest[:1] == "[" and not rest[1:].strip() and len(rest) < _LONGEST_GAP
            if not is_open or not self._read_more(""):
                return False
        return True

    def take(self, expected: str, where: str) -> str:
        """Go past the next character, which must be one of ``expected``."""
        character = self.peek()
        if not character:
            raise self._cut(where)
        if character not in expected:
            raise self._invalid(where, f"expected {' or '.join(expected)}")
        self._at += 1
        return character

    def value(self, where: str) -> Any:
        """Decode the value that begins here, whole: more is read as long as it may be cut."""
        if not self.peek():
            raise self._cut(where)
        while True:
            try:
                value, end = _decode(self._text, self._at)
            except json.JSONDecodeError as error:
                # Of a string that a chunk's end cuts, the error names the beginning.
                open_string = error.msg.startswith("Unterminated string")
                near_end = open_string or error.pos >= len(self._text) - _NEAR_END
                if near_end and self._read_more(where):
                    continue
                if open_string or error.pos >= len(self._text):
                    raise self._cut(where) from None
                self._at = error.pos
                raise self._invalid(where, error.msg) from None
            except (RecursionError, ValueError) as error:  # nested too deeply, or a number of thousands of digits
                raise DataError(f"{self._place(where)}: not readable as JSON ({error})") from None
            is_cut = isinstance(value, int | float) and end + _NEAR_END > len(self._text)
            if not (is_cut and self._read_more(where)):
                self._at = end
                return value

    def expect_end(self) -> None:
        """See that nothing but white space is left."""
        if self.peek():
            raise self._invalid("after the end of the JSON value", "there is more text")

    def _read_more(self, where: str) -> bool:
        """Read as much again as is left of the text, so that a long value is tried only a few times."""
        line, left = self.line(), self._text[self._at :]
        if len(left) > _LONGEST:
            raise DataError(f"{self._place(where)}: longer than {_LONGEST} characters; split the entry")
        try:
            chunk = self._file.read(max(_CHUNK, len(left)))
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path}, after line {line}: it is not UTF-8 text: {error.reason}") from None
        if chunk:
            self._text, self._at, self._counted = left + chunk, 0, 0
        return bool(chunk)

    def _place(self, where: str) -> str:
        return f"{self.path}, line {self.line()}, {where}"

    def _cut(self, where: str) -> DataError:
        return DataError(f"{self.path} ends within {where}; is it truncated? Get the file again")

    def _invalid(self, where: str, problem: str) -> DataError:
        near = self._text[self._at : self._at + 40]
        return DataError(
            f"{self._place(where)}: not valid JSON ({problem} at {near!r}); is the file truncated or edited?"
        )


@contextmanager
def _opened(path: Path) -> Iterator[_Text]:
    """The text of a file; errors of reading it become messages."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield _Text(path, file)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def _members(text: _Text, of: str) -> Iterator[tuple[int, str | None]]:
    """Yield the number and the key of each entry of the array or object that begins here.

    The text then stands at the entry's value, which the caller must take or skip before it asks for the next one.
    """
    opening = text.take("{[", f"the array or object{of}")
    closing = _CLOSING[opening]
    if text.peek() == closing:
        text.take(closing, of)
        return
    number = 0
    while True:
        number += 1
        where, key = f"entry {number}{of}", None
        if opening == "{":
            if text.peek() not in ('"', ""):
                text.take('"', where)
            key = text.value(f"the key of {where}")
            text.take(":", where)
        yield number, key
        if text.take("," + closing, where) == closing:
            return


def _entries(text: _Text, of: str) -> Iterator[Entry]:
    for number, key in _members(text, of):
        yield Entry(number, key, text.value(_name(number, key) + of))


def _skip(text: _Text, number: int, key: str | None) -> None:
    """Go past a value; of an array or object, entry by entry."""
    if text.peek() in _CLOSING:
        for _ in _entries(text, f" of {key or number!r}"):
            pass
    else:
        text.value(_name(number, key))


def _name(number: int, key: str | None) -> str:
    return f"entry {number}" if key is None else f"entry {number} ({key[:_SHOWN]!r})"


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name[:_SHOWN]) for name in names[:8]) if names else "no key at all"
