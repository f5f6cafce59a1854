"""Reads the rows of CSV and TSV files as texts: no value is taken for a number or for a missing value."""

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from reinforced_cot.errors import DataError
from reinforced_cot.files import read_lines
from reinforced_cot.raw_images.image_suffixes import IMAGE_SUFFIXES


def csv_rows(path: Path) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Yield the line at which each row begins, and the row by the names of its header, or what is wrong with it.

    Fields may be quoted, and then hold delimiters and line ends. The delimiter is a tab for ``.tsv``. For ``.csv`` it
    is a comma; or a semicolon, as some spreadsheets write, or a tab, if the first line has these and no comma.

    Raises:
        DataError: the file is missing, is no UTF-8, has no header, names a column twice, or has a quote that is not
            closed; the message names the line.
    """
    rows = _rows(path)
    header = header_of(path)
    next(rows)
    for line, fields in rows:
        if len(fields) == len(header):
            yield line, dict(zip(header, fields, strict=True))
        elif fields:  # a blank line has none
            counts = f"the row has {len(fields)} fields, and the header {len(header)}"
            yield line, f"{counts}; put a field that holds the delimiter, a quote or a line end in quotes"


def header_of(path: Path) -> list[str]:
    """The names of the columns; errors as for `csv_rows`."""
    _, header = next(_rows(path), (0, []))
    if not any(name.strip() for name in header):
        raise DataError(f"{path} has no header: its first line must name the columns")
    if images := [name for name in header if name.strip().lower().endswith(IMAGE_SUFFIXES)]:
        raise DataError(
            f"{path}, line 1: {images[0]!r} looks like an image, not like the name of a column: write the columns' "
            "names as the first line, such as image,question,answer"
        )
    if twice := [name for name, count in Counter(header).items() if count > 1]:
        raise DataError(f"{path}, line 1: the column {twice[0]!r} occurs twice; rename one")
    return header


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a chain, or an image as text, may pass the default of 128 KB
    lines = (text for _, text in read_lines(path))
    reader = csv.reader(lines, delimiter=_delimiter(path), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f"{path}, line {line}: {error}; is a quote in this row not closed?") from None
        yield line, fields


def _delimiter(path: Path) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    first = next((text for _, text in read_lines(path)), "")
    return next((mark for mark in ",;\t" if mark in first), ",")
