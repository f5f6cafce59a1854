"""Training over several processes, and after a kill: real launches of the stages' own commands."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from workflow_copy import WorkflowCopy

ZERO_2 = "tests/configs/accelerate/zero2_cpu.yaml"
ZERO_3 = "tests/configs/accelerate/zero3_offload_cpu.yaml"


class Stage:
    """A training stage of the finished run, started by hand into a folder of its own."""

    def __init__(self, workflow: WorkflowCopy, output: Path, name: str, **training: Any) -> None:
        script, policy, parent = {"sft": ("train_sft.py", "sft", "base"), "rl": ("train_grpo.py", "grpo", "sft")}[name]
        self.root, self.output, self._name = workflow.root, output, name
        self._results = workflow.root / "results" / "smoke"
        self.settings = yaml.safe_load((self._results / policy / "train.yaml").read_text())
        self.settings[name]["training"] |= training
        self._command = [
            *(sys.executable, f"workflow/scripts/{script}", "--settings", str(output.with_suffix(".yaml"))),
            *("--data", str(self._results / "data"), "--parent", str(self._results / parent)),
            *("--output", str(output)),
        ]

    def start(self, topology: str = "cpu", processes: int = 1) -> "subprocess.Popen[bytes]":
        self.output.with_suffix(".yaml").write_text(yaml.safe_dump(self.settings))
        command = [*self._command, "--topology", topology, "--processes", str(processes)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(processes)}  # one each
        with open(self.output.with_suffix(".log"), "wb") as log:
            return subprocess.Popen(command, cwd=self.root, env=environment, stdout=log, stderr=log)

    def run(self, topology: str = "cpu", processes: int = 1) -> list[dict[str, Any]]:
        """The history of the whole training."""
        code = self.start(topology, processes).wait()
        assert code == 0, self.log()[-5000:]
        history: list[dict[str, Any]] = json.loads((self.output / "metrics.json").read_text())["history"]
        return history

    def log(self) -> str:
        return self.output.with_suffix(".log").read_text()

    def adapter(self) -> dict[str, torch.Tensor]:
        return load_file(self.output / "adapter/adapter_model.safetensors")


def series(history: list[dict[str, Any]], name: str) -> list[float]:
    return [entry[name] for entry in history if name in entry]


@pytest.fixture(scope="module")
def alone(finished_run: WorkflowCopy, tmp_path_factory: pytest.TempPathFactory) -> tuple[Stage, list[dict[str, Any]]]:
    stage = Stage(
        finished_run, tmp_path_factory.mktemp("alone") / "sft", "sft", per_device_train_batch_size=4, logging_steps=1
    )
    return stage, stage.run()


@pytest.mark.parametrize("topology", ["cpu", ZERO_2, ZERO_3])
def test_two_processes_learn_what_one_learns(
    finished_run: WorkflowCopy, tmp_path: Path, alone: tuple[Stage, list[dict[str, Any]]], topology: str
) -> None:
    stage = Stage(finished_run, tmp_path / "sft", "sft", per_device_train_batch_size=4, logging_steps=1)
    history = stage.run(topology, 2)
    expected = series(alone[1], "loss")
    assert len(expected) == 8
    assert series(history, "loss") == pytest.approx(expected, abs=1e-4)
    assert series(history, "eval_format_rate") == series(alone[1], "eval_format_rate")
    # Gathered from both processes (trl#4416), whole, and what one process learns.
    found, wanted = stage.adapter(), alone[0].adapter()
    assert found.keys() == wanted.keys()
    for name, weight in wanted.items():
        assert torch.allclose(found[name], weight, atol=1e-4), name
    assert sum(float(weight.norm()) for name, weight in found.items() if "lora_B" in name) > 0


def test_rl_runs_under_zero_3(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    """And learns what plain data parallelism learns: the same rollouts, rewards and gradients."""
    histories = []
    for number, topology in enumerate(("cpu", ZERO_3)):
        stage = Stage(finished_run, tmp_path / f"grpo{number}", "rl", per_device_train_batch_size=8)
        histories.append(stage.run(topology, 2))
    for name in ("loss", "grad_norm", "reward", "completions/mean_length", "probes/policy"):
        assert series(histories[0], name), name
        assert series(histories[1], name) == pytest.approx(series(histories[0], name), abs=1e-4), name


def test_a_topology_that_accelerate_does_not_run_is_an_error(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    """Pitfall 6: started by hand with another launcher, which the stage cannot know of."""
    stage = Stage(finished_run, tmp_path / "sft", "sft")
    stage.start("cpu").kill()
    command = [*stage._command, "--topology", "zero3"]
    environment = {**os.environ, "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511", "ACCELERATE_USE_CPU": "true"}
    run = subprocess.run(command, cwd=stage.root, env=environment, capture_output=True, text=True)
    assert run.returncode == 1
    assert "error: asked for was" in run.stderr and "processes 1 in place of 2" in run.stderr


KILLED: dict[str, dict[str, Any]] = {
    "sft": {"save_strategy": "steps", "save_steps": 2, "logging_steps": 1, "max_steps": 10},
    "rl": {"save_steps": 2, "logging_steps": 1, "max_steps": 8},
}


@pytest.mark.parametrize(("name", "processes"), [("sft", 1), ("rl", 1), ("rl", 2)])
def test_a_killed_training_goes_on_where_it_stood(
    finished_run: WorkflowCopy, tmp_path: Path, name: str, processes: int
) -> None:
    """SIGKILL, to the process that Snakemake started; the same command again redoes no step (faults 53 and 57)."""
    size = {"per_device_train_batch_size": 8 // processes} if name == "rl" else {}
    stage = Stage(finished_run, tmp_path / "policy", name, **KILLED[name], **size)
    job = stage.start("cpu", processes)
    while not list(stage.output.glob("checkpoints/checkpoint-4/trainer_state.json")):
        assert job.poll() is None, stage.log()[-5000:]
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert not (stage.output / "adapter").exists()
    history = stage.run("cpu", processes)
    assert "resuming from" in stage.log()
    steps = [entry["step"] for entry in history if "loss" in entry]
    assert steps == list(range(1, KILLED[name]["max_steps"] + 1))
    # Another configuration starts afresh (fault 58).
    shutil.rmtree(stage.output / "adapter")
    stage.settings[name]["training"] |= {"max_steps": 2, "learning_rate": 1.0e-3}
    assert series(stage.run("cpu", processes), "step")[-1] == 2
    assert "resuming from" not in stage.log()
