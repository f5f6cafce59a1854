"""The sources of questions by their names under ``source``, and the records of one split from all of its sources."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from reinforced_cot.data.records import RawRecord, Records, Rejection
from reinforced_cot.data.selection import draw
from reinforced_cot.errors import ConfigError
from reinforced_cot.sources.archives import with_folders
from reinforced_cot.sources.parts import in_part
from reinforced_cot.sources.settings import READS, Digits, PreparedSplit, Source, source_names

UNPACKED = ".unpacked"  # below the folder of prepared data; may be deleted at any time


def _digits(source: Source, settings: PreparedSplit, split: str) -> Records:
    from reinforced_cot.sources.digit_records import (  # only this source needs NumPy
        QUESTION_TYPES,
        make_digit_records,
    )

    digits, size = settings.digits or Digits(), source.size
    if not isinstance(size, int):
        raise ConfigError(f"data.splits.{split}.size is {size}; digits are generated: set the number of questions")
    types: tuple[str, ...] = tuple(QUESTION_TYPES)
    if split == "train" and digits.train_question_types:
        types = digits.train_question_types
    return lambda: make_digit_records(split, size, settings.seed, digits.shortcut_share, types)


def _gqa_cot(source: Source, settings: PreparedSplit, split: str) -> Records:
    from reinforced_cot.sources.gqa_cot import read_gqa_cot

    if source.file is None or source.images is None:
        raise ConfigError(f"data.splits.{split} needs file and images")
    return lambda: read_gqa_cot(Path(source.file or ""), Path(source.images or ""))


def _table(source: Source, settings: PreparedSplit, split: str) -> Records:
    from reinforced_cot.sources.table import read_table

    return read_table(source, split)


# Each takes a source's settings, those of the whole split, and the split's name, on which generated scenes depend.
READERS: dict[str, Callable[[Source, PreparedSplit, str], Records]] = {
    "digits": _digits,
    "gqa_cot": _gqa_cot,
    "table": _table,
}


def read_split(settings: PreparedSplit, split: str, data: Path = Path()) -> Records:
    """The raw records of one split: of each of its sources the records of `part`, and of these `size`.

    Where there are several sources, the ids of each begin with its name.

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


def _chosen(source: Source, settings: PreparedSplit, split: str, data: Path) -> Records:
    if source.source not in READERS:
        raise ConfigError(f"data.splits.{split}: source {source.source!r} is unknown; expected {', '.join(READERS)}")
    read = with_folders(source, data / UNPACKED) if "member" in READS[source.source].optional else source
    records = READERS[source.source](read, settings, split)
    if source.source == "digits":  # makes as many as asked
        return records
    return draw(in_part(records, source.part, source.file or source.hub or source.source), source.size, settings.seed)
