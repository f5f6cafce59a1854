"""How the report writes numbers and texts: in its tables, in CSV files and in sentences."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from reinforced_cot.inert_text import visible

_NUMBER = re.compile(r"-|[+-]\d+(\.\d+)?(e[+-]?\d+)?( \*)?")  # as tables write it, or a dash
_BREAK = "\u2028"  # in place of a line break until pandas has written the table


def interval(bounds: Sequence[float] | None, signs: bool = False) -> str:
    """``[0.512, 0.591]``."""
    if bounds is None:
        return "-"
    return f"[{', '.join(signed(bound) if signs else f'{bound:.3f}' for bound in bounds)}]"


def signed(value: float) -> str:
    """``+0.120``."""
    return f"{value:+.3f}"


def p_value(value: float | None) -> str:
    """p to three places, or as a power of ten if it is smaller; a dash where there is none."""
    if value is None:
        return "-"
    if value < 1e-11:  # a t test's p is not known more closely
        return "< 1e-11"
    return f"{value:.3f}" if value >= 1e-3 else f"{value:.0e}"


def mean_and_deviation(summary: Mapping[str, Any]) -> str:
    """``0.812 ± 0.020``."""
    return f"{summary['mean']:.3f}" + ("" if summary["deviation"] is None else f" ± {summary['deviation']:.3f}")


def as_csv(table: pd.DataFrame) -> str:
    """The table as CSV text with its numbers in full, and its index where that has names; the columns of two header
    lines are joined.
    """
    plain = table.map(_csv_cell).rename(index=_csv_cell, columns=_csv_cell)
    if plain.columns.nlevels > 1:
        plain.columns = pd.Index([" ".join(map(str, parts)) for parts in plain.columns])
    has_names = not isinstance(table.index, pd.RangeIndex)
    return plain.to_csv(index=has_names, lineterminator="\n")


def _csv_cell(value: Any) -> Any:
    """A spreadsheet would run a text that begins like a formula: a quotation mark before it keeps it a text."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.lstrip().startswith(("=", "@", "+", "-")) and not _NUMBER.fullmatch(text) else text


def as_html(table: pd.DataFrame) -> Markup:
    """A table with shares to three places, smaller numbers in powers of ten; pandas escapes names and values.

    Pandas would write a line break as two characters, which no style sheet can turn into one.
    """
    inert = table.map(cell_text).rename(index=_name_text, columns=_name_text)
    return Markup(inert.to_html(border=0).replace(_BREAK, "\n"))


def _name_text(value: Any) -> Any:
    return visible(value) if isinstance(value, str) else value


def cell_text(value: Any) -> str:
    """The text of one cell.

    >>> [cell_text(value) for value in (0.12345, 0.00012, 40, 1.0, None, "sft")]
    ['0.123', '1.2e-04', '40', '1.000', '-', 'sft']
    """
    if isinstance(value, str):
        return visible(value).replace("\n", _BREAK)
    if value is None or value != value:  # NaN: no row was counted
        return "-"
    if isinstance(value, int) or (value == int(value) and abs(value) > 1):  # counts beside a gap become floats
        return f"{int(value)}"
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.3f}"
