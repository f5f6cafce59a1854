"""Reads the rows of CSV and TSV files as texts: no value is taken for a number or for a missing value."""

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from reinforced_cot.errors import DataError
from reinforced_cot.files import read_lines
from reinforced_cot.raw_images.image_suffixes import IMAGE_SUFFIXES

_NAMED_DELIMITER = re.compile(r"sep=(.)")  # as Excel writes it into the first line
_UNCLOSED = "is a quote in this row not closed?"


def csv_rows(path: Path) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Yield the line at which each row begins, and the row by the names of its header, or what is wrong with it.

    Fields may be quoted, and then hold delimiters and line ends. The delimiter is a tab for ``.tsv``. For ``.csv`` it
    is the one that Excel's ``sep=`` names, else the one of comma, semicolon and tab that splits the header into most
    names. A column without a name is left out.

    Raises:
        DataError: the file is missing, is no UTF-8, has no header, names a column twice, or has a quote that is not
            closed; the message names the line.
    """
    rows = _rows(path)
    header = _header(path)
    next(rows)
    for line, fields in rows:
        if len(fields) == len(header):
            yield line, {name: field for name, field in zip(header, fields, strict=True) if name}
        elif fields:  # a blank line has none
            counts = f"the row has {len(fields)} fields, and the header {len(header)}"
            yield line, f"{counts}; put a field that holds the delimiter, a quote or a line end in quotes"


def header_of(path: Path) -> list[str]:
    """The names of the columns that have one; errors as for `csv_rows`."""
    return [name for name in _header(path) if name]


def _header(path: Path) -> list[str]:
    _, header = next(_rows(path), (0, []))
    if not any(name.strip() for name in header):
        raise DataError(f"{path} has no header: its first line must name the columns")
    if images := [name for name in header if name.strip().lower().endswith(IMAGE_SUFFIXES)]:
        raise DataError(
            f"{path}, line 1: {images[0]!r} looks like an image, not like the name of a column: write the columns' "
            "names as the first line, such as image,question,answer"
        )
    if twice := [name for name, count in Counter(header).items() if count > 1 and name]:
        raise DataError(f"{path}, line 1: the column {twice[0]!r} occurs twice; rename one")
    return header


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a chain, or an image as text, may pass the default of 128 KB
    lines = (text for _, text in read_lines(path))
    first = next(lines, "")
    named = _NAMED_DELIMITER.fullmatch(first.strip())
    delimiter = named[1] if named else _delimiter(path, first)
    reader = csv.reader(lines if named else chain([first] if first else [], lines), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1 + bool(named)
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            hint = "its lines end in CR alone: save it with LF" if "new-line" in str(error) else _UNCLOSED
            raise DataError(f"{path}, line {line}: {error}; {hint}") from None
        yield line, fields


def _delimiter(path: Path, header: str) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    return max(",;\t", key=lambda mark: _fit(header, mark))  # of equal ones, the first


def _fit(header: str, delimiter: str) -> tuple[int, int]:
    """How well a delimiter splits a header: into many names, and at no place within quotes."""
    try:
        names = next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error:
        return 0, 0
    return len(names), -sum('"' in name for name in names)
