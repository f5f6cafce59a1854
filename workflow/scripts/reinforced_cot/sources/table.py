"""Reader of tables of nearly any form: each row becomes a record."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any

from reinforced_cot.data.images import ImageRejected
from reinforced_cot.data.records import Place, RawRecord, Records, Rejection
from reinforced_cot.data.text_cleaning import without_prefix
from reinforced_cot.errors import ConfigError, DataError
from reinforced_cot.raw_images.videos import NO_VIDEO
from reinforced_cot.sources.conversion import own_conversion
from reinforced_cot.sources.settings import SPLITS_OF_HUB, Source
from reinforced_cot.tables.column_settings import Columns
from reinforced_cot.tables.column_values import KINDS_OF_LISTS, answers, chain, choices, name, one_list, record_id
from reinforced_cot.tables.columns import chosen_columns
from reinforced_cot.tables.opened_table import Table, opened_file, opened_hub
from reinforced_cot.tables.row_values import MalformedRow, is_missing, text

log = logging.getLogger(__name__)

Convert = Callable[[dict[str, Any], Place], dict[str, Any] | None]  # from a row to a record's values by their names


def read_table(source: Source, split: str) -> Records:
    """The records of one table; a row of which no record can be made becomes a rejection.

    Ids are those of the file, or else hashes of question, answers and images, so that a further row changes no id.

    Raises:
        ConfigError: the source names no table.
        DataError: here or when it is read, if the table or a column of it does not exist or cannot be read, or holds
            videos, or if the conversion fails.
        PipelineError: the conversion cannot be imported.
    """
    table = opened(source, split)
    convert = own_conversion(source.convert) if source.convert else _by_columns(table, source)
    told: list[int] = []

    def records() -> Iterator[RawRecord | Rejection]:
        ids, left_out = _ContentIds(), 0
        for number, (place, row) in enumerate(table.rows(), start=1):
            if isinstance(row, str):
                yield Rejection(f"row-{number}", place, "malformed row", row)
                continue
            values = convert(row, place)
            if values is None:
                left_out += 1
            else:
                yield _record(values, place, f"row-{number}", table, source, ids)
        if left_out and not told:  # the table is read several times
            told.append(left_out)
            log.info("%s: %s left out %d rows", table.name, source.convert, left_out)

    return records


def opened(source: Source, split: str) -> Table:
    """The table of a source; a data set of the hub is downloaded.

    Raises:
        ConfigError: the source names neither a file nor a data set of the hub, or images where it has them itself.
        DataError: a file or a folder does not exist or is no table, or the hub's data set cannot be had.
    """
    if source.hub is not None and source.revision is not None:
        hub_split = source.hub_split or SPLITS_OF_HUB.get(split, split)
        return opened_hub(source.hub, source.revision, source.hub_config, hub_split, source.images)
    if source.file is None:
        raise ConfigError(f"the table of {split} needs `file`, or `hub` with `revision`")
    return opened_file(source.file, source.images)


def _by_columns(table: Table, source: Source) -> Convert:
    first = next(iter(table.rows()), None)
    if first and isinstance(first.values, str) and all(isinstance(row.values, str) for row in table.rows()):
        raise DataError(f"{table.name} has no sound row; {first.place}: {first.values}")
    columns = chosen_columns(
        source.columns or Columns(), table.rows_for_columns, table.name, is_asked=source.question is not None
    )

    def convert(row: dict[str, Any], place: Place) -> dict[str, Any]:
        for column in columns.videos:
            if row.get(column):
                raise DataError(f"{place}: column {column} holds a video; {NO_VIDEO}")
        return columns.values(row)

    return convert


def _record(
    values: dict[str, Any], place: Place, number: str, table: Table, source: Source, ids: "_ContentIds"
) -> RawRecord | Rejection:
    """The record of one row, or why it is none.

    Args:
        number: the name of a rejected record without an id.
        source: where the row comes from.
    """
    found_id = ""
    try:
        if "id" in values:
            if is_missing(values["id"]):
                raise MalformedRow("missing id", "the row has no id")
            found_id = record_id(values["id"])
        kind = name("answer_kind", values.get("answer_kind")) or source.answer_kind or ""
        question = without_prefix(source.question or text("question", values.get("question")))
        offered = choices(values.get("choices"))
        read = one_list if kind.partition(" ")[0] in KINDS_OF_LISTS else answers
        true = read(values.get("answers"), offered, table.is_text_format)
        led_to = read(values.get("chain_answer"), offered, table.is_text_format)
        images, names = table.images.of(values.get("images"))
        return RawRecord(
            id=found_id or ids.of(question, true, names),
            place=place,
            images=images,
            question=question,
            answers=true,
            chain=chain(values.get("chain")),
            question_type=name("question_type", values.get("question_type")),
            chain_answer=led_to[0] if led_to else "",
            choices=offered,
            answer_kind=kind,
            extra=values.get("extra") or {},
        )
    except (MalformedRow, ImageRejected) as fault:
        return Rejection(found_id or number, place, fault.reason, fault.detail)
    except DataError as error:
        raise DataError(f"{place}: {error}") from None


class _ContentIds:
    """Ids of records without one, by their content; equal ones are numbered."""

    def __init__(self) -> None:
        self._seen: dict[bytes, int] = {}

    def of(self, question: str, answers: Sequence[str], images: Sequence[str]) -> str:
        """16 hexadecimal digits; the second record of the same content ends in -2, and so on."""
        digest = sha256(json.dumps([question, answers, images]).encode()).digest()[:8]
        times = self._seen[digest] = self._seen.get(digest, 0) + 1
        return digest.hex() if times == 1 else f"{digest.hex()}-{times}"
