"""A table of any kind as rows that can be read again and again: files of every format, folders of images, the hub."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from reinforced_cot.data.records import Place
from reinforced_cot.errors import ConfigError
from reinforced_cot.sources.arrow_rows import arrow_rows
from reinforced_cot.sources.csv_rows import csv_rows
from reinforced_cot.sources.hub import hub_table
from reinforced_cot.sources.image_folder import check_image_folder
from reinforced_cot.sources.json_entries import json_rows
from reinforced_cot.sources.settings import SPLITS_OF_HUB, Source
from reinforced_cot.sources.table_files import TableFiles, image_paths, table_files
from reinforced_cot.sources.table_formats import JSON_FORMATS, TEXT_FORMATS
from reinforced_cot.sources.table_images import TableImages

_ENOUGH = 1000  # rows of a table whose rows are alike


class Row(NamedTuple):
    """A row with its place: its values, or what is wrong with it."""

    place: Place
    values: dict[str, Any] | str


class Table(NamedTuple):
    """An opened table.

    Attributes:
        name: for messages.
        rows: reads it from its beginning.
        images: finds its images.
        is_text_format: every value is a text.
        is_uniform: every row has the same columns.
    """

    name: str
    rows: Callable[[], Iterator[Row]]
    images: TableImages
    is_text_format: bool = False
    is_uniform: bool = True

    def rows_for_columns(self) -> Iterator[dict[str, Any]]:
        """The values of sound rows: as many as it takes to know all columns."""
        rows = (row.values for row in self.rows() if isinstance(row.values, dict))
        return islice(rows, _ENOUGH) if self.is_uniform else rows


def opened(source: Source, split: str) -> Table:
    """The table of a source; a data set of the hub is downloaded.

    Raises:
        ConfigError: the source names neither a file nor a data set of the hub, or images where it has them itself.
        DataError: a file or a folder does not exist or is no table, or the hub's data set cannot be had.
    """
    folders = _image_folders(Path(source.images)) if source.images else []
    if source.hub is not None and source.revision is not None:
        hub_split = source.hub_split or SPLITS_OF_HUB.get(split, split)
        return _of_hub(source.hub, source.revision, source.hub_config, hub_split, folders)
    if source.file is None:
        raise ConfigError(f"the table of {split} needs `file`, or `hub` with `revision`")
    files = table_files(Path(source.file))
    images = TableImages(folders or _image_folders(files.folder), [files.folder])
    if files.rows:
        suffix = files.rows[0].suffix.lower()
        return Table(source.file, lambda: _rows(files), images, suffix in TEXT_FORMATS, suffix not in JSON_FORMATS)
    if source.images:
        raise ConfigError(f"{source.file} is a folder of images itself: remove `images`")
    return Table(source.file, lambda: _classified(files.folder), images)


def _image_folders(folder: Path) -> list[Path]:
    """A folder of images, and the folder in it if that is all it has, as in many archives."""
    check_image_folder(folder)
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    return [folder, *entries] if len(entries) == 1 and entries[0].is_dir() else [folder]


def _of_hub(hub: str, revision: str, config: str | None, split: str, folders: list[Path]) -> Table:
    data = hub_table(hub, revision, config, split)
    name = f"{hub} {split}"

    def rows() -> Iterator[Row]:
        return (Row(Place(name, number, "row"), values) for number, values in data.rows())

    return Table(name, rows, TableImages(folders, data.stores))


def _rows(files: TableFiles) -> Iterator[Row]:
    for path in files.rows:
        name, suffix = str(path), path.suffix.lower()
        if suffix in TEXT_FORMATS:
            yield from (Row(Place(name, line), values) for line, values in csv_rows(path))
        elif suffix in JSON_FORMATS:
            yield from (Row(Place(name, line), values) for line, values in json_rows(path))
        else:
            yield from (Row(Place(name, number, "row"), values) for number, values in arrow_rows(path))


def _classified(folder: Path) -> Iterator[Row]:
    """The images of a folder of folders; the name of an image's folder is its class."""
    for path in image_paths(folder):
        label = path.parent.name if path.parent != folder else None
        yield Row(Place(str(path)), {"image": path.relative_to(folder).as_posix(), "label": label})
