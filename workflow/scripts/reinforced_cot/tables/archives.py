"""Unpacks archives of data once; no member may leave the folder, be a link, or grow beyond a bound."""

import difflib
import fcntl
import gzip
import logging
import os
import shutil
import stat
import tarfile
import uuid
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from reinforced_cot.data.text_cleaning import is_text
from reinforced_cot.disk_space import full_disk
from reinforced_cot.errors import DataError
from reinforced_cot.files import sync_tree
from reinforced_cot.tables.table_formats import ARCHIVES

log = logging.getLogger(__name__)

UNPACKED = ".unpacked"  # below the folder of prepared data; a user may delete it at any time
_MOST_FILES = 5_000_000
_LARGEST_RATIO = 200  # archives make text twenty times smaller, and images hardly smaller
_ALWAYS_ALLOWED = 1 << 30  # bytes
_PIECE = 1 << 20
_GZIP = b"\x1f\x8b"
_SHOWN = 5
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, NotImplementedError, RuntimeError, OSError)


class _Member(NamedTuple):
    """A member of an archive; ``file`` is its content, or None where it is not a plain file."""

    name: str
    is_folder: bool
    file: IO[bytes] | None


def unpacked(archive: Path, into: Path) -> Path:
    """The folder below ``into`` with the content of an archive, which is unpacked unless it is there already.

    The folder is complete or absent, and is named after the archive's name, path, size and time of change. Processes
    that unpack one archive at the same time wait for each other.

    Raises:
        DataError: the archive is damaged or encrypted, or would unpack to too much; a member's name leads out of the
            folder or differs from another one only by case, or a member is a link or a device. Nothing is left then.
    """
    try:
        found = archive.stat()
    except OSError as error:
        raise DataError(f"{archive} cannot be read: {error.strerror}") from None
    stamp = sha256(f"{archive}\0{found.st_size}\0{found.st_mtime_ns}".encode(errors="surrogateescape")).hexdigest()[:12]
    suffix = next((suffix for suffix in ARCHIVES if archive.name.lower().endswith(suffix)), "")
    folder = into / f"{archive.name[: len(archive.name) - len(suffix)]}-{stamp}"
    into.mkdir(parents=True, exist_ok=True)
    with _alone(into / f".{folder.name}.lock") as is_alone:
        if folder.is_dir():
            return folder
        if is_alone:  # then no process writes these
            for leftover in into.glob(f".{folder.name}.*.tmp"):
                shutil.rmtree(leftover, ignore_errors=True)
        temporary = into / f".{folder.name}.{uuid.uuid4().hex}.tmp"
        temporary.mkdir()
        try:
            log.info("unpacking %s into %s", archive, folder)
            _unpack(archive, temporary, _ALWAYS_ALLOWED + _LARGEST_RATIO * found.st_size)
            sync_tree(temporary)
            try:
                os.rename(temporary, folder)
            except OSError:  # without a lock, another process may have been first
                if not folder.is_dir():
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def unpacked_member(archive: Path, into: Path, name: str | None) -> Path:
    """A file or folder of an archive that is unpacked below ``into``.

    Args:
        name: of the member; None for everything, without the folder around it if there is one.

    Raises:
        DataError: as for `unpacked`, or the archive has no such member.
    """
    folder = unpacked(archive, into)
    if name:
        return _member(archive, folder, name)
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder


def _member(archive: Path, folder: Path, name: str) -> Path:
    if ".." not in PurePosixPath(name).parts and not PurePosixPath(name).is_absolute() and (folder / name).exists():
        return folder / name
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    near = difflib.get_close_matches(name, names, _SHOWN, cutoff=0.4) or names[:_SHOWN]
    raise DataError(f"{archive} has no member {name!r}; among its {len(names)} are {', '.join(sorted(near))}")


@contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    """Wait until no other process is in this block; yield False on a file system without locks, where none can know."""
    with open(lock, "a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield False
            return
        yield True


def _unpack(archive: Path, folder: Path, limit: int) -> None:
    seen: dict[str, str] = {}
    size = 0
    try:
        with closing(_members(archive)) as members:
            for member in members:
                name = _safe_name(archive, member.name)
                if name is None or member.is_folder:
                    continue
                if member.file is None:
                    raise DataError(
                        f"{archive}: the member {member.name!r} is a link or a device; pack the files themselves"
                    )
                if other := seen.get(str(name).casefold()):
                    raise DataError(f"{archive}: the members {other!r} and {member.name!r} differ at most by case")
                seen[str(name).casefold()] = member.name
                if len(seen) > _MOST_FILES:
                    raise DataError(f"{archive} has more than {_MOST_FILES} files; pack them into several archives")
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                with open(folder / name, "xb") as file:
                    while piece := member.file.read(_PIECE):
                        size += len(piece)
                        if size > limit:
                            raise DataError(
                                f"{archive} unpacks to more than {limit >> 20} MiB, {_LARGEST_RATIO} times its size: "
                                "if that is meant, unpack it yourself and name the folder"
                            )
                        file.write(piece)
    except _BROKEN as error:
        if full_disk(error):
            raise
        raise DataError(f"{archive} cannot be unpacked: {error}; is it damaged or encrypted?") from None


def _safe_name(archive: Path, name: str) -> PurePosixPath | None:
    """The path of a member within the folder; None for a file that macOS has added.

    Raises:
        DataError: the name leads out of the folder, or some system does not allow it.
    """
    path = PurePosixPath(name)
    fault = (
        "is absolute"
        if path.is_absolute()
        else "leads out of the archive"
        if ".." in path.parts
        else "has a backslash or a control character"
        if "\\" in name or any(character < " " for character in name) or not is_text(name)
        else "is longer than a file name may be"
        if any(len(part.encode()) > 255 for part in path.parts)
        else ""
    )
    if fault:
        raise DataError(f"{archive}: the name of the member {name[:300]!r} {fault}; pack it again under another name")
    if not path.parts or path.parts[0] == "__MACOSX" or path.name == ".DS_Store":
        return None
    return path


def _members(archive: Path) -> Generator[_Member, None, None]:
    """The members in the order of the archive."""
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as content:
            for info in content.infolist():
                # The type stands in the upper half where the zip was made on Unix; elsewhere it is 0.
                kind = stat.S_IFMT(info.external_attr >> 16)
                if info.is_dir() or kind not in (0, stat.S_IFREG):
                    yield _Member(info.filename, info.is_dir(), None)
                    continue
                with content.open(info) as file:
                    yield _Member(info.filename, False, file)
        return
    with open(archive, "rb") as file:
        is_gzip = file.read(2) == _GZIP
    # A stream of tarfile's own would take the end of a cut gzip file for the end of the archive.
    with gzip.open(archive) if is_gzip else open(archive, "rb") as file:
        watched = _Watched(file)
        with tarfile.open(fileobj=watched, mode="r|") as packed:  # type: ignore[call-overload]  # as a stream: no index
            while (entry := packed.next()) is not None:
                packed.members = []  # else tarfile keeps every entry
                yield _Member(entry.name, entry.isdir(), packed.extractfile(entry) if entry.isreg() else None)
        if watched.last.strip(b"\0"):
            raise tarfile.ReadError("it ends without the mark of its end")
        while watched.read(_PIECE):  # to the checksum of gzip
            pass


class _Watched:
    """A file that remembers the last bytes that were read: a whole tar archive ends with zeros."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self._file = file
        self.last = b""

    def read(self, size: int) -> bytes:
        content = self._file.read(size)
        self.last = content[-tarfile.BLOCKSIZE :] or self.last
        return content
