"""What a finished run no longer needs: checkpoints of trainings, batches of complete answers, unpacked archives.

All of it is undeclared: no rule reads it, so that nothing becomes stale. Files that a stage did not write are kept, and
so are a teacher's replies, which were paid for.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.files import read_json
from reinforced_cot.folder_lock import lock_folder
from reinforced_cot.manifests import check_manifest
from reinforced_cot.result_files import check_result, read_result
from reinforced_cot.resuming import VALIDATION, saved_checkpoints

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
    """A folder in which nothing may be deleted, and the reason."""

    path: Path
    reason: str


def leftovers(results: Path) -> Iterator[Leftover | Kept]:
    """What may be deleted below a results folder, and the folders that are left alone.

    The folder of each policy of which something may be deleted is locked until this process ends; so is each folder of
    unfinished samples.

    Raises:
        DataError: there is no such folder.
    """
    if not results.is_dir():
        raise DataError(f"there is no folder {results}: give the results folder of a run, such as results")
    runs = (results, *results.glob("seed_*/"))
    for policy in sorted(path for run in runs for path in run.glob("*/") if _found(path)):
        yield from _unless_refused(policy, _of_policy)
    for unfinished in sorted(path for run in runs for path in run.glob("samples/.*/") if _is_collected(path)):
        yield from _unless_refused(unfinished, _of_samples)
    for archives in sorted(path for run in runs for path in run.glob("data/.unpacked/") if not path.is_symlink()):
        yield from _unless_refused(archives, _of_archives)


def _unless_refused(folder: Path, found: Callable[[Path], list[Path]]) -> Iterator[Leftover | Kept]:
    """What was found in a folder; where that raises an error, the folder and why it is left alone."""
    try:
        paths = found(folder)
    except PipelineError as error:
        yield Kept(folder, str(error))
    else:
        yield from (Leftover(path, _size(path)) for path in paths)


def delete(leftover: Leftover) -> None:
    """Delete a leftover. Links in it are removed, and what they lead to is kept."""
    rmtree(leftover.path)


def shown(size: int) -> str:
    """Bytes as a person reads them."""
    return f"{size / 1e9:8.2f} GB" if size >= 1e8 else f"{size / 1e6:8.2f} MB"


def _of_policy(policy: Path) -> list[Path]:
    lock_folder(policy, patience=0)
    published = _check_finished(policy)
    return sorted(_found(policy), key=lambda path: path.name == published)  # last: it tells whose these are


def _found(policy: Path) -> list[Path]:
    """The folders that training and answering leave in a policy's folder; not the link that one of them may be."""
    checkpoints, answers = policy / "checkpoints", policy / "partial_answers"
    replaced = sorted(path for path in checkpoints.glob("replaced-*") if _REPLACED.fullmatch(path.name))
    found = [
        *saved_checkpoints(checkpoints),
        *replaced,
        checkpoints / VALIDATION,
        *([answers] if (policy / "answers.jsonl").is_file() else []),
    ]
    return [path for path in found if path.is_dir() and not path.is_symlink()]


def _is_collected(unfinished: Path) -> bool:
    """Whether a folder that sampling leaves when it is killed stands beside the samples that were made since."""
    return _samples(unfinished).is_file() and not unfinished.is_symlink()


def _samples(unfinished: Path) -> Path:
    return unfinished.with_name(f"{unfinished.name[1:]}.jsonl")


def _of_samples(unfinished: Path) -> list[Path]:
    lock_folder(unfinished, patience=0)
    check_result(_samples(unfinished))
    return [unfinished]


def _of_archives(unpacked: Path) -> list[Path]:
    """The folder of unpacked archives, once all splits are prepared, with their own images, and all programs ran."""
    data, chains = unpacked.parent, unpacked.parents[1] / "chains"
    for split in read_result(data / "summary.json")["splits"]:
        if not (data / f"{split}.jsonl").is_file():  # Snakemake deletes it when the split is prepared again
            raise DataError(f"{data} has no {split}.jsonl: the split is not prepared")
    for settings in chains.glob("*.run.yaml"):
        executed = settings.name.replace(".run.yaml", ".executed.jsonl")
        if not (chains / executed).is_file():
            raise DataError(f"{chains} has no {executed}: the programs of GQA's questions are read from an archive")
    return [unpacked]


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
