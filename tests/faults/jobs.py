"""The jobs of a finished run, as Snakemake itself would start them, and copies of the run from before one of them."""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workflow_copy import WorkflowCopy

RESULTS = "results/smoke"  # as tests/configs/smoke.yaml names it
# What a stage keeps beside its declared outputs, so that a killed job can go on.
KEPT = {
    "sft": ("checkpoints", "tensorboard", ".lock"),
    "grpo": ("checkpoints", "tensorboard", ".lock"),
    "answer": ("partial_answers",),
    "sample": (".{subject}/partial_answers",),
    "ask_teacher": ("../replies/{subject}",),
}
# What is made beside the report, see `chain_sets.with_chains`.
CHAIN_TARGETS = (f"{RESULTS}/taught/adapter.json", f"{RESULTS}/rated/adapter.json")
# A block of `snakemake --dry-run --printshellcmds`: the rule, its properties, its command.
_BLOCK = re.compile(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)Shell command: exec (python .*)$", re.MULTILINE)
_PROPERTY = re.compile(r"^    (\w+): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """One job of the run.

    Attributes:
        rule: the name of its rule.
        subject: the policy, the split or the set of chains that it is about; empty for a job about the whole run.
        outputs: the files and folders that it declares, relative to the run's root.
        log: the file that the stage's messages go to.
        command: the shell command of its rule.
        threads: how many threads Snakemake gives it.
        seconds: how long it took in the undisturbed run.
    """

    rule: str
    subject: str
    outputs: tuple[str, ...]
    log: str
    command: str
    threads: int
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.rule} {self.subject}".strip()

    @property
    def folder(self) -> Path:
        """The folder of its outputs, relative to the run's root."""
        return Path(self.outputs[0]).parent

    @property
    def kept(self) -> list[Path]:
        """What its stage keeps for it when it is killed, relative to the run's root."""
        return [self.folder / name.format(subject=self.subject) for name in KEPT.get(self.rule, ())]


def jobs_of(run: WorkflowCopy) -> dict[str, Job]:
    """All jobs of a finished run that start a script, by their names, in Snakemake's order.

    They come from Snakemake's own dry-run, so that a new stage is among them.
    """
    found = {}
    for rule, properties, command in _BLOCK.findall(
        run.snakemake("--dry-run", "--forceall", "--printshellcmds", "--cores", "1", "--", "all", *CHAIN_TARGETS)
    ):
        values = dict(_PROPERTY.findall(properties))
        job = Job(
            rule=rule,
            subject=values.get("wildcards", "").partition("=")[2],
            outputs=tuple(values["output"].split(", ")),
            log=values["log"],
            command=command.replace(f"{run.root}/", ""),  # the scripts of a copy of the run are the copy's own
            threads=int(values.get("threads", 1)),
            seconds=_seconds(run.root / values["benchmark"]),
        )
        found[job.name] = job
    return found


def _seconds(benchmark: Path) -> float:
    """The first column of a benchmark file."""
    return float(benchmark.read_text().splitlines()[1].split("\t")[0])


def before(run: WorkflowCopy, job: Job, root: Path, kept: bool = False) -> WorkflowCopy:
    """Copy a finished run to ``root`` and delete what ``job`` has made.

    Args:
        kept: leave what the stage keeps for a killed job, as if it had been killed just before it published.
    """
    shutil.copytree(run.root, root, symlinks=True)
    for name in (*map(Path, job.outputs), *([] if kept else job.kept)):
        remove(root / name)
    (root / job.log).unlink(missing_ok=True)
    return WorkflowCopy(root, run.options)


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def files_below(folder: Path) -> Iterator[str]:
    """The files of a results folder that a run is compared by, relative to it.

    Left out are Snakemake's own marks, logs, benchmarks, and TensorBoard's files, whose names hold a time.
    """
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        is_own = not {"tensorboard", "logs", "benchmarks"} & set(name.parts)
        if is_own and path.name != ".snakemake_timestamp" and not path.is_dir():
            yield str(name)


def left_behind(finished: WorkflowCopy, copy: WorkflowCopy, allowed: Sequence[str] = ()) -> list[str]:
    """Files of a copy's results that the finished run does not have: temporary files, or parts of unfinished ones.

    Args:
        allowed: parts of paths of files that may be there.
    """
    known = set(files_below(finished.root / RESULTS))
    return [
        f"{name} is left behind"
        for name in files_below(copy.root / RESULTS)
        if name not in known and not any(part in name for part in allowed)
    ]
