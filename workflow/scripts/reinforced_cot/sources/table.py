"""The sources of questions by their names under ``data.source``; reads one split."""

from collections.abc import Callable, Iterable
from pathlib import Path

from reinforced_cot.data.preparation import RawRecord, Rejection, draw
from reinforced_cot.errors import ConfigError
from reinforced_cot.sources.gqa_cot import read_gqa_cot
from reinforced_cot.sources.settings import Digits, PreparedSplit

Records = Iterable[RawRecord | Rejection]


def _digits(settings: PreparedSplit, split: str) -> Records:
    from reinforced_cot.sources.digit_records import (  # only this source needs NumPy
        QUESTION_TYPES,
        make_digit_records,
    )

    digits, size = settings.digits or Digits(), settings.split.size
    if size is None:
        raise ConfigError(f"data.splits.{split}.size is null; digits are generated: set the number of questions")
    types: tuple[str, ...] = tuple(QUESTION_TYPES)
    if split == "train" and digits.train_question_types:
        types = digits.train_question_types
    return make_digit_records(split, size, settings.seed, digits.shortcut_share, types)


def _gqa_cot(settings: PreparedSplit, split: str) -> Records:
    files = settings.split
    if files.file is None or files.images is None:
        raise ConfigError(f"data.splits.{split} needs file and images")
    return draw(read_gqa_cot(Path(files.file), Path(files.images), files.part), files.size, settings.seed)


SOURCES: dict[str, Callable[[PreparedSplit, str], Records]] = {"digits": _digits, "gqa_cot": _gqa_cot}


def read_source(settings: PreparedSplit, split: str) -> Records:
    """The raw records of one split.

    Args:
        split: its name under ``data.splits``; generated scenes depend on it.

    Raises:
        ConfigError: there is no such source, or the split lacks what its source reads.
        DataError: the raw data cannot be read.
    """
    if settings.source not in SOURCES:
        raise ConfigError(f"data.source {settings.source!r} is unknown; expected one of {', '.join(SOURCES)}")
    return SOURCES[settings.source](settings, split)
