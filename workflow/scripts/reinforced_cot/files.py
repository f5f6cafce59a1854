"""Files that are either complete or absent: each is written beside its place and then moved there.

What a name refers to is on the disk before the name is, so that a loss of power leaves no empty or cut file behind.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from glob import escape
from math import isfinite
from pathlib import Path
from typing import Any, TextIO

from reinforced_cot.errors import DataError

_SYNCED_TOGETHER = 16


def sha256_of(path: Path) -> str:
    """Hex sha256 of one file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically; folders are created."""
    with new_file(path) as file:
        file.write(text)


@contextmanager
def new_file(path: Path) -> Iterator[TextIO]:
    """A text file beside ``path`` that takes its place when the block ends without an exception; makes folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            yield file
        _sync(temporary)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    """Delete what killed processes have half written of a file; a living one may be writing beside this one."""
    for leftover in path.parent.glob(f".{escape(path.name)}.*.tmp"):
        process = leftover.name.split(".")[-2]
        if process.isdecimal() and leftover.is_file() and not _writes(int(process), leftover):
            leftover.unlink(missing_ok=True)


def _writes(process: int, file: Path) -> bool:
    """Whether the process of this number lives and is older than the file: numbers are used again."""
    import psutil  # a twentieth of a second, which most runs need not wait

    try:
        found = psutil.Process(process)
        return found.status() != psutil.STATUS_ZOMBIE and found.create_time() <= file.stat().st_mtime
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False
    except psutil.AccessDenied:
        return True


def _sync(file: Path) -> None:
    """Wait until a file's content is on the disk."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the file system can tell."""
    with suppress(OSError):
        _sync(folder)


def sync_tree(folder: Path) -> None:
    """Wait until all files below a folder, and their names, are on the disk.

    Many at a time, which the file system writes together: one after another, each image would wait for the disk.
    """
    paths = list(folder.rglob("*"))
    with ThreadPoolExecutor(_SYNCED_TOGETHER) as pool:
        list(pool.map(_sync, [path for path in paths if path.is_file()]))
    for path in [*(path for path in paths if path.is_dir()), folder]:
        _sync_folder(path)


def write_json(path: Path, value: Any) -> None:
    """Write JSON whose bytes depend on ``value`` alone: sorted keys, fixed indent, no NaN.

    Raises:
        DataError: a number is NaN or infinite, which JSON does not have; the message names its key.
    """
    write_text(path, dumped(path, value, indent=2, sort_keys=True))


def dumped(path: Path, value: Any, **options: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, **options) + "\n"
    except ValueError:
        for number in not_finite(value):
            raise DataError(f"{path} cannot be written: {' as '.join(number)}, which JSON does not have") from None
        raise


def not_finite(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Each number that is NaN or infinite, and its key."""
    if isinstance(value, float) and not isfinite(value):
        yield str(value), key or "the value"
    elif isinstance(value, dict | list | tuple):
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from not_finite(part, key_below(key, name))


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object per line, keys in the order given; errors as for `write_json`."""
    with new_file(path) as file:
        for row in rows:
            file.write(dumped(path, row))


def read_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        DataError: the file is missing, cannot be read or is not JSON; the message names the file and the line.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid JSON, perhaps cut off: {error}") from None
    except (RecursionError, ValueError) as error:  # nested too deeply, or a number of thousands of digits
        raise DataError(f"{path} is not readable as JSON: {error}") from None


def key_below(key: str, name: str | int) -> str:
    return f"{key}.{name}" if key else str(name)


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield ``(line number, object)``, line by line; a byte-order mark, CRLF and blank lines are accepted.

    Raises:
        DataError: the file is missing, or a line is not a JSON object; the message names the file and the line.
    """
    for number, row in read_json_lines(path):
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: expected a JSON object, found {type(row).__name__}")
        yield number, row


def read_json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """The same of a file whose lines may hold any JSON value."""
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}, line {number}: not valid JSON ({error}); is the line truncated?") from None
        except (RecursionError, ValueError) as error:  # nested too deeply, or a number of thousands of digits
            raise DataError(f"{path}, line {number}: not readable as JSON ({error})") from None
        yield number, row


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line of a UTF-8 file; only a line feed ends a line.

    Raises:
        DataError: the file is missing, cannot be read, or is not UTF-8.
    """
    number = 0
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):  # of bytes: text would also be split at U+2028
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {number}: not UTF-8 text ({error}); save the file in UTF-8 (spreadsheets: CSV UTF-8)"
        ) from None


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary sibling folder that takes the place of ``path`` when the block ends without an exception.

    Temporary folders that a killed job left are removed first: no other process writes to ``path``.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        umask = os.umask(0o077)  # it can only be read by setting it
        os.umask(umask)
        for file in temporary.rglob("*"):
            if file.is_file() and not file.is_symlink():
                file.chmod(0o666 & ~umask)  # safetensors ignores the umask and writes for the owner alone
        sync_tree(temporary)
        shutil.rmtree(path, ignore_errors=True)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
