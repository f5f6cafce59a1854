"""Where DeepSpeed's operators are compiled at their first use, and what a killed compiler leaves there.

PyTorch makes a file named `lock` while it compiles an operator, and waits for ever while the file exists: after a kill,
each further run would hang without a word. In a folder of its own, a machine can tell that no process holds the file;
besides, an operator is compiled for the processor and the PyTorch of its machine.
"""

import logging
import os
import platform
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

log = logging.getLogger(__name__)

_FOLDER = "TORCH_EXTENSIONS_DIR"
_BETWEEN_LOOKS = 1.0  # seconds; a compiler that ends closes the file a moment before it deletes it


def prepare_operators() -> None:
    """Choose the folder, unless the environment names one, and delete the locks of compilers that were killed."""
    if named := os.environ.get(_FOLDER):
        for lock in _left_locks(Path(named)):
            log.warning("PyTorch waits as long as %s exists: delete it, if no other machine compiles there", lock)
        return
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    except RuntimeError:  # in a container, a user may have no home; PyTorch chooses a folder
        return
    versions = f"python{platform.python_version()}-torch{version('torch')}"
    folder = caches / "torch_extensions" / f"{platform.node()}-{versions}"
    os.environ[_FOLDER] = str(folder)
    if not _left_locks(folder):
        return
    time.sleep(_BETWEEN_LOOKS)
    for lock in _left_locks(folder):
        log.warning("deleting %s, which a compiler left when it was killed", lock)
        lock.unlink(missing_ok=True)


def _left_locks(folder: Path) -> list[Path]:
    """This user's locks below a folder that no process of this machine has open."""
    locks = [lock for lock in folder.resolve().glob("*/lock") if lock.stat().st_uid == os.getuid()]
    held = _open_files() if locks else set()
    return [lock for lock in locks if lock not in held]


def _open_files() -> set[Path]:
    """The files that processes of this user have open, as the kernel lists them."""
    files = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    files.add(descriptor.readlink())
    return files
