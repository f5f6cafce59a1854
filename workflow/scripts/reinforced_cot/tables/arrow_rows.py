"""Reads the rows of Parquet and Arrow files, batch by batch."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reinforced_cot.errors import DataError

if TYPE_CHECKING:
    import pyarrow

_BATCH = 256  # rows: with images, some 100 MB
_FILE_FORMAT, _FEATHER_1 = b"ARROW1", b"FEA1"


def arrow_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each row, counted from 1, and the row.

    Raises:
        DataError: the file is missing, damaged or of another format.
    """
    batches = _parquet(path) if path.suffix.lower() == ".parquet" else _arrow(path)
    with _readable(path):
        yield from rows_of(batches)


def arrow_columns(path: Path) -> list[str]:
    """The names of the columns of a Parquet or Arrow file; errors as for `arrow_rows`."""
    with _readable(path):
        if path.suffix.lower() == ".parquet":
            from pyarrow.parquet import read_schema

            return list(read_schema(path).names)
        return next((batch.schema.names for batch in _arrow(path)), [])


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    import pyarrow  # only these formats need it

    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except (pyarrow.ArrowException, OSError, ValueError) as error:  # also where a text is not UTF-8
        raise DataError(f"{path} cannot be read as {path.suffix[1:]}: {first_line(error)}; is it damaged?") from None


def first_line(error: BaseException) -> str:
    """What an exception says, without what may follow on further lines."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def rows_of(batches: "Iterable[pyarrow.RecordBatch]") -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the values of each row; a class of the ``datasets`` library becomes its name."""
    import pyarrow

    number = 0
    classes: dict[str, list[str]] | None = None
    for batch in batches:
        names = batch.schema.names
        classes = _classes(batch.schema.metadata or {}) if classes is None else classes
        columns = []
        for name, column in zip(names, batch.columns, strict=True):
            if column.type == pyarrow.float32():  # through its decimal text: 0.1 would become 0.10000000149
                column = column.cast(pyarrow.string()).cast(pyarrow.float64())
            values = column.to_pylist()
            columns.append([_name(classes[name], value) for value in values] if name in classes else values)
        for values in zip(*columns, strict=True):
            number += 1
            yield number, dict(zip(names, values, strict=True))


def _classes(metadata: "dict[bytes, bytes]") -> dict[str, list[str]]:
    """The names of classes by column, which the ``datasets`` library writes into a file's schema."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {name: feature["names"] for name, feature in features.items() if feature.get("_type") == "ClassLabel"}
    except (KeyError, TypeError, AttributeError, ValueError):  # the file has no such metadata
        return {}


def _name(names: list[str], value: Any) -> Any:
    """The name of a class; -1 stands for no class."""
    if value == -1:
        return None
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def _parquet(path: Path) -> "Iterator[pyarrow.RecordBatch]":
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=_BATCH)


def _arrow(path: Path) -> "Iterator[pyarrow.RecordBatch]":
    import pyarrow
    from pyarrow import ipc

    with pyarrow.memory_map(str(path)) as file:
        magic = file.read(6)
        file.seek(0)
        if magic.startswith(_FEATHER_1):
            raise DataError(f"{path} is Feather of version 1; write it as Feather 2, Arrow or Parquet")
        if magic == _FILE_FORMAT:
            reader = ipc.open_file(file)
            read = (reader.get_batch(number) for number in range(reader.num_record_batches))
        else:
            read = iter(ipc.open_stream(file))
        for batch in read:
            batch.validate(full=True)  # a damaged batch would end the process without a message
            for start in range(0, batch.num_rows, _BATCH):
                yield batch.slice(start, _BATCH)
