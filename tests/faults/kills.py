"""A job is killed, at random or at a named moment; the same command again must make what an undisturbed run makes."""

import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from jobs import Job, before, left_behind
from outputs import differences
from processes import ENDING, WAYS, Run
from workflow_copy import WorkflowCopy

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# Files whose appearance is a critical moment, relative to the folder of the job's outputs: what is about to be written,
# what is half written, what has just been published while the rest has not.
MOMENTS: dict[str, tuple[str, ...]] = {
    "prepare_data": ("images/.{subject}.*.tmp", "images/{subject}", "sources.{subject}.jsonl", "{subject}.jsonl"),
    "check_data": (".summary.json.*.tmp", "summary.json"),
    "base_model": (".model.*.tmp", ".model.*.tmp/model.safetensors", "model", "model.json"),
    "sft": (
        *("checkpoints/fingerprint.json", "checkpoints/checkpoint-4", "checkpoints/checkpoint-4/optimizer.pt"),
        *("checkpoints/checkpoint-4/trainer_state.json", "checkpoints/checkpoint-4/manifest.json"),
        *("checkpoints/checkpoint-8/manifest.json", ".adapter.*.tmp", "adapter", "adapter.json", "metrics.json"),
    ),
    "grpo": (
        *("checkpoints/fingerprint.json", "checkpoints/checkpoint-2", "checkpoints/checkpoint-2/optimizer.pt"),
        *("checkpoints/checkpoint-2/trainer_state.json", "checkpoints/checkpoint-2/manifest.json"),
        *("checkpoints/checkpoint-4/manifest.json", ".adapter.*.tmp", "adapter", "adapter.json", "metrics.json"),
    ),
    "merge_lora": (".model.*.tmp", ".model.*.tmp/model.safetensors", "model", "model.json", "merge.json"),
    "answer": ("partial_answers/shard_0.jsonl", ".answers.jsonl.*.tmp", "answers.jsonl", "timing.json"),
    "sample": (".{subject}/partial_answers/shard_0.jsonl", ".{subject}.jsonl.*.tmp", "{subject}.jsonl"),
    "pass_rates": (".pass_rates.json.*.tmp", "pass_rates.json"),
    "ask_teacher": (
        *("../replies/{subject}/replies.jsonl", ".{subject}.spent.json.*.tmp", "{subject}.spent.json"),
        *(".{subject}.replies.jsonl.*.tmp", "{subject}.replies.jsonl"),
    ),
    "filter_chains": (".{subject}.json.*.tmp", "{subject}.json", ".{subject}.jsonl.*.tmp", "{subject}.jsonl"),
    "evaluate": (".predictions.jsonl.*.tmp", "predictions.jsonl", "eval.json"),
    "compare": (".comparisons.json.*.tmp", "comparisons.json"),
    "report": (".report_files.*.tmp", "report_files", ".report.html.*.tmp", "report.html"),
    "model_card": (".model_card.md.*.tmp", "model_card.md", "model/README.md"),
}
SUBJECTS = ("", "train", "base", "sft", "grpo", "rated", "far")  # one of each kind: gspo's jobs are those of grpo
_START = 4.0  # seconds until Snakemake starts a job
_LIMIT = 600.0  # seconds for the run that must succeed
_ATTEMPTS = 4
_LOCKED = "Directory cannot be locked"  # Snakemake's message after it was killed: the one manual step, `--unlock`


class Kill(NamedTuple):
    """One kill: when (a share of the job's time, or a pattern of `MOMENTS`), by which signal, of the group or stage."""

    moment: float | str
    signal: signal.Signals
    aim: str


@dataclass
class KillTrial:
    """A job, the kills that it suffers one after another, and what came of it."""

    job: str
    way: str
    kills: tuple[Kill, ...]
    happened: list[str] = field(default_factory=list)
    unlocked: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def name(self) -> str:
        kills = ", ".join(f"{kill.signal.name} to the {kill.aim} at {kill.moment}" for kill in self.kills)
        return f"{self.job} by {self.way}: {kills}"

    @property
    def said(self) -> str:
        return ", ".join([*self.happened, *(["unlocked"] if self.unlocked else [])])

    @property
    def outcome(self) -> str:
        return self.happened[0]

    @property
    def problem(self) -> str:
        return "; ".join(self.problems)


def drawn_kills(jobs: Mapping[str, Job], count: int, seed: int) -> list[KillTrial]:
    """``count`` trials that go through all stages, and for each one through its moments; every second is at random.

    One in four is killed a second time, at random, when the same command is given again.
    """
    draw = Random(seed)
    turns = {rule: draw.sample(patterns, len(patterns)) for rule, patterns in MOMENTS.items()}
    killed = [name for name, job in jobs.items() if job.subject in SUBJECTS]
    order = draw.sample(sorted(killed), len(killed))
    trials = []
    for number in range(count):
        job = jobs[order[number % len(order)]]
        round_ = number // len(order)
        if round_ % 2:
            patterns = turns[job.rule]
            moment: float | str = patterns[(round_ // 2) % len(patterns)].format(subject=job.subject)
        else:
            moment = round(draw.random(), 3)
        first = Kill(moment, draw.choice(SIGNALS), draw.choice(("group", "stage")))
        again = Kill(round(draw.random(), 3), draw.choice(SIGNALS), draw.choice(("group", "stage")))
        kills = (first, again) if draw.random() < 0.25 else (first,)
        trials.append(KillTrial(job.name, draw.choice(WAYS), kills))
    return trials


def perform(trial: KillTrial, run: WorkflowCopy, jobs: Mapping[str, Job], root: Path) -> KillTrial:
    """Carry a trial out in a copy of the finished run at ``root``, which is deleted if nothing went wrong."""
    started, job = time.monotonic(), jobs[trial.job]
    for _ in range(_ATTEMPTS):
        copy = before(run, job, root)
        trial.happened = [
            _suffer(_begun(copy, job, trial), copy.root / job.folder, job, kill, trial) for kill in trial.kills
        ]
        if trial.happened[0] == "killed":
            break
        # Too late: the machine is faster than in the undisturbed run, or the moment was shorter than a look at it.
        first, *others = trial.kills
        moment = first.moment / 2 if isinstance(first.moment, float) else first.moment
        trial.kills = (first._replace(moment=moment), *others)
        shutil.rmtree(root)
    else:
        copy = before(run, job, root)
    last = _begun(copy, job, trial)
    code = last.end(_LIMIT)
    if code != 0:
        said = (copy.root / job.log).read_text(errors="replace") if (copy.root / job.log).is_file() else ""
        trial.problems.append(f"the same command again ended with {code}: {(last.text() + said)[-800:]}")
    trial.problems += [f"{command} outlives the run" for command in last.orphans()]
    # SIGTERM lets a training save a checkpoint of its own, which stays beside the others.
    saved = sum(kill.signal is signal.SIGTERM for kill in trial.kills)
    # One that was killed between its state and its manifest looks damaged, and is moved aside.
    kept = ("checkpoints/checkpoint-", "checkpoints/replaced-1/checkpoint-")
    trial.problems += differences(run, copy, job, saved) + left_behind(run, copy, kept)
    trial.seconds = round(time.monotonic() - started, 1)
    if not trial.problems:
        shutil.rmtree(root)
    return trial


def _suffer(run: Run, folder: Path, job: Job, kill: Kill, trial: KillTrial) -> str:
    """Wait for the moment of a kill, kill the job, see that all its processes end, and return what happened to it."""
    if isinstance(kill.moment, float):
        time.sleep(kill.moment * (job.seconds + (_START if trial.way == "snakemake" else 0)))
        reached = True
    else:
        reached = _appeared(run, folder, kill.moment)
    alive = run.process.poll() is None
    run.send(kill.signal, kill.aim)
    if run.end(ENDING) is None:
        trial.problems.append(f"it goes on {ENDING:g} seconds after {kill.signal.name}")
    trial.problems += [f"{command} outlives {kill.signal.name}" for command in run.orphans()]
    return "killed" if alive and reached else "it had ended before"


def _appeared(run: Run, folder: Path, pattern: str) -> bool:
    """Wait until a file of this name is there; False if the run ends without it."""
    while True:
        if next(folder.glob(pattern), None):
            return True
        if run.process.poll() is not None:
            return next(folder.glob(pattern), None) is not None
        time.sleep(0.001)


def _begun(copy: WorkflowCopy, job: Job, trial: KillTrial) -> Run:
    """The job, started. Where Snakemake refuses it because it was killed itself, `--unlock` comes first, as it asks."""
    if trial.way == "snakemake" and list(copy.root.glob(".snakemake/locks/*")):
        refused = Run(copy, job, trial.way)
        if refused.end(_LIMIT) == 0 or _LOCKED not in refused.text():
            trial.problems.append(f"locked, but Snakemake does not say so: {refused.text()[-300:]}")
        copy.snakemake("--unlock")
        trial.unlocked += 1
    return Run(copy, job, trial.way)
