"""What SFT and RL share: arguments for TRL, and curves that are valid JSON."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reinforced_cot.files import write_json
from reinforced_cot.training import curves, trainer_arguments


@pytest.mark.parametrize(
    ("training", "dtype", "bf16"),
    [({}, "float32", False), ({}, "bfloat16", True), ({"bf16": False}, "bfloat16", False)],
)
def test_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, training: dict[str, Any], dtype: str, bf16: bool
) -> None:
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", "")
    settings = {"seed": 7, "base_model": {"dtype": dtype}}
    arguments = trainer_arguments(settings, "sft", {"learning_rate": 0.5, **training}, tmp_path)
    assert arguments["output_dir"] == str(tmp_path / "checkpoints")
    assert (arguments["learning_rate"], arguments["bf16"]) == (0.5, bf16)
    assert arguments["report_to"] == "tensorboard"
    assert os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path / "tensorboard")


def test_the_pipelines_own_fields_win(tmp_path: Path) -> None:
    settings = {"seed": 7, "base_model": {"dtype": "float32"}}
    own = {"seed": 3, "output_dir": "elsewhere", "report_to": "wandb"}
    arguments = trainer_arguments(settings, "sft", own, tmp_path)
    assert (arguments["seed"] != 3, arguments["report_to"]) == (True, "tensorboard")
    assert arguments["seed"] != trainer_arguments(settings, "rl", own, tmp_path)["seed"] < 2**32  # each its own
    assert arguments["output_dir"] == str(tmp_path / "checkpoints")


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
