"""Checkpoints, adapters and prepared data against the hashes in their manifests, before a stage loads them.

A flipped bit in weights, tokenizer, template or image changes results and raises no error. Files are hashed when a
stage starts. The hash of a large file is remembered together with the file's size, times and inode, and computed again
only when one of them has changed.
"""

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from reinforced_cot.errors import DataError
from reinforced_cot.files import read_json, write_json
from reinforced_cot.manifests import check_manifest, has_hash, listed
from reinforced_cot.processes import is_rank, rank
from reinforced_cot.result_files import made_again

log = logging.getLogger(__name__)

DIFFERENCE_HASH = "difference_hash"  # the key of an image's hash in the manifest of its split
STAMPS = ".verified.json"  # in a policy's folder; not declared, and harmless to delete
LARGE = 2**24  # bytes; hashing a smaller file takes some hundredths of a second
_SETTLED = 2.0  # seconds; a file that was written just now may change again within one tick of its time


class _Stamps:
    """The hashes of a policy's large files that were computed before, each with the stamp of its file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            known = read_json(file)
        except (DataError, OSError):  # there is none yet, or it is damaged: files are hashed again
            known = {}
        self._known: dict[str, Any] = known if isinstance(known, dict) else {}

    def has_hash(self, file: Path, sha256: str) -> bool:
        """Whether a file's content has a hash."""
        if file.stat().st_size < LARGE:
            return has_hash(file, sha256)
        name, seen = str(file.relative_to(self._file.parent)), {"stamp": _stamp(file), "sha256": sha256}
        if self._known.get(name) == seen:
            return True
        log.info("comparing the hash of %s", file)
        settled = time.time() - file.stat().st_ctime > _SETTLED
        if not has_hash(file, sha256):
            return False
        if settled and _stamp(file) == seen["stamp"]:
            self._known[name] = seen
            with suppress(OSError):  # a folder that is only read, or a full disk: the file is hashed again next time
                write_json(self._file, self._known)
        return True


def _stamp(file: Path) -> list[int]:
    """What changes when a file's content is changed by anything but a fault of the disk."""
    status = file.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def check_published(folder: Path) -> dict[str, Any]:
    """Compare a published ``model`` or ``adapter`` with its manifest beside it, and return the manifest.

    Of several processes, the first one compares hashes, and the others sizes alone.

    Raises:
        DataError: a file is missing or damaged; the message says how it is made again.
    """
    stamps = _Stamps(folder.with_name(STAMPS))
    return check_manifest(folder, folder.with_suffix(".json"), content=rank() == 0, has_hash=stamps.has_hash)


def check_start(origin: Path, start: str) -> None:
    """Check what training starts from. The process that starts the ranks of a job has checked it for them.

    Args:
        origin: the folder of the policy to start from.
        start: ``model``, or ``adapter``, which is loaded on its base.

    Raises:
        DataError: as `check_published`.
    """
    if is_rank():
        return
    manifest = check_published(origin / start)
    if start == "adapter":
        check_published(origin.parent / manifest["base"] / "model")


def split_manifest(data: Path, split: str) -> Path:
    """The manifest of a prepared split, which lists its records and its images."""
    return data / f"{split}.json"


def record_split(data: Path, split: str, images: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the manifest of a split that was prepared just now.

    Args:
        images: what the manifest says of each file in ``images/{split}``: size and sha256, and whatever else.
    """
    files = listed(data, [data / f"{split}.jsonl"]) | {
        f"images/{split}/{name}": images[name] for name in sorted(images)
    }
    write_json(split_manifest(data, split), {"files": files})


def check_split(data: Path, split: str, images: bool = True) -> None:
    """Compare a prepared split with its manifest. Data that was not prepared by this pipeline has none.

    The process that starts the ranks of a job has compared it for them.

    Args:
        images: compare the hashes of images, too; a stage that opens none spares itself the reading of them.

    Raises:
        DataError: a file is missing or damaged; the message says how it is made again.
    """
    manifest, records = split_manifest(data, split), data / f"{split}.jsonl"
    if is_rank() or not manifest.is_file():
        return

    def is_intact(file: Path, sha256: str) -> bool:
        return has_hash(file, sha256) if images or file == records else True

    check_manifest(data, manifest, content=True, has_hash=is_intact, remedy=made_again(records))
