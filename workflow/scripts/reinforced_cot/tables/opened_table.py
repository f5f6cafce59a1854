"""Opens a table of any kind: its rows can be read again and again, from files, folders of images, or the hub."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from reinforced_cot.data.records import Place
from reinforced_cot.errors import ConfigError
from reinforced_cot.raw_images.image_folder import check_image_folder
from reinforced_cot.tables.arrow_rows import arrow_rows
from reinforced_cot.tables.csv_rows import csv_rows
from reinforced_cot.tables.hub import hub_table
from reinforced_cot.tables.json_entries import json_rows
from reinforced_cot.tables.table_files import TableFiles, image_paths, table_files
from reinforced_cot.tables.table_formats import JSON_FORMATS, TEXT_FORMATS
from reinforced_cot.tables.table_images import TableImages

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
        """The values of sound rows, as many as are needed to know all columns."""
        rows = (row.values for row in self.rows() if isinstance(row.values, dict))
        return islice(rows, _ENOUGH) if self.is_uniform else rows


def opened_file(name: str, images: str | None) -> Table:
    """The table that is a file or a folder.

    Args:
        name: of the file or folder.
        images: the folder of images; None for that of the table.

    Raises:
        ConfigError: it is a folder of images, and ``images`` names another one.
        DataError: a file or a folder does not exist or is no table.
    """
    files = table_files(Path(name))
    found = TableImages(_image_folders(Path(images) if images else files.folder), [files.folder])
    if files.rows:
        suffix = files.rows[0].suffix.lower()
        return Table(name, lambda: _rows(files), found, suffix in TEXT_FORMATS, suffix not in JSON_FORMATS)
    if images:
        raise ConfigError(f"{name} is a folder of images itself: remove `images`")
    return Table(name, lambda: _classified(files.folder), found)


def opened_hub(hub: str, revision: str, config: str | None, split: str, images: str | None) -> Table:
    """The table of a data set on the hub, which is downloaded.

    Args:
        images: a folder of images that rows name; None if the data set has them itself.

    Raises:
        DataError: it cannot be downloaded, or the folder does not exist.
    """
    folders = _image_folders(Path(images)) if images else []
    data = hub_table(hub, revision, config, split)
    name = f"{hub} {split}"

    def rows() -> Iterator[Row]:
        return (Row(Place(name, number, "row"), values) for number, values in data.rows())

    return Table(name, rows, TableImages(folders, data.stores))


def _image_folders(folder: Path) -> list[Path]:
    """A folder of images, and the folder in it if that is all it has, as in many archives."""
    check_image_folder(folder)
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    return [folder, *entries] if len(entries) == 1 and entries[0].is_dir() else [folder]


def _rows(files: TableFiles) -> Iterator[Row]:
    for path in files.rows:
        name, suffix = str(path), path.suffix.lower()
        if suffix in TEXT_FORMATS:
            yield from (Row(Place(name, line), values) for line, values in csv_rows(path))
        elif suffix in JSON_FORMATS:
            yield from (Row(place, values) for place, values in json_rows(path))
        else:
            yield from (Row(Place(name, number, "row"), values) for number, values in arrow_rows(path))


def _classified(folder: Path) -> Iterator[Row]:
    """The images of a folder of folders; the name of an image's folder is its class."""
    for path in image_paths(folder):
        label = path.parent.name if path.parent != folder else None
        yield Row(Place(str(path)), {"image": path.relative_to(folder).as_posix(), "label": label})
