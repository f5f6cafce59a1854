"""The records of a JSON file, one by one: a record a line, a list of records, or an object with one such list."""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reinforced_cot.errors import DataError
from reinforced_cot.files import read_jsonl

NumberedRows = Iterator[tuple[int, dict[str, Any]]]

_CHUNK = 1 << 20  # characters
_MAX_VALUE = 1 << 28  # characters; a larger record is rather a broken file
_NEAR_THE_END = 32  # characters: an error there may be a value whose rest has not been read
_LONGEST_GAP = 4096  # characters between the bracket of a list and its first record
_BLANK = re.compile(r"[ \t\n\r]*")
_RECORDS = re.compile(r"\[[ \t\n\r]*\{")


def json_rows(path: Path) -> NumberedRows:
    """Yield the line at which each record begins, and the record; the file is never in memory as a whole.

    ``.jsonl`` and ``.ndjson`` hold a record a line. The content of ``.json`` decides whether it is such a file, a list
    of records, or an object with one list of records, such as ``{"questions": [...]}``.

    Raises:
        DataError: the file is missing, is no UTF-8, is no valid JSON, or is none of these; the message names the line.
    """
    if path.suffix.lower() != ".json" or _has_a_record_a_line(path):
        yield from read_jsonl(path)
        return
    with _Reader(path) as reader:
        first = reader.next_character()
        if first == "[":
            reader.take("[")
            yield from _items(reader)
        elif first == "{":
            reader.take("{")
            yield from _only_list(reader)
        elif first:
            raise DataError(f"{path}, line {reader.line()}: expected [ or {{, found {first!r}; is it JSON?")
        else:
            raise DataError(f"{path} is empty")
        if reader.next_character():
            raise DataError(
                f"{path}, line {reader.line()}: text after the end of the list; if the file holds a record a line, "
                "name it .jsonl"
            )


def _has_a_record_a_line(path: Path) -> bool:
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


def _items(reader: "_Reader") -> NumberedRows:
    """The records of a list whose opening bracket is taken."""
    if reader.next_character() == "]":
        reader.take("]")
        return
    while True:
        reader.next_character()
        line, value = reader.line(), reader.value()
        if not isinstance(value, dict):
            raise DataError(f"{reader.path}, line {line}: expected a JSON object, found {type(value).__name__}")
        yield line, value
        if reader.take(",", "]") == "]":
            return


def _only_list(reader: "_Reader") -> NumberedRows:
    """The records of the only list of records in an object whose opening brace is taken; its other values are skipped.

    Raises:
        DataError: it has none or several, or is no valid JSON.
    """
    name, keys = "", []
    if reader.next_character() == "}":
        reader.take("}")
        raise DataError(f"{reader.path} holds no record")
    while True:
        reader.next_character()
        key = reader.value()
        keys.append(str(key))
        reader.take(":")
        if reader.begins_records():
            if name:
                raise DataError(
                    f"{reader.path} has two lists of records, {name!r} and {key!r}: keep one of them in the file"
                )
            name = str(key)
            reader.take("[")
            yield from _items(reader)
        else:
            reader.next_character()
            reader.value()
        if reader.take(",", "}") == "}":
            break
    if not name:
        raise DataError(
            f"{reader.path} is one JSON object, and none of its keys {', '.join(keys[:8])} has a list of records; "
            "write a list of records, or a record a line into a .jsonl file"
        )


class _Reader:
    """A JSON text of which a part is in memory; it is taken value by value."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "rb")  # noqa: SIM115
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._json = json.JSONDecoder()
        self._text, self._at = "", 0
        self._line, self._counted = 1, 0  # line feeds are counted up to there
        self._ended = False

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def line(self) -> int:
        """The line of the next character."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def next_character(self) -> str:
        """The next character that is no white space, which is skipped; empty at the end."""
        while True:
            found = _BLANK.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def take(self, *expected: str) -> str:
        """Take one of the expected characters."""
        found = self.next_character()
        if found not in expected or not found:
            raise self._broken(f"expected {' or '.join(expected)}, found {found or 'the end of the file'}")
        self._at += 1
        return found

    def begins_records(self) -> bool:
        """Whether a list of objects comes next."""
        self.next_character()
        while not _RECORDS.match(self._text, self._at):
            rest = self._text[self._at : self._at + _LONGEST_GAP]
            is_open = rest[:1] == "[" and not rest[1:].strip() and len(rest) < _LONGEST_GAP
            if not is_open or not self._read_on():
                return False
        return True

    def value(self) -> Any:
        """Take one JSON value."""
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                may_go_on = error.pos >= len(self._text) - _NEAR_THE_END or error.msg.startswith("Unterminated string")
                if not may_go_on or not self._read_on():
                    self._at = max(error.pos, self._at)
                    raise self._broken(error.msg) from None
            except (RecursionError, ValueError) as error:  # nested too deeply, or a number of thousands of digits
                raise self._broken(str(error)) from None
            else:
                if end == len(self._text) and self._read_on():  # a number may go on
                    continue
                self._at = end
                return value

    def _read_on(self) -> bool:
        """Read more of the file, as much as is left of the text, so that a long value is not parsed too often."""
        if self._ended:
            return False
        self.line()
        rest = self._text[self._at :]
        if len(rest) > _MAX_VALUE:
            raise self._broken(f"a value of more than {_MAX_VALUE} characters")
        try:
            content = self._file.read(max(_CHUNK, len(rest)))
            self._text = rest + self._decoder.decode(content, final=not content)
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path}, after line {self._line}: not UTF-8 text: {error.reason}") from None
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror}") from None
        self._at = self._counted = 0
        self._ended = not content
        return True

    def _broken(self, fault: str) -> DataError:
        return DataError(f"{self.path}, line {self.line()}: not valid JSON ({fault}); is the file truncated?")
