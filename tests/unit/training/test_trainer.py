"""What SFT and RL share: arguments for TRL, and curves that are valid JSON."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reinforced_cot.errors import PipelineError
from reinforced_cot.files import write_json
from reinforced_cot.training.trainer import curves, trainer_arguments


def section(**training: Any) -> dict[str, Any]:
    return {"global_batch_size": 12, "training": {"per_device_train_batch_size": 2, **training}}


@pytest.mark.parametrize(
    ("training", "dtype", "bf16"),
    [({}, "float32", False), ({}, "bfloat16", True), ({"bf16": False}, "bfloat16", False)],
)
def test_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, training: dict[str, Any], dtype: str, bf16: bool
) -> None:
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", "")
    settings = {"seed": 7, "base_model": {"dtype": dtype}}
    arguments = trainer_arguments(settings, "sft", section(learning_rate=0.5, **training), tmp_path)
    assert arguments["output_dir"] == str(tmp_path / "checkpoints")
    assert (arguments["learning_rate"], arguments["bf16"]) == (0.5, bf16)
    assert arguments["report_to"] == "tensorboard"
    assert os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path / "tensorboard")


def test_the_pipelines_own_fields_win(tmp_path: Path) -> None:
    settings = {"seed": 7, "base_model": {"dtype": "float32"}}
    own = section(seed=3, output_dir="elsewhere", report_to="wandb")
    arguments = trainer_arguments(settings, "sft", own, tmp_path)
    assert (arguments["seed"] != 3, arguments["report_to"]) == (True, "tensorboard")
    assert arguments["seed"] != trainer_arguments(settings, "rl", own, tmp_path)["seed"] < 2**32  # each its own
    assert arguments["output_dir"] == str(tmp_path / "checkpoints")


@pytest.mark.parametrize(("processes", "steps"), [(1, 6), (2, 3), (6, 1)])
def test_accumulation_makes_the_same_batch_of_any_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int, steps: int
) -> None:
    settings = {"seed": 7, "base_model": {"dtype": "float32"}}
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    assert trainer_arguments(settings, "rl", section(), tmp_path)["gradient_accumulation_steps"] == steps


@pytest.mark.parametrize("processes", [4, 5, 12])
def test_processes_that_cannot_make_the_batch_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    settings = {"seed": 7, "base_model": {"dtype": "float32"}}
    with pytest.raises(PipelineError, match=f"global_batch_size 12 is no multiple .* 2 x {processes}: change one"):
        trainer_arguments(settings, "sft", section(), tmp_path)


def trainer(best: str | None, history: list[dict[str, Any]]) -> Any:
    state = SimpleNamespace(best_model_checkpoint=best, log_history=history, best_metric=0.5, global_step=9)
    return SimpleNamespace(state=state)


def test_curves(tmp_path: Path) -> None:
    history = [{"step": 1, "loss": 2.0, "reward": float("nan")}, {"step": 2, "loss": float("inf"), "reward": 0.5}]
    found = curves(trainer("somewhere/checkpoints/checkpoint-6", history))
    assert found == {
        "history": [{"step": 1, "loss": 2.0}, {"step": 2, "reward": 0.5}],
        "best_checkpoint": "checkpoint-6",
        "best_metric": 0.5,
        "steps": 9,
    }
    write_json(tmp_path / "metrics.json", found)
    assert json.loads((tmp_path / "metrics.json").read_text()) == found


def test_without_a_choice_no_checkpoint_is_named() -> None:
    assert curves(trainer(None, []))["best_checkpoint"] is None
