"""Finds which column of a table holds what: by the configuration, or else by common names."""

import difflib
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from reinforced_cot.errors import DataError
from reinforced_cot.raw_images.videos import NO_VIDEO, VIDEO_COLUMNS
from reinforced_cot.tables.column_settings import Columns

log = logging.getLogger(__name__)

Row = Mapping[str, Any]

# The names by which data sets call the parts of a record, the most certain first; case does not count.
COMMON_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "question_id", "questionId", "qid", "uid", "index"),
    "question": ("question", "problem", "query", "instruction", "prompt", "text"),
    "images": (
        "image",
        "images",
        "image_path",
        "image_file",
        "img",
        "file_name",
        "filename",
        "picture",
        "photo",
        "image_id",
        "imageId",
    ),
    "answers": ("answer", "answers", "label", "solution", "target", "output", "ground_truth"),
    "choices": ("choices", "options", "candidates"),
    "chain": ("cot", "chain", "rationale", "reasoning", "explanation", "solution_steps", "thought"),
    "chain_answer": ("chain_answer",),
    "question_type": ("type", "question_type", "category"),
    "answer_kind": ("answer_kind",),
}
ALIASES = {"image": "images", "answer": "answers"}
_NEEDED = ("question", "images", "answers")
SAMPLED = 100  # rows whose columns are searched for common names: a row of a JSON file may lack some
_SHOWN = 40


class ColumnMap:
    """Takes the values of a record out of a row.

    Attributes:
        videos: the columns that would hold videos.
    """

    def __init__(self, paths: Mapping[str, str], extra: Sequence[str], top: Iterable[str]) -> None:
        """Take the column of each of the record's names, and all columns of the table."""
        names = set(top)
        self._readers = [(name, _reader(path, names)) for name, path in paths.items()]
        self._extra = [(path, _reader(path, names)) for path in extra]
        used = {*paths.values(), *extra}
        self.videos = [name for name in names if name.lower() in VIDEO_COLUMNS and name not in used]

    def values(self, row: Row) -> dict[str, Any]:
        """The values of a row by the record's names."""
        values = {name: read(row) for name, read in self._readers}
        if self._extra:
            found = ((path, read(row)) for path, read in self._extra)
            values["extra"] = {path: value for path, value in found if value is not None and value == value}
        return values


def chosen_columns(wanted: Columns, rows: Callable[[], Iterable[Row]], table: str, is_asked: bool) -> ColumnMap:
    """Find the column of each of the record's names, and say in the log what was taken for what.

    A common name counts if one of the first rows has it.

    Args:
        rows: reads the table from its beginning.
        table: its name, for messages.
        is_asked: the configuration gives the question, so that the table needs none.

    Raises:
        DataError: a named column does not exist, or none was found for question, image or answer.
    """
    extra = wanted.extra or ()
    named = _named(wanted)
    tops = {name: None for row in islice(rows(), SAMPLED) for name in row}
    paths = {name: column for name, column in named.items() if column}
    _check(paths, extra, rows, tops, table)
    for name, candidates in _common(named, [*paths.values(), *extra], tops, is_asked):
        paths[name] = candidates[0]
        if others := candidates[1:]:
            log.info("%s: column %s is taken for %s, not %s", table, candidates[0], name, " or ".join(others))
    if not tops:
        raise DataError(f"{table} has no row")
    if missing := _missing(paths, is_asked):
        raise DataError(_not_found(missing, list(tops), table))
    taken = [*paths.values(), *extra]
    left = [top for top in tops if not any(path == top or path.startswith(f"{top}.") for path in taken)]
    log.info(
        "%s: %s%s; not read: %s",
        table,
        ", ".join(f"{name} is column {path}" for name, path in paths.items()),
        f", extra has {', '.join(extra)}" if extra else "",
        ", ".join(left[:_SHOWN]) or "none",
    )
    return ColumnMap(paths, extra, tops)


def unfound(wanted: Columns, tops: Sequence[str], table: str, is_asked: bool) -> str | None:
    """Why no column holds the question, the image or the answer; None if each is named or found by its name.

    Args:
        tops: the names of the columns.
        table, is_asked: as for `chosen_columns`.
    """
    named = _named(wanted)
    taken = [*(column for column in named.values() if column), *(wanted.extra or ())]
    found = {name for name, column in named.items() if column} | {
        name for name, _ in _common(named, taken, tops, is_asked)
    }
    missing = _missing(found, is_asked)
    return _not_found(missing, tops, table) if missing else None


def _named(wanted: Columns) -> dict[str, str]:
    """The columns that the configuration names, by the record's names; an empty one says that there is none."""
    given = {name: getattr(wanted, name) for name in Columns.model_fields if name != "extra"}
    return {ALIASES.get(name, name): column for name, column in given.items() if column is not None}


def _common(
    named: Mapping[str, str], taken: Sequence[str], tops: Iterable[str], is_asked: bool
) -> Iterator[tuple[str, list[str]]]:
    """The columns with a common name of each part of a record that the configuration does not name."""
    taken = list(taken)
    for name in COMMON_NAMES:
        if name in named or (name == "question" and is_asked):
            continue
        if candidates := commonly_named(name, [top for top in tops if top not in taken]):
            taken.append(candidates[0])
            yield name, candidates


def commonly_named(part: str, tops: Iterable[str]) -> list[str]:
    """The columns whose names are common for a part of a record, the likeliest first.

    >>> commonly_named("answers", ["Answer", " label", "answer", "x"])
    ['answer', 'Answer', ' label']
    """
    tops = list(tops)
    alike = (
        sorted((top for top in tops if top.strip().casefold() == common.casefold()), key=lambda top: top != common)
        for common in COMMON_NAMES[part]
    )
    return list(dict.fromkeys(top for found in alike for top in found))


def _missing(found: Collection[str], is_asked: bool) -> list[str]:
    return [name for name in _NEEDED if name not in found and not (name == "question" and is_asked)]


def nearest(name: str, names: Iterable[str]) -> str:
    """Words that name the nearest of the existing columns, or else all of them."""
    names = list(names)
    near = difflib.get_close_matches(name, names, n=1) or [one for one in names if one.lower() == name.lower()]
    listed = f"the columns are {', '.join(names[:_SHOWN])}" if names else "it has no column"
    return f"did you mean {near[0]}? {listed[0].upper()}{listed[1:]}" if near else listed


def _check(
    paths: Mapping[str, str],
    extra: Sequence[str],
    rows: Callable[[], Iterable[Row]],
    tops: dict[str, None],
    table: str,
) -> None:
    """See that some row has each column; a JSON file is read on until all are found, and its names are added."""
    unseen = [*paths.values(), *extra]
    for row in rows() if unseen else ():
        tops |= dict.fromkeys(row)
        unseen = [path for path in unseen if not _has(row, path)]
        if not unseen:
            return
    for path in unseen:
        key = next((f"columns.{name}" for name, column in paths.items() if column == path), "columns.extra")
        inner = _inner_names(next(iter(rows()), {}), path)
        raise DataError(f"{table}: `{key}` is {path}, and no row has it; {nearest(path, [*inner, *tops])}")


def _inner_names(row: Row, path: str) -> list[str]:
    """The paths beside ``path``: those of the deepest value on its way that the row has."""
    value: Any = row
    way = ""
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            break
        way = f"{way}{part}."
    return [f"{way}{name}" for name in value] if way and isinstance(value, Mapping) else []


def _reader(path: str, tops: set[str]) -> Callable[[Row], Any]:
    if path in tops:
        return lambda row: row.get(path)
    parts = path.split(".")

    def read(row: Row) -> Any:
        return _value(row, parts)

    return read


def _value(value: Any, parts: Sequence[str]) -> Any:
    for part in parts:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _has(row: Row, path: str) -> bool:
    if path in row:
        return True
    *parents, last = path.split(".")
    parent = _value(row, parents) if parents else None
    if isinstance(parent, Mapping):
        return last in parent
    return isinstance(parent, list) and last.isdecimal() and int(last) < len(parent)


def _not_found(missing: Sequence[str], tops: Sequence[str], table: str) -> str:
    if any(top.lower() in VIDEO_COLUMNS for top in tops) and "images" in missing:
        return f"{table} has a column of videos and none of images; {NO_VIDEO}"
    names = [{"images": "image", "answers": "answer"}.get(name, name) for name in missing]
    mapping = ", ".join(f"{name}: ..." for name in names)
    constant = "; data without questions needs `question` (QUESTION=...)" if "question" in missing else ""
    for_make = ",".join(f"{name}=..." for name in names)
    return (
        f"{table}: no column is known to hold {' or '.join(names)}; the columns are {', '.join(tops[:_SHOWN])}: write "
        f"`columns: {{{mapping}}}` with their names (make preset: COLUMNS={for_make}){constant}"
    )
