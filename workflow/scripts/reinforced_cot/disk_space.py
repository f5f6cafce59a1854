"""Whether a disk has room for what a stage certainly writes, before the stage does hours of work."""

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from reinforced_cot.errors import PipelineError, nearest_folder

log = logging.getLogger(__name__)

GIB = 2**30


def check_room(folder: Path, certain: float, what: str, *, possible: float = 0.0, freed: Iterable[Path] = ()) -> None:
    """Refuse to start where a disk is too small.

    Args:
        folder: what will be written stands below it; it need not exist yet.
        certain: bytes that will stand on the disk at the same time, beside all that is there.
        what: names them in the message.
        possible: bytes that may be needed; where there is less, the log warns.
        freed: folders that are deleted before anything is written.

    Raises:
        PipelineError: fewer than ``certain`` bytes are free.
    """
    left = sum(file.stat().st_size for path in freed for file in path.rglob("*") if file.is_file())
    place = nearest_folder(folder)
    free = shutil.disk_usage(place).free + left
    if free < certain:
        raise PipelineError(
            f"the disk of {place} has {free / GIB:.2f} GiB free, and {what} take {certain / GIB:.2f} GiB: make room, "
            "then give the same command again"
        )
    if free < possible:
        log.warning(
            "the disk of %s has %.2f GiB free, and %s may take %.2f GiB", place, free / GIB, what, possible / GIB
        )
