"""A manifest lists every file of a folder, and shows missing and cut ones."""

import json
from pathlib import Path

import pytest

from reinforced_cot.errors import DataError
from reinforced_cot.manifests import check_manifest, write_manifest

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # sha256 of "abc", FIPS 180-2


def checkpoint(folder: Path) -> Path:
    (folder / "model/sub").mkdir(parents=True)
    (folder / "model/a.bin").write_bytes(b"abc")
    (folder / "model/sub/b.bin").write_bytes(b"abcd")
    return folder / "model"


def test_manifest_lists_every_file(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path)
    manifest = write_manifest(folder, tmp_path / "model.json", source="hub")
    assert manifest["source"] == "hub"
    assert manifest["files"]["a.bin"] == {"bytes": 3, "sha256": ABC}
    assert sorted(manifest["files"]) == ["a.bin", "sub/b.bin"]
    assert json.loads((tmp_path / "model.json").read_text()) == manifest
    assert check_manifest(folder, tmp_path / "model.json") == manifest


def test_manifest_reads_through_links(tmp_path: Path) -> None:  # weight shards of a local base are links
    folder = checkpoint(tmp_path)
    (tmp_path / "shard").write_bytes(b"abc")
    (folder / "c.safetensors").symlink_to(tmp_path / "shard")
    manifest = write_manifest(folder, tmp_path / "model.json")
    assert manifest["files"]["c.safetensors"] == {"bytes": 3, "sha256": ABC}
    (tmp_path / "shard").unlink()
    with pytest.raises(DataError, match=r"c\.safetensors is missing"):
        check_manifest(folder, tmp_path / "model.json")


def test_manifest_notices_missing_and_truncated_files(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path)
    write_manifest(folder, tmp_path / "model.json")
    (folder / "sub/b.bin").write_bytes(b"abc")
    with pytest.raises(DataError, match=r"b\.bin is damaged: it has 3 bytes, .*model\.json says 4; delete"):
        check_manifest(folder, tmp_path / "model.json")
    (folder / "sub/b.bin").unlink()
    with pytest.raises(DataError, match=r"b\.bin is missing though .*model\.json lists it"):
        check_manifest(folder, tmp_path / "model.json")
    (tmp_path / "model.json").unlink()
    with pytest.raises(DataError, match=r"model\.json does not exist"):
        check_manifest(folder, tmp_path / "model.json")
