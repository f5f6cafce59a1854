"""The sources of questions by their names under ``source``, and the records of one split from all of its sources."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from reinforced_cot.data.records import RawRecord, Records, Rejection
from reinforced_cot.errors import ConfigError, DataError
from reinforced_cot.sources.parts import in_part
from reinforced_cot.sources.selection import draw
from reinforced_cot.sources.settings import READS, Digits, PreparedSplit, Source, source_names
from reinforced_cot.tables.archives import UNPACKED, unpacked, unpacked_member
from reinforced_cot.tables.table_formats import is_archive


def _digits(source: Source, settings: PreparedSplit, split: str) -> Records:
    from reinforced_cot.digits.digit_records import (  # only this source needs NumPy
        QUESTION_TYPES,
        make_digit_pair_records,
        make_digit_records,
    )

    digits, size = settings.digits or Digits(), source.size
    if not isinstance(size, int):
        raise ConfigError(f"data.splits.{split}.size is {size}; digits are generated: set the number of questions")
    if digits.images == 2:
        return lambda: make_digit_pair_records(split, size, settings.seed)
    types: tuple[str, ...] = tuple(QUESTION_TYPES)
    if split == "train" and digits.train_question_types:
        types = digits.train_question_types
    return lambda: make_digit_records(split, size, settings.seed, digits.shortcut_share, types)


def _gqa_cot(source: Source, settings: PreparedSplit, split: str) -> Records:
    from reinforced_cot.sources.gqa_cot import read_gqa_cot

    file, images = _path(source, "file"), _path(source, "images")
    return lambda: read_gqa_cot(file, images)


def _gqa(source: Source, settings: PreparedSplit, split: str) -> Records:
    from reinforced_cot.sources.gqa import gqa_records

    return gqa_records(_path(source, "file"), _path(source, "images"), bool(source.balanced_only))


def _vqa(source: Source, settings: PreparedSplit, split: str) -> Records:
    from reinforced_cot.sources.vqa import vqa_records

    return vqa_records(_path(source, "file"), _path(source, "annotations"), _path(source, "images"))


def _choices(source: Source, settings: PreparedSplit, split: str) -> Records:
    from reinforced_cot.sources.choices import choice_records

    return choice_records(_path(source, "file"), _path(source, "images"), source.subset, split)


def _conversations(source: Source, settings: PreparedSplit, split: str) -> Records:
    from reinforced_cot.sources.conversations import conversation_records

    return conversation_records(_path(source, "file"), Path(source.images) if source.images else None)


def _path(source: Source, key: str) -> Path:
    """A file or folder that the source must have.

    Raises:
        ConfigError: it is not set.
    """
    value = getattr(source, key)
    if value is None:
        raise ConfigError(f"source {source.source} needs {key}: {READS[str(source.source)].why[key]}")
    return Path(value)


def _table(source: Source, settings: PreparedSplit, split: str) -> Records:
    from reinforced_cot.sources.table import read_table

    return read_table(source, split)


# Each reader takes the settings of a source and of its whole split, and the split's name, on which digit scenes depend.
READERS: dict[str, Callable[[Source, PreparedSplit, str], Records]] = {
    "digits": _digits,
    "gqa_cot": _gqa_cot,
    "gqa": _gqa,
    "vqa": _vqa,
    "choices": _choices,
    "conversations": _conversations,
    "table": _table,
}


def read_split(settings: PreparedSplit, split: str, data: Path = Path()) -> Records:
    """The raw records of one split: from each of its sources, `size` of the records of its `part`.

    Where a split has several sources, each id begins with the name of its source.

    Args:
        split: its name under ``data.splits``.
        data: the folder of prepared data; archives are unpacked below it.

    Raises:
        ConfigError: there is no such source, or the split lacks what its source reads.
        DataError: when it is read, if the raw data cannot be read.
    """
    parts = [_chosen(source, settings, split, data) for source in settings.sources]
    if len(parts) == 1:
        return parts[0]
    names = source_names(settings.sources)

    def together() -> Iterator[RawRecord | Rejection]:
        for name, records in zip(names, parts, strict=True):
            for record in records():
                yield replace(record, id=f"{name}:{record.id}")

    return together


def whole_sources(settings: PreparedSplit, split: str, data: Path) -> list[Records]:
    """All records of each source of a split, without `part` and `size`; arguments and errors as for `read_split`."""
    return [_of_kind(_whole(source, settings, split, data), source.answer_kind) for source in settings.sources]


def _of_kind(records: Records, kind: str | None) -> Records:
    """The records, with the kind of their answers where they have none themselves."""
    if not kind:
        return records

    def named() -> Iterator[RawRecord | Rejection]:
        for record in records():
            if isinstance(record, RawRecord) and not record.answer_kind:
                record = replace(record, answer_kind=kind)
            yield record

    return named


def _chosen(source: Source, settings: PreparedSplit, split: str, data: Path) -> Records:
    records = _of_kind(_whole(source, settings, split, data), source.answer_kind)
    if source.source == "digits":  # makes as many as asked
        return records
    return draw(in_part(records, source.part, source.in_words()), source.size, settings.seed)


def _whole(source: Source, settings: PreparedSplit, split: str, data: Path) -> Records:
    if source.source not in READERS:
        raise ConfigError(f"data.splits.{split}: source {source.source!r} is unknown; expected {', '.join(READERS)}")
    reader, into = READERS[source.source], data / UNPACKED
    archives = [path for path in (source.file, source.images) if path and is_archive(path)]
    if not archives or "member" not in READS[source.source].optional:
        return reader(source, settings, split)
    folders = {str(unpacked(Path(path), into)): path for path in archives}
    with _archives_named(folders):
        records = reader(with_folders(source, into), settings, split)
    return lambda: _by_archives(records, folders)


def _by_archives(records: Records, archives: Mapping[str, str]) -> Iterator[RawRecord | Rejection]:
    """The records, with the names of archives, which the user knows, in place of those of the unpacked folders."""
    with _archives_named(archives):
        for record in records():
            named = replace(record, place=record.place._replace(file=_named(record.place.file, archives)))
            yield replace(named, detail=_named(named.detail, archives)) if isinstance(named, Rejection) else named


@contextmanager
def _archives_named(archives: Mapping[str, str]) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise DataError(_named(str(error), archives)) from error.__cause__


def _named(text: str, archives: Mapping[str, str]) -> str:
    for folder, archive in archives.items():
        text = text.replace(folder, archive)
    return text


def with_folders(source: Source, into: Path) -> Source:
    """A source whose archives are unpacked below ``into``, and which names their folders.

    Raises:
        DataError: as for `unpacked_member`.
    """
    file, images = source.file, source.images
    if file and is_archive(file):
        file = str(unpacked_member(Path(file), into, source.member))
    if images and is_archive(images):
        images = str(unpacked(Path(images), into))
    return source.model_copy(update={"file": file, "images": images})
