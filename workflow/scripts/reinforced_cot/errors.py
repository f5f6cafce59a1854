"""Errors that a user can mend: each message names the file, line or key and says what to do."""

import errno
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SAY_FULL = ("No space left on device", "Disk quota exceeded")  # safetensors raises an error of its own type
# What `torch.save` says of any failed write.
_SAY_FAILED = ("PytorchStreamWriter failed writing", "unexpected pos", "iostream error")
_NEARLY_NOTHING = 2**24  # bytes


class PipelineError(Exception):
    """Bad input or a broken contract; a stage script prints the message without a traceback and exits with 1."""


class ConfigError(PipelineError):
    """The configuration is refused; the message lists every problem with its key."""


class DataError(PipelineError):
    """A data file is refused; the message names the file and, where there is one, the line."""


def exit_with_message(main: Callable[[], None]) -> None:
    """Run a stage's ``main`` and turn a `PipelineError`, or a full disk, into one clear line and exit status 1."""
    try:
        main()
    except PipelineError as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        if message := full_disk(error):
            sys.exit(f"error: {message}")
        raise


def full_disk(error: BaseException) -> str | None:
    """The message about an error that a full disk has caused, or None if something else has."""
    for cause in _causes(error):
        is_full = isinstance(cause, OSError) and cause.errno in _FULL
        written = (cause.filename2 or cause.filename) if isinstance(cause, OSError) else None
        place = nearest_folder(Path(str(written))) if written else _fullest_folder()
        usage = shutil.disk_usage(place)
        failed = any(text in str(cause) for text in _SAY_FAILED) and usage.free < _NEARLY_NOTHING
        if is_full or failed or any(text in str(cause) for text in _SAY_FULL):
            return (
                f"the disk of {place} is full ({usage.free / 2**20:.0f} MiB of {usage.total / 2**30:.1f} GiB free): "
                f"make room, then give the same command again, which goes on from what is complete ({cause})"
            )
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def nearest_folder(path: Path) -> Path:
    """``path``, or the innermost folder above it that exists."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())


def _fullest_folder() -> Path:
    """Of the folders that a stage's command names, and those where libraries write, the one with the least room."""
    named = [Path(argument) for argument in sys.argv[1:] if "/" in argument]
    places = [nearest_folder(path) for path in [*named, Path(), Path(tempfile.gettempdir()), Path.home()]]
    return min(places, key=lambda place: shutil.disk_usage(place).free)
