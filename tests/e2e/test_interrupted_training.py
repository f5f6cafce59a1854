"""Training that is killed or stopped, and goes on: real launches of the stages' own commands."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from stage_runs import Stage, series
from workflow_copy import WorkflowCopy

from reinforced_cot.resuming import saved_checkpoints


@pytest.fixture(scope="module")
def undisturbed(finished_run: WorkflowCopy, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    options = {"per_device_train_batch_size": 4, "logging_steps": 1}
    stage = Stage(finished_run, tmp_path_factory.mktemp("undisturbed") / "sft", "sft", **options)
    stage.run()
    return stage


def test_a_killed_training_goes_on_where_it_stood(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    """SIGKILL, to the process that Snakemake started; the same command again redoes no step.

    RL: tests/unit/training/test_grpo.py, tests/faults/, and the test of SIGTERM below.
    """
    options = {"save_strategy": "steps", "save_steps": 2, "logging_steps": 1, "max_steps": 10}
    stage = Stage(finished_run, tmp_path / "policy", "sft", **options)
    job = stage.start("cpu", 1)
    while not list(stage.output.glob("checkpoints/checkpoint-4/manifest.json")):
        assert job.poll() is None, stage.log()[-5000:]
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert not (stage.output / "adapter").exists()
    history = stage.run()
    assert "resuming from" in stage.log()
    steps = [entry["step"] for entry in history if "loss" in entry]
    assert steps == list(range(1, 11))
    # Another configuration starts afresh: its checkpoints are none of this run's. They are moved, not deleted.
    shutil.rmtree(stage.output / "adapter")
    stage.settings["policy"]["training"] |= {"max_steps": 2, "learning_rate": 1.0e-3}
    stage.output.with_suffix(".log").unlink()
    assert series(stage.run(), "step")[-1] == 2
    assert "resuming from" not in stage.log() and "policy.training.learning_rate" in stage.log()
    assert list(stage.output.glob("checkpoints/replaced-1/checkpoint-*/manifest.json"))


def start_of_training(stage: Stage, processes: int) -> "subprocess.Popen[bytes]":
    """A job that has made its first step."""
    job = stage.start("cpu", processes)
    while "'loss'" not in stage.log():
        assert job.poll() is None, stage.log()[-5000:]
        time.sleep(0.02)
    return job


def test_sigterm_saves_a_checkpoint_in_the_middle_of_an_epoch(
    finished_run: WorkflowCopy, tmp_path: Path, undisturbed: Stage
) -> None:
    """SFT saves at the end of each epoch; the choice among these checkpoints stays that of an undisturbed run."""
    stage = Stage(finished_run, tmp_path / "sft", "sft", per_device_train_batch_size=4, logging_steps=1)
    job = start_of_training(stage, 1)
    job.send_signal(signal.SIGTERM)
    assert job.wait() == 128 + signal.SIGTERM, stage.log()[-5000:]
    saved = saved_checkpoints(stage.output / "checkpoints")[-1]
    assert int(saved.name.rpartition("-")[2]) < 8
    history = stage.run()
    assert f"resuming from {saved}\n" in stage.log()
    for name in ("step", "loss", "eval_format_rate"):
        assert series(history, name) == pytest.approx(series(undisturbed.history(), name), abs=1e-5), name
    for name, weight in undisturbed.adapter().items():
        assert torch.allclose(stage.adapter()[name], weight, atol=1e-5), name


def test_sigterm_stops_all_processes_between_two_generations(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    """Here after an even number of steps, since each generation is used for two."""
    options = {"save_steps": 8, "logging_steps": 1, "max_steps": 8, "num_iterations": 2}
    stage = Stage(finished_run, tmp_path / "grpo", "grpo", per_device_train_batch_size=4, **options)
    job = start_of_training(stage, 2)
    job.send_signal(signal.SIGTERM)  # to accelerate's launcher alone
    assert job.wait() not in (0, -signal.SIGKILL)
    (saved,) = stage.output.glob("checkpoints/checkpoint-*/manifest.json")
    assert int(saved.parent.name.rpartition("-")[2]) in (2, 4, 6)
    history = stage.run("cpu", 2)
    assert f"resuming from {saved.parent}" in stage.log()
    assert [entry["step"] for entry in history if "loss" in entry] == list(range(1, 9))
