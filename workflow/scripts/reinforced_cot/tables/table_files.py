"""Finds the files of a table: one file, a folder of chunks, a saved data set, or a folder of images."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from reinforced_cot.errors import DataError
from reinforced_cot.raw_images.image_suffixes import IMAGE_SUFFIXES
from reinforced_cot.tables.table_formats import FORMATS, suffix_problem

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")  # as the `datasets` library names them


class TableFiles(NamedTuple):
    """The files of one table.

    Attributes:
        rows: those that hold rows, all of one format; none where each image of ``folder`` is a row.
        folder: images are looked for there, unless the source names a folder of images.
        others: further files on whose content the table depends.
    """

    rows: tuple[Path, ...]
    folder: Path
    others: tuple[Path, ...] = ()


def table_files(path: Path) -> TableFiles:
    """The files of the table that is a file or a folder.

    A folder is one of these: a data set that ``datasets`` saved; one with a file ``metadata.csv`` (or .jsonl or
    .parquet) that names its images; one with chunks, all of one format and read in the order of their names; or one
    with images in folders, whose names are their classes.

    Raises:
        DataError: there is no such file or folder, or the folder is none of these.
    """
    if path.is_file():
        if problem := suffix_problem(str(path)):
            raise DataError(problem)
        return TableFiles((path,), path.parent)
    if not path.is_dir():
        raise DataError(f"{path} does not exist")
    if (path / "dataset_dict.json").is_file():
        splits = ", ".join(sorted(entry.name for entry in path.iterdir() if (entry / "state.json").is_file()))
        raise DataError(f"{path} is a saved data set of several splits: name the folder of one below it ({splits})")
    if (path / "state.json").is_file():
        return _saved(path)
    metadata = [path / name for name in _METADATA if (path / name).is_file()]
    if len(metadata) > 1:
        raise DataError(f"{path} has {' and '.join(file.name for file in metadata)}: keep one of them")
    if metadata:
        return TableFiles((metadata[0],), path)
    chunks = sorted(
        entry
        for entry in path.iterdir()
        if entry.suffix.lower() in FORMATS and not entry.name.startswith((".", "_")) and entry.is_file()
    )
    suffixes = sorted({chunk.suffix.lower() for chunk in chunks})
    if len(suffixes) > 1:
        raise DataError(
            f"{path} has files of several formats ({', '.join(suffixes)}): name one of them as `file`, or as `member` "
            "within an archive"
        )
    if not chunks and next(image_paths(path), None) is None:
        raise DataError(f"{path} holds neither a table ({', '.join(FORMATS)}) nor images in folders of their classes")
    return TableFiles(tuple(chunks), path)


def _saved(folder: Path) -> TableFiles:
    """The files of a data set that ``Dataset.save_to_disk`` wrote."""
    state = folder / "state.json"
    try:
        names = [entry["filename"] for entry in json.loads(state.read_text(encoding="utf-8"))["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{state} does not list the files of a saved data set ({error!r}); save it again") from None
    return TableFiles(tuple(folder / name for name in names), folder, (state,))


def chunk_files(file: Path) -> list[Path]:
    """The file itself, or the ``.json`` files of a folder, in the order of the numbers in their names.

    GQA's training questions are ``train_all_questions/train_all_questions_0.json`` and so on.
    """
    if not file.is_dir():
        return [file]
    return sorted(file.glob("*.json"), key=lambda path: _by_number(path.name))


def _by_number(name: str) -> list[tuple[int, str]]:
    """A key that sorts 2 before 10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def image_paths(folder: Path) -> Iterator[Path]:
    """The images below a folder, in the order of their paths."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."):
                yield Path(parent, name)
