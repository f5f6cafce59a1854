"""Files that are either complete or absent: each is written beside its place and then moved there.

What a name refers to is on the disk before the name is, so that a loss of power leaves no empty or cut file behind.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from math import isfinite
from pathlib import Path
from typing import Any

from reinforced_cot.errors import DataError

_SYNCED_TOGETHER = 16


def sha256_of(path: Path) -> str:
    """Hex sha256 of one file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically; folders are created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        _sync(temporary)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


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
    write_text(path, _dumped(path, value, indent=2, sort_keys=True))


def _dumped(path: Path, value: Any, **options: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, **options) + "\n"
    except ValueError:
        for number in _not_finite(value):
            raise DataError(f"{path} cannot be written: {' as '.join(number)}, which JSON does not have") from None
        raise


def _not_finite(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Each number that is NaN or infinite, and its key."""
    if isinstance(value, float) and not isfinite(value):
        yield str(value), key or "the value"
    elif isinstance(value, dict | list | tuple):
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _not_finite(part, _below(key, name))


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object per line, keys in the order given; errors as for `write_json`."""
    write_text(path, "".join(_dumped(path, row) for row in rows))


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
        raise DataError(f"{path} is not valid JSON: {error}; is the file truncated?") from None


class _Result(dict[str, Any]):
    """An object of a JSON file, which names the file where a key is looked up that it lacks.

    Args:
        key: the keys that lead to the object, empty for the whole file.
    """

    def __init__(self, values: Mapping[str, Any], path: Path, key: str, remedy: str) -> None:
        super().__init__((name, _named(value, path, _below(key, name), remedy)) for name, value in values.items())
        self._path, self._key, self._remedy = path, key, remedy

    def __missing__(self, name: str) -> Any:
        raise DataError(f"{self._path} has no key {_below(self._key, name)}: {self._remedy}")


def _named(value: Any, path: Path, key: str, remedy: str) -> Any:
    if isinstance(value, dict):
        return _Result(value, path, key, remedy)
    if isinstance(value, list):
        return [_named(part, path, _below(key, number), remedy) for number, part in enumerate(value)]
    return value


def _below(key: str, name: str | int) -> str:
    return f"{key}.{name}" if key else str(name)


def made_again(path: Path) -> str:
    """How a damaged file that a stage has written is made again.

    As the only target, it is made before the stages that read it are considered: its content is as before, so that none
    of them reruns.
    """
    return (
        f"delete {path} and give the same command with its name as the first word after `snakemake`, which makes it "
        "anew; then give the same command again"
    )


def read_result(path: Path, remedy: str | None = None) -> Any:
    """Parse a JSON file that a stage of this run has written.

    Args:
        remedy: what to do about damage; by default, to delete the file.

    Raises:
        DataError: the file is missing, is not JSON, or holds NaN; or, later, a key is looked up that it lacks, at any
            depth. The message names the file and the key, and says how the file is made again.
    """
    remedy = remedy or made_again(path)
    try:
        value = read_json(path)
    except DataError as error:
        raise DataError(f"{error}: {remedy}" if path.exists() else str(error)) from None
    if number := next(_not_finite(value), None):
        raise DataError(f"{path} holds {' as '.join(number)}: {remedy}")
    if not isinstance(value, dict | list):
        raise DataError(f"{path} holds {json.dumps(value)[:40]} alone: {remedy}")
    return _named(value, path, "", remedy)


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield ``(line number, object)``; a byte-order mark, CRLF and blank lines are accepted.

    Raises:
        DataError: the file is missing, or a line is not a JSON object; the message names the file and the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # splitlines() would also split at U+2028 in a string
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}, line {number}: not valid JSON ({error}); is the line truncated?") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: expected a JSON object, found {type(row).__name__}")
        yield number, row


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


# These formats run code when they are read.
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def checkpoint_files(folder: Path) -> list[Path]:
    """The files of a published checkpoint that a run uses: all of its folder but pickles and hidden files."""
    return sorted(
        file
        for file in folder.iterdir()
        if file.is_file() and file.suffix not in PICKLE_SUFFIXES and not file.name.startswith(".")
    )


def listed(folder: Path, files: Iterable[Path]) -> dict[str, Any]:
    """Size and sha256 of files under ``folder``, as manifests list them."""
    return {
        str(file.relative_to(folder)): {"bytes": file.stat().st_size, "sha256": sha256_of(file)}
        for file in sorted(files)
        if file.is_file()
    }


def write_manifest(folder: Path, path: Path, **facts: Any) -> dict[str, Any]:
    """Write ``path`` (JSON) with the size and sha256 of every file under ``folder``, and ``facts`` beside them.

    It is written last, and when the files are on the disk, so it says that the folder is complete. Its content tells
    Snakemake whether the folder changed.
    """
    sync_tree(folder)
    manifest = {"files": listed(folder, folder.rglob("*")), **facts}
    write_json(path, manifest)
    return manifest


def has_hash(file: Path, sha256: str) -> bool:
    """Whether a file's content has a hash."""
    return sha256_of(file) == sha256


def check_manifest(
    folder: Path,
    path: Path,
    *,
    content: bool = False,
    has_hash: Callable[[Path, str], bool] = has_hash,
    remedy: str | None = None,
) -> dict[str, Any]:
    """Compare ``folder`` with its manifest ``path``.

    Args:
        content: compare hashes as well as sizes, which takes seconds per gigabyte.
        has_hash: how a hash is compared.
        remedy: what to do about damage; by default, to delete the manifest.

    Returns:
        The manifest.

    Raises:
        DataError: a file is missing, or its size or content differs from the manifest.
    """
    remedy = remedy or made_again(path)
    manifest: dict[str, Any] = read_result(path, remedy)
    for name, entry in manifest["files"].items():
        file = folder / name
        if not file.is_file():
            raise DataError(f"{file} is missing though {path} lists it; {remedy}")
        # The weights of a published model are not copied: making the folder again would link to the same damaged file.
        mended = f"restore {file.resolve()}, to which it links; then {remedy}" if file.is_symlink() else remedy
        if file.stat().st_size != entry["bytes"]:
            raise DataError(
                f"{file} is damaged: it has {file.stat().st_size} bytes, {path} says {entry['bytes']}; {mended}"
            )
        if content and not has_hash(file, entry["sha256"]):
            raise DataError(f"{file} is damaged: its content is not what {path} recorded; {mended}")
    return manifest
