"""A few faults of each kind, drawn by a seed: `make faults` runs all of them (docs/robustness.md)."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import corruptions
import full_disk
import kills
import pytest
import two_writers
from chain_sets import reply, with_chains
from corruptions import CorruptionTrial
from full_disk import FullDiskTrial
from jobs import KEPT, Job, jobs_of
from kills import KillTrial
from processes import take_interrupts
from teacher_server import TeacherServer
from two_writers import TwoWritersTrial
from workflow_copy import WorkflowCopy

SEED = 1
WITHOUT_TORCH = ("prepare_data", "check_data", "evaluate", "compare", "report", "pass_rates", "filter_chains")
KILLED = (
    *("prepare_data train", "check_data", "sft sft", "merge_lora sft", "answer sft", "evaluate sft", "compare"),
    *("sample base", "pass_rates rated", "ask_teacher far", "filter_chains far"),
)
ALL = corruptions.all_corruptions(SEED)
CHEAP = [trial for trial in ALL if trial.target.job.split()[0] in WITHOUT_TORCH and trial.target.way == "script"]
REFUSED = [trial for trial in ALL if trial.target.job == "answer base" and trial.damage in ("flipped", "line lost")]


def drawn(trials: list[CorruptionTrial], count: int) -> list[CorruptionTrial]:
    return Random(SEED).sample(trials, count)


@pytest.fixture(scope="module")
def run(finished_run: WorkflowCopy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkflowCopy]:
    root = tmp_path_factory.mktemp("faults") / "finished"
    shutil.copytree(finished_run.root, root, symlinks=True)
    with TeacherServer(reply) as teacher:
        yield with_chains(WorkflowCopy(root, finished_run.options), teacher)


@pytest.fixture(scope="module")
def jobs(run: WorkflowCopy) -> dict[str, Job]:
    take_interrupts()
    return jobs_of(run)


def test_every_stage_can_be_killed(jobs: dict[str, Job]) -> None:
    """A new stage needs a row in `MOMENTS`, and in `KEPT` if it keeps anything for a killed job."""
    rules = {job.rule for job in jobs.values()}
    assert rules == kills.MOMENTS.keys() and rules >= KEPT.keys()
    assert {trial.target.job for trial in ALL} <= jobs.keys()
    assert len({trial.name for trial in ALL}) == len(ALL)


@pytest.mark.parametrize("name", KILLED)
def test_a_killed_stage_ends_as_if_it_had_not_been(
    run: WorkflowCopy, jobs: dict[str, Job], tmp_path: Path, name: str
) -> None:
    trials = kills.drawn_kills({name: jobs[name]}, 2, SEED + KILLED.index(name))
    trial = KillTrial(name, "script", trials[1].kills)  # at a named moment
    assert kills.perform(trial, run, jobs, tmp_path / "run").problem == ""


def test_snakemake_goes_on_after_a_kill(run: WorkflowCopy, jobs: dict[str, Job], tmp_path: Path) -> None:
    trial = KillTrial("report", "snakemake", kills.drawn_kills({"report": jobs["report"]}, 1, SEED)[0].kills)
    assert kills.perform(trial, run, jobs, tmp_path / "run").problem == ""


@pytest.mark.parametrize("trial", [*drawn(CHEAP, 14), *drawn(REFUSED, 3)], ids=lambda trial: trial.name)
def test_a_damaged_file_is_noticed_or_healed(
    run: WorkflowCopy, jobs: dict[str, Job], tmp_path: Path, trial: CorruptionTrial
) -> None:
    assert corruptions.perform(trial, run, jobs, tmp_path / "run").problem == ""


def test_a_full_disk_is_named_and_the_job_goes_on(run: WorkflowCopy, jobs: dict[str, Job], tmp_path: Path) -> None:
    if not full_disk.can_mount(tmp_path / "mount"):
        pytest.skip("mounting a tmpfs takes root")
    trial = FullDiskTrial("prepare_data train", 100_000)
    assert full_disk.perform(trial, run, jobs, tmp_path / "run").problem == ""


def test_a_second_writer_is_refused(run: WorkflowCopy, jobs: dict[str, Job], tmp_path: Path) -> None:
    trial = TwoWritersTrial("answer base")
    assert two_writers.perform(trial, run, jobs, tmp_path / "run").problem == ""
