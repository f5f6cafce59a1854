"""Reads a data set on the Hugging Face Hub at one commit; after the download, no network is needed."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from reinforced_cot.disk_space import full_disk
from reinforced_cot.errors import DataError
from reinforced_cot.hub_errors import causes_of, hub_problem, kinds_of
from reinforced_cot.tables.arrow_rows import first_line, rows_of

_BATCH = 256
# Errors are told by the names of their types, since the libraries are imported late.
_BROKEN = {"ChecksumVerificationError", "SplitsVerificationError", "DatasetGenerationError", "ArrowInvalid"}


class HubTable(NamedTuple):
    """A data set's rows, and the folders below which its image files lie."""

    rows: Callable[[], Iterator[tuple[int, dict[str, Any]]]]
    stores: tuple[Path, ...]


def hub_table(hub: str, revision: str, config: str | None, split: str) -> HubTable:
    """Download one split of a data set, unless it is there; images stay as they were stored.

    Raises:
        DataError: it cannot be downloaded; the message says why, and what to do.
    """
    # It is imported by name: it takes seconds, and only this kind of table needs it.
    datasets = importlib.import_module("datasets")
    hub_constants = importlib.import_module("huggingface_hub.constants")
    # A cache of its own for each commit: offline, the library takes the latest commit that its cache has.
    cache = Path(datasets.config.HF_DATASETS_CACHE, "pinned", revision)
    try:
        data = datasets.load_dataset(hub, config, split=split, revision=revision, cache_dir=str(cache), streaming=False)
        arrow = data.with_format("arrow")  # nothing is decoded
    except Exception as error:  # of a dozen types, from four libraries
        if full_disk(error):
            raise
        raise DataError(f"hub {hub}, revision {revision[:12]}, split {split}: {_remedy(error, hub, cache)}") from None

    def rows() -> Iterator[tuple[int, dict[str, Any]]]:
        tables = arrow.iter(batch_size=_BATCH)
        return rows_of(batch for table in tables for batch in table.combine_chunks().to_batches())

    return HubTable(rows, (Path(datasets.config.HF_DATASETS_CACHE), Path(hub_constants.HF_HUB_CACHE)))


def _remedy(error: BaseException, hub: str, cache: Path) -> str:
    """What went wrong, and what to do."""
    if problem := hub_problem(error, "data set", hub):
        return problem
    if kinds_of(causes_of(error)) & _BROKEN:
        return f"the download is broken: delete {cache} and run again ({first_line(error.__cause__ or error)})"
    if isinstance(error, ValueError):  # an unknown split or configuration; the library's message lists the known ones
        return " ".join(str(error).split())[:500].rstrip(".") + "; set `hub_split` or `hub_config`"
    return f"the data set cannot be loaded: {type(error).__name__}: {first_line(error)}"
