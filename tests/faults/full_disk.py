"""A job whose folder is on a disk that is too small: one clear line; once there is room, the same command goes on."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jobs import Job, before, left_behind
from outputs import differences
from processes import Run
from workflow_copy import WorkflowCopy

# How many bytes are free beside what a job reads there: too few for the second checkpoint, for the first one, for the
# merged weights, for the pretrained ones, for the answers, for the samples, for the images.
ROOMS = (
    ("sft sft", 400_000),
    ("sft sft", 100_000),
    ("grpo grpo", 400_000),
    ("merge_lora sft", 1_000_000),
    ("base_model", 1_000_000),
    ("answer base", 12_000),
    ("sample base", 8_000),
    ("prepare_data train", 100_000),
    ("evaluate base", 10_000),
)
_LIMIT = 600.0
_ENOUGH = "256m"


@dataclass
class FullDiskTrial:
    """A job, the bytes that are free, and what the job said."""

    job: str
    room: int
    said: str = ""
    problem: str = ""
    seconds: float = 0.0

    @property
    def outcome(self) -> str:
        return "named, and gone on"

    @property
    def name(self) -> str:
        return f"{self.job} with {self.room} bytes free"


def all_full_disks() -> list[FullDiskTrial]:
    return [FullDiskTrial(job, room) for job, room in ROOMS]


def can_mount(root: Path) -> bool:
    """Whether this user may mount a tmpfs, which takes root or its capabilities. ``root`` is made and deleted."""
    (root / "disk").mkdir(parents=True)
    try:
        with small_disk(root / "disk", root / "aside"):
            return True
    except (subprocess.CalledProcessError, FileNotFoundError):
        return False
    finally:
        shutil.rmtree(root)


@contextmanager
def small_disk(folder: Path, aside: Path) -> Iterator[None]:
    """A file system of its own at ``folder``, with the folder's content; it is gone when the block ends.

    Args:
        aside: where the folder's content is moved to, from which it is copied.
    """
    folder.rename(aside)
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_ENOUGH}", "faults", folder], check=True, capture_output=True)
    try:
        shutil.copytree(aside, folder, symlinks=True, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def resize(folder: Path, size: str) -> None:
    """Give a mounted tmpfs another size."""
    subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)


_SAYS_SO = r"the disk of \S+ (is full|has [\d.]+ [GM]iB free, and)"  # while it writes, or before it begins


def perform(trial: FullDiskTrial, run: WorkflowCopy, jobs: Mapping[str, Job], root: Path) -> FullDiskTrial:
    """Carry a trial out in a copy of the finished run at ``root``, which is deleted if nothing went wrong."""
    started, job = time.monotonic(), jobs[trial.job]
    copy = before(run, job, root)
    folder = copy.root / job.folder
    with small_disk(folder, copy.root / "aside"):
        status = os.statvfs(folder)
        resize(folder, str((status.f_blocks - status.f_bfree) * status.f_frsize + trial.room))
        first = Run(copy, job, "script")
        code = first.end(_LIMIT)
        text = (copy.root / job.log).read_text(errors="replace")
        errors = re.findall(r"^error: .*", text, re.MULTILINE)
        trial.said = errors[0] if errors else ""
        if code == 0:
            trial.problem = "the disk was large enough"
        elif "Traceback (most recent call last)" in text or len(errors) != 1 or not re.search(_SAYS_SO, errors[0]):
            trial.problem = f"not one line that says that the disk is full: {text[-400:]}"
        resize(folder, _ENOUGH)
        second = Run(copy, job, "script")
        if (code := second.end(_LIMIT)) != 0:
            trial.problem += f" with room it ended with {code}: {(copy.root / job.log).read_text()[-400:]}"
        trial.problem += "; ".join([*differences(run, copy, job), *left_behind(run, copy, ("checkpoints/replaced-",))])
    trial.seconds = round(time.monotonic() - started, 1)
    if not trial.problem:
        shutil.rmtree(root)
    return trial
