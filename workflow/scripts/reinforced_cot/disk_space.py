"""Whether a disk has room for what a stage certainly writes, and the message where it became full."""

import errno
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from reinforced_cot.errors import PipelineError

log = logging.getLogger(__name__)

GIB = 2**30
_FULL = (errno.ENOSPC, errno.EDQUOT)
_SAY_FULL = ("No space left on device", "Disk quota exceeded")  # safetensors raises an error of its own type
# What `torch.save` says of any failed write.
_SAY_FAILED = ("PytorchStreamWriter failed writing", "unexpected pos", "iostream error")
_NEARLY_NOTHING = 2**24  # bytes


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
            f"the disk of {place} has {in_words(free)} free, and {what} take {in_words(certain)}: make room, then give "
            "the same command again"
        )
    if free < possible:
        log.warning("the disk of %s has %s free, and %s may take %s", place, in_words(free), what, in_words(possible))


def in_words(size: float) -> str:
    """A number of bytes in GiB, or MiB where it is small.

    >>> in_words(3 * 2**30), in_words(400_000)
    ('3.00 GiB', '0.38 MiB')
    """
    return f"{size / GIB:.2f} GiB" if size >= 0.1 * GIB else f"{size / 2**20:.2f} MiB"


def full_disk(error: BaseException) -> str | None:
    """The message about an error that a full disk has caused, or None if something else has."""
    for cause in _causes(error):
        is_full = isinstance(cause, OSError) and cause.errno in _FULL
        written = (cause.filename2 or cause.filename) if isinstance(cause, OSError) else None
        says_so = is_full or any(text in str(cause) for text in (*_SAY_FULL, *_SAY_FAILED))
        place = (nearest_folder(Path(str(written))) if written else _fullest_folder()) if says_so else None
        if place is None:
            continue
        usage = shutil.disk_usage(place)
        failed = any(text in str(cause) for text in _SAY_FAILED) and usage.free < _NEARLY_NOTHING
        if is_full or failed or any(text in str(cause) for text in _SAY_FULL):
            return (
                f"the disk of {place} is full ({in_words(usage.free)} of {in_words(usage.total)} free): "
                f"make room, then give the same command again, which goes on from what is complete ({cause})"
            )
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def nearest_folder(path: Path) -> Path:
    """``path``, or the innermost folder above it that exists."""
    for folder in (path, *path.absolute().parents):
        with suppress(PermissionError):  # below a folder that may not be looked into
            if folder.is_dir():
                return folder
    return Path("/")


def _fullest_folder() -> Path:
    """Of the folders that a stage's command names, and those where libraries write, the one with the least room."""
    named = [Path(argument) for argument in sys.argv[1:] if "/" in argument]
    with suppress(RuntimeError):  # in a container, a user may have no home
        named.append(Path.home())
    places = [nearest_folder(path) for path in [*named, Path(), Path(tempfile.gettempdir())]]
    return min(places, key=lambda place: shutil.disk_usage(place).free)
