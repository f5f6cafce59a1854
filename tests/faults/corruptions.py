"""A file of a run is damaged; the next job that reads it must say so in one line, or make what it made before."""

import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

from damages import DAMAGES
from jobs import RESULTS, Job, before, left_behind
from outputs import differences
from processes import Run
from workflow_copy import WorkflowCopy

_LIMIT = 600.0  # seconds for the job that reads a damaged file


class Target(NamedTuple):
    """A kind of file, the job that reads it next, and what befalls it.

    Attributes:
        pattern: of the file, relative to the results; relative to the run's root where it begins with ``/``. The first
            file that fits is damaged.
        job: the name of the job that reads it.
        damages: names in `DAMAGES`.
        way: how the job is started, see `processes.Run`.
        kept: the job was killed just before it published: it goes on from what it has kept.
        named: how the message names the file, where that is not by its name. Snakemake parses what follows
            ``--configfile`` before any code of the workflow runs; `make config` gives its name and line.
    """

    pattern: str
    job: str
    damages: tuple[str, ...]
    way: str = "script"
    kept: bool = False
    named: str = ""


WEIGHTS = ("halved", "flipped", "another")
TEXT = ("emptied", "halved", "flipped")
JSON = ("emptied", "cut", "key lost", "NaN")
ROWS = ("emptied", "line lost", "line cut", "line twice", "flipped")
TARGETS = (
    # What a run starts from.
    Target("/workflow/digits/digits.csv.gz", "prepare_data val", ("halved", "flipped", "missing")),
    Target("/workflow/report/report.html.j2", "report", ("halved", "missing")),
    Target("/config/config.yaml", "compare", ("halved", "folder"), way="snakemake"),
    Target("/tests/configs/smoke.yaml", "compare", ("emptied", "cut"), way="snakemake", named="Config file"),
    Target("/config/accelerate/cpu.yaml", "sft sft", ("emptied",)),
    # The settings of each stage.
    Target("data/train.yaml", "prepare_data train", ("emptied", "halved")),
    Target("base/train.yaml", "base_model", ("halved",)),
    Target("sft/train.yaml", "sft sft", ("emptied", "halved")),
    Target("grpo/train.yaml", "merge_lora grpo", ("halved", "folder")),
    Target("base/answer.yaml", "answer base", ("emptied", "halved")),
    # The data.
    Target("data/train.jsonl", "check_data", ROWS),
    Target("data/train.jsonl", "sft sft", ("line lost", "flipped")),
    Target("data/test.jsonl", "answer base", ("line lost", "flipped", "line cut")),
    Target("data/val.jsonl", "sft sft", ("line lost",)),
    Target("data/rejected.train.jsonl", "check_data", ("missing", "folder")),
    Target("data/images/test/*", "answer base", ("emptied", "halved", "flipped", "another", "missing")),
    Target("data/images/train/*", "sft sft", ("halved", "another")),
    Target("data/images/train/*", "grpo grpo", ("flipped",)),
    Target("data/summary.json", "report", (*JSON, "flipped")),
    # The base.
    Target("base/model/model.safetensors", "sft sft", WEIGHTS[:2]),
    Target("base/model/model.safetensors", "answer base", ("flipped", "emptied", "folder")),
    Target("base/model/model.safetensors", "merge_lora sft", ("flipped",)),
    Target("base/model/config.json", "answer base", TEXT),
    Target("base/model/tokenizer.json", "answer base", TEXT),
    Target("base/model/tokenizer_config.json", "sft sft", ("flipped", "missing")),
    Target("base/model/chat_template.jinja", "answer base", TEXT),
    Target("base/model/processor_config.json", "sft sft", ("halved", "flipped")),
    Target("base/model/generation_config.json", "answer base", ("flipped", "missing")),
    Target("base/model.json", "sft sft", ("emptied", "key lost")),
    Target("base/model.json", "answer base", ("halved", "missing")),
    # Adapters and merged models.
    Target("sft/adapter/adapter_model.safetensors", "merge_lora sft", ("halved", "flipped", "missing")),
    Target("sft/adapter/adapter_config.json", "merge_lora sft", TEXT),
    Target("sft/adapter.json", "merge_lora sft", ("emptied", "key lost", "missing")),
    Target("sft/model/model.safetensors", "grpo grpo", ("halved", "flipped")),
    Target("sft/model/model.safetensors", "answer sft", ("flipped",)),
    Target("sft/model/tokenizer.json", "grpo grpo", ("flipped",)),
    Target("sft/model.json", "merge_lora grpo", ("cut", "key lost")),
    # What a killed job goes on from.
    Target("sft/checkpoints/checkpoint-8/trainer_state.json", "sft sft", ("emptied", "flipped"), kept=True),
    Target("sft/checkpoints/checkpoint-8/adapter_model.safetensors", "sft sft", ("halved", "flipped"), kept=True),
    Target("sft/checkpoints/checkpoint-8/manifest.json", "sft sft", ("cut", "missing", "key lost"), kept=True),
    Target("sft/checkpoints/checkpoint-8", "sft sft", ("copied",), kept=True),
    Target("sft/checkpoints/fingerprint.json", "sft sft", ("halved", "missing"), kept=True),
    Target("grpo/checkpoints/checkpoint-4/optimizer.pt", "grpo grpo", ("halved", "flipped"), kept=True),
    Target("grpo/checkpoints/checkpoint-4/rng_state.pth", "grpo grpo", ("flipped", "missing"), kept=True),
    Target("grpo/checkpoints/checkpoint-4/scheduler.pt", "grpo grpo", ("emptied",), kept=True),
    Target("grpo/checkpoints/checkpoint-4/adapter_config.json", "grpo grpo", ("flipped",), kept=True),
    Target("grpo/tensorboard/*", "grpo grpo", ("halved", "folder"), kept=True),
    Target("base/partial_answers/shard_0.jsonl", "answer base", ROWS[1:], kept=True),
    Target("base/partial_answers/fingerprint.json", "answer base", ("halved", "missing"), kept=True),
    Target("vision_cache/*/*", "answer base", ("emptied", "halved", "flipped", "another", "folder")),
    # Answers, scores and proofs.
    Target("base/answers.jsonl", "evaluate base", ROWS),
    Target("sft/predictions.jsonl", "compare", ROWS),
    Target("base/eval.json", "report", (*JSON, "folder", "flipped")),
    Target("comparisons.json", "report", ("emptied", "cut", "NaN", "missing", "flipped")),
    Target("sft/metrics.json", "report", (*JSON, "halved", "flipped")),
    Target("grpo/merge.json", "report", (*JSON, "another", "flipped")),
    # Samples, pass rates and sets of chains.
    Target("samples/base.yaml", "sample base", ("halved",)),
    Target("chains/far.ask.yaml", "ask_teacher far", ("halved",)),
    Target("chains/far.yaml", "filter_chains far", ("emptied",)),
    Target("data/train.jsonl", "sample base", ("line lost",)),
    Target("data/train.jsonl", "ask_teacher far", ("flipped",)),
    Target("data/train.jsonl", "pass_rates rated", ("line lost", "flipped")),
    Target("data/train.jsonl", "filter_chains far", ("line lost", "flipped")),
    Target("data/images/train/*", "ask_teacher far", ("another",)),
    Target("base/model/model.safetensors", "sample base", ("flipped",)),
    Target("samples/.base/partial_answers/shard_0.jsonl", "sample base", ROWS[1:], kept=True),
    Target("replies/far/replies.jsonl", "ask_teacher far", ROWS, kept=True),
    Target("samples/base.jsonl", "pass_rates rated", ROWS),
    Target("chains/far.replies.jsonl", "filter_chains far", ROWS),
    Target("chains/far.spent.json", "filter_chains far", JSON),
    Target("chains/far.jsonl", "sft taught", ROWS),
    Target("rated/pass_rates.json", "grpo rated", JSON),
    # Snakemake's own records: a lost one reruns a job, and never more than that.
    Target("/.snakemake/metadata/*", "compare", ("emptied", "halved"), way="snakemake"),
)


@dataclass
class CorruptionTrial:
    """One damage to one file, and what the job that reads it made of that.

    Attributes:
        said: the line that notices it, or ``healed``; empty where neither is true.
    """

    target: Target
    damage: str
    seed: int
    said: str = ""
    problem: str = ""
    seconds: float = 0.0

    @property
    def job(self) -> str:
        return self.target.job

    @property
    def outcome(self) -> str:
        return self.said if self.said == "healed" else "noticed"

    @property
    def name(self) -> str:
        return f"{self.target.pattern.lstrip('/')} {self.damage}: {self.target.job}"


def all_corruptions(seed: int) -> list[CorruptionTrial]:
    """Every damage of every target; the seed decides which byte, line or number it is."""
    pairs = [(target, damage) for target in TARGETS for damage in target.damages]
    return [CorruptionTrial(target, damage, seed + number) for number, (target, damage) in enumerate(pairs)]


def perform(trial: CorruptionTrial, run: WorkflowCopy, jobs: Mapping[str, Job], root: Path) -> CorruptionTrial:
    """Carry a trial out in a copy of the finished run at ``root``, which is deleted if nothing went wrong."""
    started, target, job = time.monotonic(), trial.target, jobs[trial.target.job]
    copy = before(run, job, root, kept=target.kept)
    if target.kept and job.rule in ("answer", "sample"):
        stopped_half_way(copy, job)
    base = copy.root if target.pattern.startswith("/") else copy.root / RESULTS
    path = min(path for path in base.glob(target.pattern.lstrip("/")) if path.name != ".snakemake_timestamp")
    DAMAGES[trial.damage](path, Random(trial.seed))
    reader = Run(copy, job, target.way)
    code = reader.end(_LIMIT)
    log = copy.root / job.log
    judge(trial, code, path, reader.text() + (log.read_text(errors="replace") if log.is_file() else ""))
    if code == 0:
        # A damaged checkpoint, and one of another run, are moved aside, not deleted.
        changed = differences(run, copy, job) + left_behind(run, copy, ("checkpoints/replaced-", "checkpoints/copies-"))
        trial.said, trial.problem = ("", "silent: " + "; ".join(changed)) if changed else ("healed", "")
    trial.seconds = round(time.monotonic() - started, 1)
    if not trial.problem:
        shutil.rmtree(root)
    return trial


def judge(trial: CorruptionTrial, code: int | None, path: Path, text: str) -> None:
    """Say whether a job that failed did so in one line that names the file, with no traceback."""
    if "Traceback (most recent call last)" in text:
        trial.problem = f"a traceback: {text.strip().splitlines()[-1][:200]}"
        return
    # Snakemake shows the log of a failed job, so that the line may be there twice; its own errors name a file, too.
    mark = r"^error: .*" if trial.target.way == "script" else r"^.*(?:[Ee]rror|refused).*(?:\n.*){0,3}"
    lines = list(dict.fromkeys(re.findall(mark, text, re.MULTILINE)))
    named = [line for line in lines if (trial.target.named or path.name) in line]
    if len(lines) != 1 and trial.target.way == "script":
        trial.problem = f"exit {code} with {len(lines)} error lines: {text[-300:]}"
    elif not named:
        trial.problem = f"exit {code}, and no error names {path.name}: {' | '.join(lines)[:300]}"
    else:
        trial.said = named[0]


def stopped_half_way(copy: WorkflowCopy, job: Job) -> None:
    """Answer, and stop when half of the batches or more are in the log."""
    run = Run(copy, job, "script")
    log = copy.root / job.kept[0] / "shard_0.jsonl"
    half = {"answer": 6, "sample": 3}[job.rule]
    while run.process.poll() is None and (not log.is_file() or log.read_bytes().count(b"\n{") < half):
        time.sleep(0.001)
    run.kill_all()
    if not log.is_file():
        raise AssertionError(f"{job.name} could not be stopped half-way: {(copy.root / job.log).read_text()[-500:]}")
