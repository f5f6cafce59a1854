"""Results that one stage writes and another reads: JSON and JSONL, each with its checksum in a hidden file beside it.

A flipped bit in an answer or in a score leaves a valid file with another value. The checksum `.eval.json.sha256` of
`eval.json` has the format of `sha256sum`. A file without one, as other systems and older versions write it, is read as
it is.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reinforced_cot.errors import DataError
from reinforced_cot.files import (
    key_below,
    not_finite,
    read_json,
    read_jsonl,
    sha256_of,
    write_json,
    write_jsonl,
    write_text,
)


class _Result(dict[str, Any]):
    """An object of a JSON file, which names the file where a key is looked up that it lacks.

    Args:
        key: the keys that lead to the object, empty for the whole file.
    """

    def __init__(self, values: Mapping[str, Any], path: Path, key: str, remedy: str) -> None:
        super().__init__((name, _named(value, path, key_below(key, name), remedy)) for name, value in values.items())
        self._path, self._key, self._remedy = path, key, remedy

    def __missing__(self, name: str) -> Any:
        raise DataError(f"{self._path} has no key {key_below(self._key, name)}: {self._remedy}")


def _named(value: Any, path: Path, key: str, remedy: str) -> Any:
    if isinstance(value, dict):
        return _Result(value, path, key, remedy)
    if isinstance(value, list):
        return [_named(part, path, key_below(key, number), remedy) for number, part in enumerate(value)]
    return value


def made_again(path: Path) -> str:
    """How a damaged file that a stage has written is made again.

    As the only target, it is made before the stages that read it are considered: its content is as before, so that none
    of them reruns.
    """
    return (
        f"delete {path} and give the same command with its name as the first word after `snakemake`, which makes it "
        "anew; then give the same command again"
    )


def checksum_file(path: Path) -> Path:
    """Where the checksum of a result is."""
    return path.with_name(f".{path.name}.sha256")


def write_result(path: Path, value: Any) -> None:
    """Write a JSON file as `write_json` does, and its checksum."""
    checksum_file(path).unlink(missing_ok=True)  # a job that is killed between the two leaves no wrong one
    write_json(path, value)
    _write_checksum(path)


def write_result_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a JSONL file as `write_jsonl` does, and its checksum."""
    checksum_file(path).unlink(missing_ok=True)
    write_jsonl(path, rows)
    _write_checksum(path)


def _write_checksum(path: Path) -> None:
    write_text(checksum_file(path), f"{sha256_of(path)}  {path.name}\n")


def check_result(path: Path, remedy: str | None = None) -> None:
    """Compare a result with its checksum, if it has one.

    Args:
        remedy: what to do about damage; by default, to delete the file.

    Raises:
        DataError: its content is not what was written.
    """
    checksum = checksum_file(path)
    if not checksum.is_file() or not path.is_file():
        return
    recorded = checksum.read_text(encoding="utf-8", errors="replace").split()
    if recorded[:1] != [sha256_of(path)]:
        raise DataError(
            f"{path} is not what {checksum} recorded: if you copied or changed it, delete {checksum}; otherwise it is "
            f"damaged: {remedy or made_again(path)}"
        )


def read_result_rows(path: Path) -> list[dict[str, Any]]:
    """The lines of a JSONL file that `write_result_rows` has written.

    Raises:
        DataError: it is missing or no JSONL, or its checksum is another.
    """
    check_result(path)
    return [row for _, row in read_jsonl(path)]


def read_result(path: Path, remedy: str | None = None) -> Any:
    """Parse a JSON file that a stage of this run has written.

    Args:
        remedy: what to do about damage; by default, to delete the file.

    Raises:
        DataError: the file is missing, is not JSON, holds NaN, or is not what was written; or, later, a key is looked
            up that it lacks, at any depth. The message names the file and the key, and says how the file is made again.
    """
    remedy = remedy or made_again(path)
    try:
        value = read_json(path)
    except DataError as error:
        raise DataError(f"{error}: {remedy}" if path.exists() else str(error)) from None
    if number := next(not_finite(value), None):
        raise DataError(f"{path} holds {' as '.join(number)}: {remedy}")
    if not isinstance(value, dict | list):
        raise DataError(f"{path} holds {json.dumps(value)[:40]} alone: {remedy}")
    check_result(path, remedy)
    return _named(value, path, "", remedy)
