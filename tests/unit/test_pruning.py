"""Only what a finished run no longer needs is deleted, nothing of anybody else, and nothing unasked."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import prune
import pytest

from reinforced_cot.errors import DataError
from reinforced_cot.files import write_json
from reinforced_cot.folder_lock import LOCK
from reinforced_cot.manifests import write_manifest
from reinforced_cot.paths import SCRIPTS
from reinforced_cot.pruning import Kept, leftovers
from reinforced_cot.result_files import write_result, write_result_rows


def written(path: Path, text: str = "weights") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def policy(folder: Path) -> Path:
    """A trained and merged policy that leaves two checkpoints, one of another run, and what prune must not touch."""
    for name in ("model", "adapter"):
        written(folder / name / "model.safetensors")
        write_manifest(folder / name, folder / f"{name}.json")
    write_json(folder / "metrics.json", {"best_checkpoint": "checkpoint-2", "steps": 4})
    checkpoints = folder / "checkpoints"
    for name in ("checkpoint-2", "checkpoint-4", "replaced-1/checkpoint-9", "checkpoint-2-mine", "replaced-mine"):
        written(checkpoints / name / "optimizer.pt")
    written(checkpoints / "fingerprint.json", "{}")
    written(folder / "tensorboard/events")
    return folder


DELETED = ["checkpoints/checkpoint-2", "checkpoints/checkpoint-4", "checkpoints/replaced-1"]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != LOCK}


def pruned(results: Path, *options: str, stdin: int = subprocess.DEVNULL) -> "subprocess.CompletedProcess[str]":
    """A call in a process of its own, with which its locks end."""
    command = [sys.executable, str(SCRIPTS / "prune.py"), "--results", str(results), *options]
    return subprocess.run(command, stdin=stdin, capture_output=True, text=True)


def test_leftovers_are_listed_then_deleted_and_all_else_is_kept(tmp_path: Path) -> None:
    folders = [policy(tmp_path / "sft"), policy(tmp_path / "seed_2/grpo")]
    written(folders[0] / "answers.jsonl")
    written(folders[0] / "partial_answers/shard_0.jsonl")
    written(folders[1] / "partial_answers/shard_0.jsonl")  # its answers are not complete
    before = files(tmp_path)
    preview = pruned(tmp_path)
    assert preview.returncode == 1 and preview.stderr.startswith("error: nothing was deleted: give --yes")
    assert files(tmp_path) == before
    assert pruned(tmp_path, "--yes").returncode == 0
    expected = {
        file
        for file in before
        if not any(file.startswith(f"{folder.relative_to(tmp_path)}/{name}/") for folder in folders for name in DELETED)
    }
    assert files(tmp_path) == expected - {"sft/partial_answers/shard_0.jsonl"}
    for folder in folders:
        assert all(f"MB  {folder / name}\n" in preview.stdout for name in DELETED)


UNFINISHED = {
    "no model": lambda folder: (folder / "model.json").unlink(),
    "a damaged model": lambda folder: written(folder / "model/model.safetensors", "weighty"),
    "training has begun again": lambda folder: (folder / "metrics.json").unlink(),
    "an adapter without its manifest": lambda folder: (folder / "adapter.json").unlink(),
    "checkpoints of another training": lambda folder: (folder / "checkpoints/checkpoint-2").rename(
        folder / "checkpoints/checkpoint-3"
    ),
}


@pytest.mark.parametrize("damage", UNFINISHED)
def test_a_policy_that_is_not_published_keeps_everything(tmp_path: Path, damage: str) -> None:
    UNFINISHED[damage](policy(tmp_path / "sft"))
    before = files(tmp_path)
    (entry,) = leftovers(tmp_path)
    assert isinstance(entry, Kept) and entry.path == tmp_path / "sft" and "in use" not in entry.reason
    prune.main(["--results", str(tmp_path), "--yes"])
    assert files(tmp_path) == before


def sampled(results: Path) -> Path:
    """Samples, and what a job leaves that is killed while it removes the batches of which they were made."""
    write_result_rows(results / "samples/base.jsonl", [{"id": "1", "samples": ["red"]}])
    written(results / "samples/.base/partial_answers/shard_0.jsonl")
    return results / "samples/.base"


def unpacked(results: Path) -> Path:
    """Prepared data, and the archive that it was read from, unpacked."""
    written(results / "data/train.jsonl")
    write_result(results / "data/summary.json", {"splits": {"train": {}}})
    written(results / "data/.unpacked/cars-0123/0.jpg")
    return results / "data/.unpacked"


@pytest.mark.parametrize("left", [sampled, unpacked])
def test_batches_of_samples_and_unpacked_archives_are_deleted(tmp_path: Path, left: Callable[[Path], Path]) -> None:
    written(tmp_path / "replies/far/replies.jsonl")  # paid for
    written(tmp_path / "chains/far.refused.json")
    written(tmp_path / "samples/.sft/partial_answers/shard_0.jsonl")  # its samples are not complete
    folders = [left(tmp_path), left(tmp_path / "seed_2")]
    before = files(tmp_path)
    text = pruned(tmp_path, "--yes").stdout
    assert all(f"MB  {folder}\n" in text and not folder.exists() for folder in folders)
    below = [str(folder.relative_to(tmp_path)) for folder in folders]
    assert files(tmp_path) == {file for file in before if not file.startswith(tuple(f"{folder}/" for folder in below))}


@pytest.mark.parametrize(
    ("left", "file", "reason"),
    [
        (sampled, "samples/base.jsonl", "is not what"),
        (unpacked, "data/summary.json", "is not valid JSON"),
        (unpacked, "data/train.jsonl", "has no train.jsonl: the split is not prepared"),
        (unpacked, "chains/own.run.yaml", "has no own.executed.jsonl"),
    ],
)
def test_what_may_still_be_needed_is_kept(tmp_path: Path, left: Callable[[Path], Path], file: str, reason: str) -> None:
    folder = left(tmp_path)
    if file.endswith("train.jsonl"):
        (tmp_path / file).unlink()
    else:
        written(tmp_path / file, "{")
    (entry,) = leftovers(tmp_path)
    assert isinstance(entry, Kept) and entry.path == folder and reason in entry.reason


@pytest.mark.parametrize("left", [sampled, unpacked])
def test_folders_behind_a_link_are_kept(tmp_path: Path, left: Callable[[Path], Path]) -> None:
    folder = left(tmp_path / "results")
    folder.rename(tmp_path / "disk")
    folder.symlink_to(tmp_path / "disk")
    assert list(leftovers(tmp_path / "results")) == []


@pytest.mark.parametrize("left", [policy, sampled])
def test_a_policy_in_training_and_samples_that_are_drawn_keep_everything(
    tmp_path: Path, left: Callable[[Path], Path]
) -> None:
    folder = left(tmp_path / "sft")
    code = "import sys; from reinforced_cot.folder_lock import *; lock_folder(Path(sys.argv[1])); print(); input()"
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as training:
        assert training.stdout is not None and training.stdout.readline() == b"\n"
        (entry,) = leftovers(tmp_path if left is policy else tmp_path / "sft")
        training.communicate(b"\n")
    assert isinstance(entry, Kept) and "is in use by another run" in entry.reason


def test_links_are_shown_and_what_they_lead_to_is_kept(tmp_path: Path) -> None:
    """A user keeps checkpoints on another disk, with files of their own beside them."""
    folder, disk = policy(tmp_path / "results/sft"), tmp_path / "disk"
    (folder / "checkpoints").rename(disk)
    (folder / "checkpoints").symlink_to(disk)
    mine = written(tmp_path / "mine/data")
    (disk / "checkpoint-4/link").symlink_to(mine.parent)
    (disk / "checkpoint-6").symlink_to(mine.parent)
    text = pruned(tmp_path / "results", "--yes").stdout
    shown = [line.partition(" -> ")[2] for line in text.splitlines() if " -> " in line]
    assert sorted(shown) == sorted(str(disk / Path(name).name) for name in DELETED)
    # The published one is deleted last: after an interruption, it tells whose the others are.
    assert shown[-1] == str(disk / "checkpoint-2")
    assert mine.is_file() and (folder / "checkpoints").is_symlink()
    assert sorted(path.name for path in disk.iterdir()) == [
        *("checkpoint-2-mine", "checkpoint-6", "fingerprint.json", "replaced-mine")
    ]


@pytest.mark.parametrize(("answer", "is_deleted"), [("yes", True), ("y", False), ("", False)])
def test_a_terminal_is_asked(tmp_path: Path, answer: str, is_deleted: bool) -> None:
    folder = policy(tmp_path / "sft")
    terminal, end = pty.openpty()
    os.write(terminal, f"{answer}\n".encode())
    text = pruned(tmp_path, stdin=end).stdout
    assert (folder / "checkpoints/checkpoint-4").exists() is not is_deleted
    assert ("nothing was deleted" in text) is not is_deleted


def test_a_missing_results_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        list(leftovers(tmp_path / "reslts"))
