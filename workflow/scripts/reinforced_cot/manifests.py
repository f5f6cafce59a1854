"""Manifests: size and sha256 of every file of a folder, written when the folder is complete."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from reinforced_cot.errors import DataError
from reinforced_cot.files import sha256_of, sync_tree, write_json
from reinforced_cot.result_files import made_again, read_result

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
