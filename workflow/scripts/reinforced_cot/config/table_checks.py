"""Checks of the source `table`: keys that do not go together, and faults of files that show before they are read."""

from collections.abc import Iterator
from pathlib import Path

from reinforced_cot.errors import DataError
from reinforced_cot.own_code import loading_problem
from reinforced_cot.sources.settings import CONVERSION, Source
from reinforced_cot.tables.column_settings import Columns
from reinforced_cot.tables.columns import ALIASES, nearest, unfound
from reinforced_cot.tables.table_files import table_files
from reinforced_cot.tables.table_formats import JSON_FORMATS, is_archive, suffix_problem
from reinforced_cot.tables.table_header import columns_of

_OF_HUB = ("revision", "hub_config", "hub_split")


def table_problems(key: str, source: Source) -> Iterator[str]:
    """One line per mistake in the keys of one table, without a look at its file."""
    if source.file is None and source.hub is None:
        yield f"`{key}.file` is missing; name the table, or a data set of the hub as `{key}.hub`"
    if source.file is not None and source.hub is not None:
        yield f"`{key}` has `file` and `hub`; one source is one table: remove one, or make the split a list of sources"
    if source.hub is not None and source.revision is None:
        yield f"`{key}.revision` is missing; give the commit of {source.hub}: its data may change"
    for field in _OF_HUB:
        if source.hub is None and getattr(source, field) is not None:
            yield f"`{key}.{field}` is only read with `{key}.hub`; remove it"
    if source.member is not None and not (source.file and is_archive(source.file)):
        yield f"`{key}.member` is only read where `{key}.file` is an archive; remove it"
    if source.convert is not None:
        if problem := loading_problem(source.convert, CONVERSION):
            yield f"`{key}.convert` names {source.convert}; {problem}"
        for field in ("columns", "question"):
            if getattr(source, field) is not None:
                yield f"`{key}.{field}` is not read with `{key}.convert`, whose function makes the record; remove it"
    if source.columns is not None:
        yield from _column_problems(key, source, source.columns)


def _column_problems(key: str, source: Source, columns: Columns) -> Iterator[str]:
    for alias, name in ALIASES.items():
        if getattr(columns, alias) is not None and getattr(columns, name) is not None:
            yield f"`{key}.columns` has {alias} and {name}, which are the same; remove one"
    if source.question is not None and columns.question:
        yield f"`{key}.columns.question` is not read where `{key}.question` gives the question; remove one of them"


def table_file_problems(key: str, source: Source) -> Iterator[str]:
    """One line per fault of a table's file that its name, its folder or its header shows."""
    if source.file is None or is_archive(source.file) or not Path(source.file).exists():
        return
    path = Path(source.file)
    if path.is_file() and (problem := suffix_problem(source.file)):
        yield f"`{key}.file` is refused: {problem}"
        return
    try:
        files = table_files(path)
        if not files.rows and source.question is None and source.convert is None:
            yield f"`{key}.file` is {path}, a folder of images: give the question as `{key}.question`"
        if files.rows and source.convert is None:
            yield from _unknown_columns(key, source, files.rows[0])
    except DataError as error:
        yield f"`{key}.file` is refused: {error}"


def _unknown_columns(key: str, source: Source, file: Path) -> Iterator[str]:
    columns, header = source.columns or Columns(), columns_of(file)
    if header and (problem := unfound(columns, header, str(file), is_asked=source.question is not None)):
        yield f"`{key}`: {problem}"
    if file.suffix.lower() in JSON_FORMATS:
        return  # a later row may have further columns
    wanted = {name: getattr(columns, name) for name in Columns.model_fields if name != "extra"}
    named = [*wanted.items(), *(("extra", column) for column in columns.extra or ())]
    for name, column in named:
        if column and column not in header and column.partition(".")[0] not in header:
            yield f"`{key}.columns.{name}` is {column}, which {file} does not have; {nearest(column, header)}"
