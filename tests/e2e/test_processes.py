"""Training over several processes and machines: real launches of the stages' own commands."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from stage_runs import Stage, series
from workflow_copy import WorkflowCopy

ZERO_2 = "tests/configs/accelerate/zero2_cpu.yaml"
TWO_MACHINES = "tests/configs/accelerate/two_node_cpu.yaml"
ZERO_3 = "tests/configs/accelerate/zero3_offload_cpu.yaml"


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


DECIDING = """
import sys
from pathlib import Path
from reinforced_cot.launch.compiled_operators import prepare_operators
prepare_operators()  # as the launcher does: nothing is compiled twice
from reinforced_cot.paths import SCRIPTS
from reinforced_cot.training import trainer
from reinforced_cot.processes import rank, world_size
from reinforced_cot.launch.topologies import read_topology
assert world_size() == 2
trainer.resume_point = lambda *_: Path("newest") if rank() == 0 else 1 / 0
script = SCRIPTS / "sft.py"
settings = {"policy": {"training": {}}, "prompt": {}, "base_model": {}}
resume_from, _ = trainer.resume(script, settings, [], read_topology(sys.argv[1], 2), Path(sys.argv[2]))
assert resume_from == Path("newest")
"""


def test_one_process_says_where_all_go_on(repo: Path, tmp_path: Path) -> None:
    """Two that each emptied the checkpoints' folder would now and then meet there."""
    (tmp_path / "deciding.py").write_text(DECIDING)
    launch = ["-m", "accelerate.commands.launch", "--config_file", ZERO_2, "--num_processes", "2"]
    command = [
        sys.executable,
        *launch,
        "--main_process_port",
        "0",
        str(tmp_path / "deciding.py"),
        ZERO_2,
        str(tmp_path / "out"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(repo / "workflow/scripts"), "CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run(command, cwd=repo, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]


def test_two_machines_learn_what_one_learns(
    finished_run: WorkflowCopy, tmp_path: Path, alone: tuple[Stage, list[dict[str, Any]]]
) -> None:
    """The same command on each, as the topology's file says; here both are this machine."""
    stage = Stage(finished_run, tmp_path / "sft", "sft", per_device_train_batch_size=4, logging_steps=1)
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29733"}
    machines = [stage.start(TWO_MACHINES, 2, NODE_RANK=str(number), **place) for number in (0, 1)]
    assert [machine.wait() for machine in machines] == [0, 0], stage.log()[-5000:]
    assert series(stage.history(), "loss") == pytest.approx(series(alone[1], "loss"), abs=1e-4)


def test_every_weight_is_trained_under_zero_3(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    """DeepSpeed keeps the weights in parts: what is published is whole, and what one process learns."""
    stages = []
    for number, topology in enumerate(("cpu", ZERO_3)):
        options = {"logging_steps": 1, "num_train_epochs": 1, "learning_rate": 1e-4}
        stage = Stage(finished_run, tmp_path / f"sft{number}", "sft", per_device_train_batch_size=4, **options)
        stage.settings["policy"]["lora"] = None
        stage.run(topology, number + 1)
        stages.append(stage)
    expected, found = (load_file(stage.output / "model/model.safetensors") for stage in stages)
    assert series(stages[1].history(), "loss") == pytest.approx(series(stages[0].history(), "loss"), abs=1e-4)
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        assert torch.allclose(found[name], weight, atol=1e-4), name


def test_rl_runs_under_zero_3(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    """And learns what plain data parallelism learns, here from SFT's adapter: the same rollouts, rewards, gradients."""
    histories, validated = [], []
    for number, topology in enumerate(("cpu", ZERO_3)):
        stage = Stage(finished_run, tmp_path / f"grpo{number}", "grpo", per_device_train_batch_size=8)
        stage.settings["policy"]["start"] = "adapter"
        # Four questions of val in two batches, one of them with a single question, over two processes.
        stage.settings["policy"]["selection"] |= {"every": 2, "examples": 4, "batch_size": 3, "max_new_tokens": 16}
        histories.append(stage.run(topology, 2))
        validated.append(json.loads((stage.output / "metrics.json").read_text())["validation"])
    assert validated[0] == validated[1] and [len(entry["answers"]) for entry in validated[0]] == [4, 4, 4]
    for name in ("loss", "grad_norm", "reward", "completions/mean_length", "probes/policy"):
        assert series(histories[0], name), name
        assert series(histories[1], name) == pytest.approx(series(histories[0], name), abs=1e-4), name


def test_groups_are_refilled_on_every_process(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    """Each lacks another number of groups, and draws as many rows in as many calls as the other: else it would hang."""
    root = tmp_path / "workflow"
    shutil.copytree(finished_run.root, root, symlinks=True)
    (root / "halves.py").write_text(
        "from hashlib import sha256\n\n"
        "def halves(completion_ids, id, **_):\n"
        "    digests = [sha256(repr(ids).encode()).digest()[0] / 255 for ids in completion_ids]\n"
        "    equal = [sha256(name.encode()).digest()[0] % 2 for name in id]\n"
        "    return [0.3 if same else digest for same, digest in zip(equal, digests)]\n"
    )
    options = {"per_device_train_batch_size": 4, "num_generations": 2, "generation_batch_size": 16, "save_steps": 2}
    stage = Stage(WorkflowCopy(root), tmp_path / "grpo", "grpo", **options, logging_steps=1)
    stage.settings["policy"] |= {"refill_generations": 9, "rewards": {"halves:halves": 1.0}}
    history = stage.run("cpu", 2)
    assert max(series(history, "refill/generations")) > 1 and max(series(history, "refill/zero_variance_before")) > 0
    assert set(series(history, "refill/zero_variance_after")) == {0.0}
    stage.settings["policy"]["training"]["generation_batch_size"] = 8
    stage.settings["policy"]["training"]["num_generations"] = 8
    assert stage.start("cpu", 2).wait() == 1
    assert "each process draws 4 completions per generation, no multiple of num_generations, 8" in stage.log()


def test_a_topology_that_accelerate_does_not_run_is_an_error(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    """Started by hand with another launcher, which the stage cannot know of.

    In the original, what was called ZeRO-3 with offload ran as ZeRO-2 without it, and nothing said so.
    """
    stage = Stage(finished_run, tmp_path / "sft", "sft")
    stage.write_settings()
    command = [*stage.command, "--topology", "zero3"]
    environment = {**os.environ, "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511", "ACCELERATE_USE_CPU": "true"}
    run = subprocess.run(command, cwd=stage.root, env=environment, capture_output=True, text=True)
    assert run.returncode == 1
    assert "error: the run was to use" in run.stderr and "processes 1 in place of 2" in run.stderr
