"""Files that are either complete or absent: each is written beside its place and then moved there."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reinforced_cot.errors import DataError


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
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON whose bytes depend on ``value`` alone: sorted keys, fixed indent, no NaN."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object per line, keys in the order given."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows))


def read_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        DataError: the file is missing or is not JSON; the message names the file and the line.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid JSON: {error}; is the file truncated?") from None


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
        shutil.rmtree(path, ignore_errors=True)
        os.replace(temporary, path)
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


def write_manifest(folder: Path, path: Path, **facts: Any) -> dict[str, Any]:
    """Write ``path`` (JSON) with the size and sha256 of every file under ``folder``, and ``facts`` beside them.

    It is written last, so it says that the folder is complete. Its content tells Snakemake whether the folder changed.
    """
    files = {
        str(file.relative_to(folder)): {"bytes": file.stat().st_size, "sha256": sha256_of(file)}
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    manifest = {"files": files, **facts}
    write_json(path, manifest)
    return manifest


def check_manifest(folder: Path, path: Path, *, content: bool = False) -> dict[str, Any]:
    """Compare ``folder`` with its manifest ``path``.

    Args:
        content: compare hashes as well as sizes, which takes seconds per gigabyte.

    Returns:
        The manifest.

    Raises:
        DataError: a file is missing, or its size or content differs from the manifest.
    """
    manifest: dict[str, Any] = read_json(path)
    for name, entry in manifest["files"].items():
        file = folder / name
        if not file.is_file():
            raise DataError(f"{file} is missing though {path} lists it; delete {folder} so that its stage reruns")
        if file.stat().st_size != entry["bytes"]:
            raise DataError(
                f"{file} has {file.stat().st_size} bytes, {path} says {entry['bytes']}; "
                f"the file is damaged: delete {folder} so that its stage reruns"
            )
        if content and sha256_of(file) != entry["sha256"]:
            raise DataError(f"{file} is not what {path} recorded: delete {folder} so that its stage reruns")
    return manifest
