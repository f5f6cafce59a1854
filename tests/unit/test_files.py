"""Files are complete or absent, and errors name file and line."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from reinforced_cot import files
from reinforced_cot.errors import DataError
from reinforced_cot.files import (
    new_file,
    new_folder,
    read_json,
    read_jsonl,
    sha256_of,
    write_json,
    write_jsonl,
    write_text,
)
from reinforced_cot.manifests import write_manifest

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # sha256 of "abc", FIPS 180-2


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_is_written_and_folders_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a/b/c.txt", "schön\n")
    assert (tmp_path / "a/b/c.txt").read_bytes() == "schön\n".encode()
    assert names(tmp_path / "a/b") == ["c.txt"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "x.txt", "old")

    with pytest.raises(OSError, match="disk full"), new_file(tmp_path / "x.txt") as file:
        file.write("ne")
        raise OSError("disk full")
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"] and (tmp_path / "x.txt").read_text() == "old"


def test_the_parts_that_killed_writers_left_are_deleted(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    zombie = subprocess.Popen(["true"])  # in a container, nobody may wait for it
    while psutil.Process(zombie.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    living = os.getppid()
    for process in (ended.pid, zombie.pid, living):
        (tmp_path / f".eval[1].json.{process}.tmp").write_text("{")
    (tmp_path / ".eval[1].json.mine.tmp").touch()
    write_json(tmp_path / "eval[1].json", {})
    assert names(tmp_path) == sorted([f".eval[1].json.{living}.tmp", ".eval[1].json.mine.tmp", "eval[1].json"])
    os.utime(tmp_path / f".eval[1].json.{living}.tmp", (0, 0))  # of an earlier process with this one's number
    write_json(tmp_path / "eval[1].json", {})
    assert names(tmp_path) == [".eval[1].json.mine.tmp", "eval[1].json"]
    zombie.wait()


def test_a_reader_meanwhile_sees_the_old_file_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "x.txt", "old")
    seen: list[str] = []
    replace = os.replace

    def watched(source: Path, target: Path) -> None:
        seen.append(target.read_text())
        assert source.parent == target.parent  # a rename within one folder is atomic
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", watched)
    write_text(tmp_path / "x.txt", "new")
    assert seen == ["old"] and (tmp_path / "x.txt").read_text() == "new"


def test_rows_that_fail_leave_nothing(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"id": 1}
        raise RuntimeError("source ends")

    with pytest.raises(RuntimeError):
        write_jsonl(tmp_path / "x.jsonl", rows())
    assert names(tmp_path) == []


def test_json_is_the_same_for_the_same_value(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1.5, "é"], "a": None})
    write_json(tmp_path / "b.json", {"a": None, "b": [1.5, "é"]})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.json").read_text(encoding="utf-8").endswith("}\n")
    assert read_json(tmp_path / "a.json") == {"a": None, "b": [1.5, "é"]}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_is_not_written(tmp_path: Path, value: float) -> None:
    with pytest.raises(DataError, match=rf"a\.json cannot be written: {value} as history\.1\.loss, which JSON"):
        write_json(tmp_path / "a.json", {"history": [{"loss": 1.0}, {"loss": value}]})
    with pytest.raises(DataError, match=rf"a\.jsonl cannot be written: {value} as loss, which JSON does not have"):
        write_jsonl(tmp_path / "a.jsonl", [{"loss": value}])
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"x\.json does not exist"),
        (b'{"a": [1, 2', r"x\.json is not valid JSON, perhaps cut off.*line 1"),
        (b'{"a":\n1,,}', r"x\.json is not valid JSON.*line 2"),
        (b"\xff\xfe", r"x\.json is not valid JSON"),
        (b"", r"x\.json is not valid JSON"),
    ],
)
def test_unreadable_json_names_file_and_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_json(tmp_path / "x.json")


# CRLF and a byte-order mark are accepted
def test_jsonl_is_read_with_its_line_numbers(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes('\ufeff{"a": 1}\r\n\n{"a": "x\u2028y"}\r\n  \n{"a": 3}'.encode())
    assert list(read_jsonl(tmp_path / "x.jsonl")) == [(1, {"a": 1}), (3, {"a": "x\u2028y"}), (5, {"a": 3})]


def test_jsonl_is_written_one_object_per_line(tmp_path: Path) -> None:
    rows = [{"b": "x\ny", "a": 1}, {"b": "\u2028", "a": 2}]
    write_jsonl(tmp_path / "x.jsonl", rows)
    assert [row for _, row in read_jsonl(tmp_path / "x.jsonl")] == rows
    first = (tmp_path / "x.jsonl").read_text(encoding="utf-8").split("\n")[0]
    assert first == '{"b": "x\\ny", "a": 1}'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"x\.jsonl does not exist"),
        (b'{"a": 1}\n{"a": 2', r"x\.jsonl, line 2: not valid JSON.*truncated"),
        (b'{"a": 1}\n\n{a: 2}\n', r"x\.jsonl, line 3: not valid JSON"),
        (b'{"a": 1}\n[1]\n', r"x\.jsonl, line 2: expected a JSON object, found list"),
        (b"null\n", r"x\.jsonl, line 1: expected a JSON object, found NoneType"),
        (b'{"a": "\xe9"}\n', r"x\.jsonl, line 1: not UTF-8"),
    ],
)
def test_unreadable_jsonl_names_file_and_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "x.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(read_jsonl(tmp_path / "x.jsonl"))


def test_a_new_folder_takes_the_place_of_the_old(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/old").write_text("old")
    with new_folder(tmp_path / "model") as folder:
        assert folder.parent == tmp_path  # a sibling: the move stays on one file system
        (folder / "new").write_text("new")
        assert names(tmp_path / "model") == ["old"]
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == ["new"]


def test_an_exception_keeps_the_old_folder(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/old").write_text("old")
    with pytest.raises(OSError, match="disk full"), new_folder(tmp_path / "model") as folder:
        (folder / "new").write_text("half")
        raise OSError("disk full")
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == ["old"]


def test_the_leftovers_of_a_killed_process_do_not_get_in(tmp_path: Path) -> None:
    for process in (os.getpid(), 1):  # of the same process id or another: SIGTERM runs no `finally`
        leftover = tmp_path / f".model.{process}.tmp"
        leftover.mkdir()
        (leftover / "half").write_text("half")
    with new_folder(tmp_path / "model") as folder:
        (folder / "new").write_text("new")
    assert names(tmp_path / "model") == ["new"]
    assert names(tmp_path) == ["model"]


def test_a_text_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        write_text(tmp_path / "x.json", "{}")
    assert names(tmp_path) == []


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_of(tmp_path / "x") == ABC


def test_files_are_on_the_disk_before_what_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power loss after a manifest was written must leave what it lists."""
    synced: list[str] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        moved = (tmp_path / "model.json").exists()
        synced.append(f"{path.relative_to(tmp_path)}{' after the manifest' if moved else ''}")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    with new_folder(tmp_path / "model") as folder:
        (folder / "part").mkdir()
        (folder / "part/weights").write_bytes(b"abc")
    assert {f"{folder.name}/part/weights", f"{folder.name}/part", folder.name, "."} == set(synced)
    assert synced[-1] == "."  # the folder's own name, at last
    synced.clear()
    write_manifest(tmp_path / "model", tmp_path / "model.json")
    assert set(synced[:3]) == {"model/part/weights", "model/part", "model"}
    temporary, names = synced[3:]
    assert temporary.startswith(".model.json.") and names == ". after the manifest"


def test_a_folder_in_place_of_a_json_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "eval.json").mkdir()
    with pytest.raises(DataError, match=r"eval\.json cannot be read: Is a directory"):
        read_json(tmp_path / "eval.json")
