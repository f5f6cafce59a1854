"""The columns of a table's file, without a look at its rows, or at few of them."""

from itertools import islice
from pathlib import Path

from reinforced_cot.tables.arrow_rows import arrow_columns
from reinforced_cot.tables.columns import SAMPLED
from reinforced_cot.tables.csv_rows import header_of
from reinforced_cot.tables.json_entries import json_rows
from reinforced_cot.tables.table_formats import JSON_FORMATS, TEXT_FORMATS


def columns_of(path: Path) -> list[str]:
    """The names of the columns; of JSON, those of the first `SAMPLED` rows.

    Raises:
        DataError: the file cannot be read, or has no header.
    """
    suffix = path.suffix.lower()
    if suffix in TEXT_FORMATS:
        return header_of(path)
    if suffix in JSON_FORMATS:
        return list(dict.fromkeys(name for _, row in islice(json_rows(path), SAMPLED) for name in row))
    return arrow_columns(path)
