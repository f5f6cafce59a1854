"""What a finished policy no longer needs: the checkpoints of its training, and answers that were collected since.

All of it is undeclared: no rule reads it, so that nothing becomes stale. Files that training did not write are kept.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.files import read_json
from reinforced_cot.folder_lock import lock_folder
from reinforced_cot.manifests import check_manifest
from reinforced_cot.resuming import saved_checkpoints

_REPLACED = re.compile(r"replaced-\d+")


class Leftover(NamedTuple):
    """A folder that may be deleted.

    Attributes:
        path: where it is found. size: bytes of the files in it, without those behind links.
    """

    path: Path
    size: int

    def __str__(self) -> str:
        """Its size and path, and where that leads if a part of the path is a link."""
        real = self.path.resolve()
        return f"{shown(self.size)}  {self.path}{f' -> {real}' if real != self.path.absolute() else ''}"


class Kept(NamedTuple):
    """A policy's folder in which nothing may be deleted, and the reason."""

    path: Path
    reason: str


def leftovers(results: Path) -> Iterator[Leftover | Kept]:
    """What may be deleted below a results folder, and the policies that are left alone.

    The folder of each policy of which something may be deleted is locked until this process ends.

    Raises:
        DataError: there is no such folder.
    """
    if not results.is_dir():
        raise DataError(f"there is no folder {results}: give the results folder of a run, such as results")
    policies = [path for path in (*results.glob("*/"), *results.glob("seed_*/*/")) if _found(path)]
    for policy in sorted(policies):
        try:
            lock_folder(policy, patience=0)
            published = _check_finished(policy)
        except PipelineError as error:
            yield Kept(policy, str(error))
        else:
            found = sorted(_found(policy), key=lambda path: path.name == published)  # last: it tells whose these are
            yield from (Leftover(path, _size(path)) for path in found)


def delete(leftover: Leftover) -> None:
    """Delete a leftover. Links in it are removed, and what they lead to is kept."""
    rmtree(leftover.path)


def shown(size: int) -> str:
    """Bytes as a person reads them."""
    return f"{size / 1e9:8.2f} GB" if size >= 1e8 else f"{size / 1e6:8.2f} MB"


def _found(policy: Path) -> list[Path]:
    """The folders that training and answering leave in a policy's folder; not the link that one of them may be."""
    checkpoints, answers = policy / "checkpoints", policy / "partial_answers"
    replaced = sorted(path for path in checkpoints.glob("replaced-*") if _REPLACED.fullmatch(path.name))
    found = [*saved_checkpoints(checkpoints), *replaced, *([answers] if (policy / "answers.jsonl").is_file() else [])]
    return [path for path in found if path.is_dir() and not path.is_symlink()]


def _check_finished(policy: Path) -> str:
    """See that a policy is published, completely, and that its checkpoints are those of the published training.

    Returns:
        The name of the checkpoint that was published; empty where no checkpoint is kept.

    Raises:
        DataError: it is not, and what is missing.
    """
    check_manifest(policy / "model", policy / "model.json", content=True)
    if not (checkpoints := policy / "checkpoints").is_dir():
        return ""
    curves = read_json(policy / "metrics.json")  # Snakemake deletes it when training starts again
    if (policy / "adapter").is_dir():
        check_manifest(policy / "adapter", policy / "adapter.json", content=True)
    published: str = curves["best_checkpoint"] or f"checkpoint-{curves['steps']}"
    saved = saved_checkpoints(checkpoints)
    if saved and published not in [path.name for path in saved]:
        raise DataError(f"{checkpoints} has no {published}, which was published: another training has begun there")
    return published


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
