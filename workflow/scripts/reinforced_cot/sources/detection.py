"""What a file of somebody's own is: which source reads it, and which of its columns hold question, answer and image."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from reinforced_cot.data.images import ImageRejected
from reinforced_cot.errors import ConfigError, DataError
from reinforced_cot.files import read_lines
from reinforced_cot.raw_images.image_files import find_named_image
from reinforced_cot.sources.registry import with_folders
from reinforced_cot.sources.settings import Source
from reinforced_cot.sources.table import opened
from reinforced_cot.tables.archives import unpacked
from reinforced_cot.tables.column_settings import Columns
from reinforced_cot.tables.columns import ALIASES, COMMON_NAMES, commonly_named
from reinforced_cot.tables.json_entries import has_one_record_per_line, read_entries
from reinforced_cot.tables.table_formats import FORMATS, JSON_FORMATS, is_archive

_ONE_FILE = ("conversations", "gqa_cot", "vqa", "choices")  # sources that read one file
_ROWS = 200  # whose values are looked at
_MOST = 0.9  # share of the values that must be of a kind
_SENTENCE = 5  # words
_CONSTANT = 0.01  # the score of a column that has one value in all rows
_HEAD = 4096  # characters


def source_of(
    file: Path,
    into: Path,
    images: Path | None = None,
    annotations: Path | None = None,
    convert: str | None = None,
    columns: Mapping[str, str] | None = None,
    question: str | None = None,
) -> Source:
    """The source that reads a file or folder, with the columns that its names do not tell.

    Args:
        columns: what the user says of a table's columns; the others are found.
        question: that of every record of a table.
        images: their folder, if it is not that of the file.
        annotations: VQAv2's file of answers.
        convert: ``module:function``, a user's own, from a row of a table to a record.
        into: where archives are unpacked.

    Raises:
        DataError: it does not exist, or no source knows its form; the message says what is missing.
    """
    if not file.exists():
        entries = file.parent.iterdir() if file.parent.is_dir() else ()
        near = sorted(path.name for path in entries if not path.name.startswith("."))
        listed = f"; {file.parent} holds {', '.join(near[:10])}" if near else f", and neither does {file.parent}"
        raise DataError(f"{file} does not exist{listed}")
    keys = {"file": str(file), "images": str(images) if images else None}
    if convert and (columns or question):
        raise ConfigError("CONVERT makes the whole record: leave COLUMNS and QUESTION out, or CONVERT")
    if convert:
        return Source.model_validate({"source": "table", "convert": convert, **keys})
    table = Source.model_validate({"source": "table", "columns": columns, "question": question, **keys})
    folders = with_folders(table, into)
    folder = Path(folders.file or "")
    read = _data_files(folder)
    _refuse_splits(file, read)
    name = "table" if columns or question or not read else _known_form(read[0])
    if name in _ONE_FILE and folder.is_dir():
        if len(read) > 1:
            raise DataError(f"{file} holds {len(read)} files of source {name}: give one of them as DATA")
        member = str(read[0].relative_to(unpacked(file, into))) if is_archive(str(file)) else None
        keys |= {"member": member} if member else {"file": str(read[0])}
    if name == "vqa":
        if annotations is None:
            raise DataError(f"{file} holds VQAv2's questions alone: give the file of the answers as ANNOTATIONS=...")
        return Source.model_validate({"source": name, "annotations": str(annotations), **keys})
    if name != "table":
        return Source.model_validate({"source": name, **keys})
    found = {**(_unnamed_columns(folders) or {}), **(columns or {})}
    return table.model_copy(update={"columns": Columns.model_validate(found) if found else None})


def _data_files(path: Path) -> list[Path]:
    """The files with a table's suffix that a path stands for; none of a saved data set, which also describes itself."""
    if path.is_file():
        return [path]
    if (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():
        return []
    names = (
        entry for entry in path.iterdir() if entry.suffix.lower() in FORMATS and not entry.name.startswith((".", "_"))
    )
    return sorted(names)


def _refuse_splits(given: Path, files: Sequence[Path]) -> None:
    """See that a folder is not read as one table though its files are named after splits.

    Raises:
        DataError: they are.
    """
    split = {name: file.name for file in files for name in ("train", "val", "test") if name in file.stem.lower()}
    if "train" in split and len(split) > 1:
        others = " and ".join(file for name, file in split.items() if name != "train")
        raise DataError(
            f"{given} holds {split['train']} and {others}, which would be read as one table: give {split['train']} as "
            "DATA, and the test file as TEST"
        )


def _known_form(file: Path) -> str:
    """The name of the source, by the keys of the first entries."""
    if file.suffix.lower() not in JSON_FORMATS:
        return "table"
    if _holds_vqa(file):
        return "vqa"
    entries = list(islice(_entries(file), 5))
    values = [value for _, value in entries if isinstance(value, Mapping)]
    if not values:
        return "table"
    keys, has_names = set().union(*values), entries[0][0] is not None
    if {"imageId", "instruction"} <= keys:
        return "gqa_cot"
    if {"conversations", "messages"} & keys:
        return "conversations"
    if has_names and {"question", "imageId"} <= keys:
        return "gqa"
    if "correct_choice_idx" in keys or (has_names and {"question", "choices", "solution"} <= keys):
        return "choices"
    return "table"


def _holds_vqa(file: Path) -> bool:
    """Whether a file begins as VQAv2's questions do: their list stands behind a few facts about the file."""
    with open(file, encoding="utf-8-sig", errors="replace") as text:
        head = text.read(_HEAD)
    return head.lstrip().startswith("{") and all(f'"{key}"' in head for key in ("questions", "question_id", "image_id"))


def _entries(file: Path) -> Iterator[tuple[str | None, Any]]:
    """The first entries of a JSON file or of JSON lines, with their keys."""
    if file.suffix.lower() == ".json" and not has_one_record_per_line(file):
        yield from ((entry.key, entry.value) for entry in read_entries(file))
        return
    for _, line in read_lines(file):
        if line.strip():
            try:
                yield None, json.loads(line)
            except (ValueError, RecursionError):
                return


def _unnamed_columns(source: Source) -> dict[str, str] | None:
    """The columns of a table that no common name tells, chosen by their values.

    Images are the column whose values name files that exist, questions the one whose texts end with a question mark or
    are longest, answers the one with the shortest texts that occur most often.
    """
    rows, names = _first_rows(source)
    known = {part: _known_column(source, part, names) for part in ("question", "answers", "images")}
    if None not in known.values() or not rows:
        return None
    left = [name for name in names if name not in known.values()]
    values = {name: [row.get(name) for row in rows] for name in left}
    file = Path(source.file or "")
    folder = Path(source.images) if source.images else file if file.is_dir() else file.parent
    found: dict[str, str] = {}
    if known["images"] is None:
        _take(found, "images", {name: _image_share(values[name], folder) for name in left}, at_least=_MOST)
    if known["question"] is None:
        _take(found, "question", {name: _question_share(values[name]) for name in left if name not in found.values()})
    if known["answers"] is None:
        _take(found, "answers", {name: _answer_score(values[name]) for name in left if name not in found.values()})
    return found or None


def _first_rows(source: Source) -> tuple[list[dict[str, Any]], list[str]]:
    """The first rows of a table, and the names of their columns."""
    rows = list(islice(opened(source, "train").rows_for_columns(), _ROWS))
    return rows, list(dict.fromkeys(name for row in rows for name in row))


def _known_column(source: Source, part: str, names: Sequence[str]) -> str | None:
    """What needs no guess: the column that the source names, or the first common name; a given question has none."""
    if part == "question" and source.question is not None:
        return ""
    columns = source.columns or Columns()
    aliases = [alias for alias, name in ALIASES.items() if name == part]
    given = next((column for name in (part, *aliases) if (column := getattr(columns, name)) is not None), None)
    return next(iter(commonly_named(part, names)), None) if given is None else given


def unread_texts(source: Source) -> list[str]:
    """The columns of a table that no part of a record takes and that hold sentences: chains of thought, perhaps."""
    rows, names = _first_rows(source)
    taken = {_known_column(source, part, names) for part in COMMON_NAMES}
    return [name for name in names if name not in taken and _words([row.get(name) for row in rows]) >= _SENTENCE]


def _words(values: Sequence[Any]) -> float:
    texts = [value for value in values if isinstance(value, str)]
    return fmean(len(text.split()) for text in texts) if texts else 0.0


def _take(found: dict[str, str], part: str, scores: Mapping[str, float], at_least: float = 0.0) -> None:
    best = max(scores, key=lambda name: scores[name], default=None)
    if best is not None and scores[best] > 0 and scores[best] >= at_least:
        found[part] = best


def _image_share(values: Sequence[Any], folder: Path) -> float:
    return fmean(_is_image(value, folder) for value in values)


def _is_image(value: Any, folder: Path) -> bool:
    if isinstance(value, list):
        return bool(value) and all(_is_image(item, folder) for item in value)
    if isinstance(value, bytes) or (isinstance(value, Mapping) and value.keys() & {"bytes", "path"}):
        return True
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    try:
        return bool(find_named_image(folder, str(value)))
    except ImageRejected:
        return False


def _question_share(values: Sequence[Any]) -> float:
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < _MOST * len(values):
        return 0.0
    words = fmean(len(text.split()) for text in texts)
    return fmean(text.strip().endswith("?") for text in texts) + min(words, 50) / 1000 if words >= 2 else 0.0


def _answer_score(values: Sequence[Any]) -> float:
    """How much values look like answers: short, and often the same, but not always."""
    first = [value[0] if isinstance(value, list) and value else value for value in values]
    texts = [str(value) for value in first if isinstance(value, str | int | float)]
    if len(texts) < _MOST * len(values):
        return 0.0
    if len(set(texts)) == 1:  # such as the name of a split
        return _CONSTANT
    return 1 / (1 + fmean(len(text.split()) for text in texts)) + 1 - len(set(texts)) / len(texts)
