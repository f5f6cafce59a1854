"""What a file of somebody's own is: which source reads it, and which of its columns hold question, answer and image."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from reinforced_cot.data.images import ImageRejected
from reinforced_cot.errors import DataError
from reinforced_cot.files import read_lines
from reinforced_cot.raw_images.image_files import find_named_image
from reinforced_cot.sources.registry import with_folders
from reinforced_cot.sources.settings import Source
from reinforced_cot.sources.table import opened
from reinforced_cot.tables.columns import COMMON_NAMES
from reinforced_cot.tables.json_entries import has_one_record_per_line, read_entries
from reinforced_cot.tables.table_files import chunk_files
from reinforced_cot.tables.table_formats import JSON_FORMATS

_ROWS = 200  # whose values are looked at
_MOST = 0.9  # share of the values that must be of a kind
_HEAD = 4096  # characters


def source_of(
    file: Path, into: Path, images: Path | None = None, annotations: Path | None = None, convert: str | None = None
) -> Source:
    """The source that reads a file or folder, with the columns that its names do not tell.

    Args:
        images: their folder, if it is not that of the file.
        annotations: VQAv2's file of answers.
        convert: ``module:function``, a user's own, from a row of a table to a record.
        into: where archives are unpacked.

    Raises:
        DataError: it does not exist, or no source knows its form; the message says what is missing.
    """
    if not file.exists():
        near = sorted(path.name for path in file.parent.iterdir()) if file.parent.is_dir() else []
        listed = f"; {file.parent} holds {', '.join(near[:10])}" if near else f", and neither does {file.parent}"
        raise DataError(f"{file} does not exist{listed}")
    keys = {"file": str(file), "images": str(images) if images else None}
    if convert:
        return Source.model_validate({"source": "table", "convert": convert, **keys})
    folders = with_folders(Source.model_validate({"source": "table", **keys}), into)
    name = _known_form(Path(folders.file or ""))
    if name == "vqa":
        if annotations is None:
            raise DataError(f"{file} holds VQAv2's questions alone: give the file of the answers as ANNOTATIONS=...")
        return Source.model_validate({"source": name, "annotations": str(annotations), **keys})
    if name != "table":
        return Source.model_validate({"source": name, **keys})
    return Source.model_validate({"source": name, "columns": _unnamed_columns(folders), **keys})


def _known_form(file: Path) -> str:
    """The name of the source, by the keys of the first entries."""
    chunks = chunk_files(file)
    if not chunks or chunks[0].suffix.lower() not in JSON_FORMATS:
        return "table"
    if _holds_vqa(chunks[0]):
        return "vqa"
    entries = list(islice(_entries(chunks[0]), 5))
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
            except ValueError:
                return


def _unnamed_columns(source: Source) -> dict[str, str] | None:
    """The columns of a table that no common name tells, chosen by their values.

    Images are the column whose values name files that exist, questions the one whose texts end with a question mark or
    are longest, answers the one with the shortest texts that occur most often.
    """
    table = opened(source, "train")
    rows = list(islice(table.rows_for_columns(), _ROWS))
    names = list(dict.fromkeys(name for row in rows for name in row))
    known = {
        part: next(
            (name for common in COMMON_NAMES[part] for name in names if name.casefold() == common.casefold()), None
        )
        for part in ("question", "answers", "images")
    }
    if all(known.values()) or not rows:
        return None
    left = [name for name in names if name not in known.values()]
    values = {name: [row.get(name) for row in rows] for name in left}
    file = Path(source.file or "")
    folder = Path(source.images) if source.images else file if file.is_dir() else file.parent
    found: dict[str, str] = {}
    if not known["images"]:
        _take(found, "images", {name: _image_share(values[name], folder) for name in left}, at_least=_MOST)
    if not known["question"]:
        _take(found, "question", {name: _question_share(values[name]) for name in left if name not in found.values()})
    if not known["answers"]:
        _take(found, "answers", {name: _answer_score(values[name]) for name in left if name not in found.values()})
    return found or None


def _take(found: dict[str, str], part: str, scores: Mapping[str, float], at_least: float = 0.0) -> None:
    best = max(scores, key=lambda name: scores[name], default=None)
    if best is not None and scores[best] > 0 and scores[best] >= at_least:
        found[part] = best


def _image_share(values: Sequence[Any], folder: Path) -> float:
    return fmean(_is_image(value, folder) for value in values)


def _is_image(value: Any, folder: Path) -> bool:
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
    texts = [str(value) for value in values if isinstance(value, str | int | float)]
    if len(texts) < _MOST * len(values):
        return 0.0
    return 1 / (1 + fmean(len(text.split()) for text in texts)) + 1 - len(set(texts)) / len(texts)
