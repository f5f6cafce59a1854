"""An archive is unpacked completely or not at all, and nothing in it reaches beyond its folder."""

import io
import multiprocessing
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from reinforced_cot.errors import DataError
from reinforced_cot.sources.registry import with_folders
from reinforced_cot.sources.settings import Source
from reinforced_cot.tables import archives
from reinforced_cot.tables.archives import unpacked


def zip_of(path: Path, *names: str, mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, f"content of {name}")
    return path


def tar_of(path: Path, *names: str, kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "good.txt"
            content = f"content of {name}".encode() if kind == tarfile.REGTYPE else b""
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def truncated(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-200] if path.suffix != ".tar" else path.read_bytes()[:700])
    return path


def ended(path: Path) -> Path:
    """Cut between two members."""
    path.write_bytes(path.read_bytes()[:2048])
    return path


def encrypted(path: Path) -> Path:
    content = bytearray(zip_of(path, "a.txt").read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["a.b.zip", "a.b.tar", "a.b.tar.gz", "a.b.TGZ"])
def test_an_archive_becomes_a_folder(name: str, tmp_path: Path) -> None:
    make = zip_of if name.endswith("zip") else tar_of
    archive = make(tmp_path / name, "x.txt", "below/./Y.txt", "__MACOSX/._x.txt", "below/.DS_Store")
    folder = unpacked(archive, tmp_path / "out")
    assert folder.parent == tmp_path / "out" and folder.name.startswith("a.b-") and len(folder.name) == len("a.b-") + 12
    files = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert files == {"x.txt": "content of x.txt", "below/Y.txt": "content of below/./Y.txt"}
    assert unpacked(archive, tmp_path / "out") == folder
    os.utime(archive, ns=(1, 1))
    assert unpacked(archive, tmp_path / "out") != folder


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: zip_of(folder / "a.zip", "x", "../y"), "'../y' leads out of the archive"),
        (lambda folder: tar_of(folder / "a.tar", "x", "b/../../y"), "leads out of the archive"),
        (lambda folder: zip_of(folder / "a.zip", "x", "/tmp/y"), "'/tmp/y' is absolute"),
        (lambda folder: tar_of(folder / "a.tar.gz", "x", "/tmp/y"), "is absolute"),
        (lambda folder: zip_of(folder / "a.zip", "x", "b\\y"), "has a backslash"),
        (lambda folder: tar_of(folder / "a.tar", "a\nb"), "control character"),
        (lambda folder: tar_of(folder / "a.tar", "é" * 200), "longer than a file name"),
        (lambda folder: zip_of(folder / "a.zip", "x", mode=stat.S_IFLNK | 0o777), "is a link or a device"),
        (lambda folder: zip_of(folder / "a.zip", "x", mode=stat.S_IFBLK | 0o777), "is a link or a device"),
        (lambda folder: tar_of(folder / "a.tar", "x", kind=tarfile.SYMTYPE), "is a link or a device"),
        (lambda folder: tar_of(folder / "a.tar", "x", kind=tarfile.LNKTYPE), "is a link or a device"),
        (lambda folder: tar_of(folder / "a.tar", "x", kind=tarfile.CHRTYPE), "is a link or a device"),
        (lambda folder: tar_of(folder / "a.tar", "x", kind=tarfile.FIFOTYPE), "is a link or a device"),
        (lambda folder: zip_of(folder / "a.zip", "b/x", "B/X"), "'b/x' and 'B/X' differ at most by case"),
        (lambda folder: tar_of(folder / "a.tar", "x", "x"), "differ at most by case"),
        (lambda folder: tar_of(folder / "a.tar", "x", "x/y"), "cannot be unpacked"),
        (lambda folder: truncated(zip_of(folder / "a.zip", "x")), "is it damaged"),
        (lambda folder: truncated(tar_of(folder / "a.tar.gz", *map(str, range(500)))), "is it damaged"),
        (lambda folder: truncated(tar_of(folder / "a.tar", "x" * 90)), "is it damaged"),
        (lambda folder: ended(tar_of(folder / "a.tar", *"abc")), "ends without the mark of its end"),
        (lambda folder: encrypted(folder / "a.zip"), "encrypted"),
        (lambda folder: folder / "a.zip", "a.zip cannot be read: No such file"),
    ],
)
def test_an_archive_that_is_unsafe_or_broken_leaves_nothing(
    make: Callable[[Path], Path], says: str, tmp_path: Path
) -> None:
    archive = make(tmp_path)
    with pytest.raises(DataError) as refusal:
        unpacked(archive, tmp_path / "out")
    assert says in str(refusal.value) and str(archive) in str(refusal.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"] in ([archive], [])


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_a_bomb_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_ALWAYS_ALLOWED", 0)
    content = bytes(20_000_000)
    if name.endswith("zip"):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("a", content)
    else:
        with tarfile.open(tmp_path / name, "w:gz") as packed:
            entry = tarfile.TarInfo("a")
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    with pytest.raises(DataError, match="200 times its size"):
        unpacked(tmp_path / name, tmp_path / "out")
    assert not [path for path in (tmp_path / "out").iterdir() if path.is_dir()]


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MOST_FILES", 3)
    with pytest.raises(DataError, match="more than 3 files"):
        unpacked(zip_of(tmp_path / "a.zip", *"abcd"), tmp_path / "out")


def test_processes_that_unpack_at_once_agree(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", *(f"{number}.txt" for number in range(300)))
    with multiprocessing.get_context("fork").Pool(3) as pool:
        folders = pool.starmap(unpacked, [(archive, tmp_path / "out")] * 6)
    assert len(set(folders)) == 1 and len(list(folders[0].iterdir())) == 300
    assert [path for path in (tmp_path / "out").iterdir() if path.is_dir()] == [folders[0]]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", "x")
    folder = unpacked(archive, tmp_path / "out")
    folder.rename(tmp_path / f"out/.{folder.name}.0123.tmp")
    assert unpacked(archive, tmp_path / "out") == folder
    assert [path for path in (tmp_path / "out").iterdir() if path.is_dir()] == [folder]


def test_a_member_is_named_within_the_archive(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", "data/train.csv", "data/val.csv", "data/test.csv")
    for member in ("data/train.csv", "data"):
        source = with_folders(Source(source="table", file=str(archive), member=member), tmp_path / "out")
        assert source.file and Path(source.file).exists() and source.file.endswith(member)
    whole = with_folders(Source(source="table", file=str(archive)), tmp_path / "out")
    assert whole.file and Path(whole.file).name == "data"
    for member in ("data/trian.csv", "../a.zip", str(archive)):
        with pytest.raises(DataError) as refusal:
            with_folders(Source(source="table", file=str(archive), member=member), tmp_path / "out")
        assert f"has no member {member!r}" in str(refusal.value)
