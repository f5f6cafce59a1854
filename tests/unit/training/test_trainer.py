"""The shared parts of SFT and RL: arguments for TRL, and curves that are valid JSON."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reinforced_cot.errors import PipelineError
from reinforced_cot.files import write_json
from reinforced_cot.policies.settings import TrainSettings
from reinforced_cot.seeds import mixed
from reinforced_cot.training.trainer import curves, trainer_arguments


def settings(
    training: dict[str, Any] | None = None, *, seed: int = 7, dtype: str = "float32", repeats: int = 0
) -> TrainSettings:
    policy = {
        **{"method": "sft", "from": "base", "lora": None, "global_batch_size": 12},
        "training": {"per_device_train_batch_size": 2, **(training or {})},
    }
    shared = {"seed": seed, "repeats": repeats, "prompt": {}, "base_model": {"dtype": dtype}}
    return TrainSettings.model_validate({**shared, "policy": policy})


@pytest.mark.parametrize(
    ("training", "dtype", "bf16"),
    [({}, "float32", False), ({}, "bfloat16", True), ({"bf16": False}, "bfloat16", False)],
)
def test_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, training: dict[str, Any], dtype: str, bf16: bool
) -> None:
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", "")
    arguments = trainer_arguments(settings({"learning_rate": 0.5, **training}, dtype=dtype), "sft", tmp_path)
    assert arguments["output_dir"] == str(tmp_path / "checkpoints")
    assert (arguments["learning_rate"], arguments["bf16"]) == (0.5, bf16)
    assert arguments["report_to"] == "tensorboard"
    assert os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path / "tensorboard")


def test_the_pipelines_own_fields_win(tmp_path: Path) -> None:
    changed = settings({"seed": 3, "output_dir": "elsewhere", "report_to": "wandb"})
    arguments = trainer_arguments(changed, "sft", tmp_path)
    assert (arguments["seed"] != 3, arguments["report_to"]) == (True, "tensorboard")
    assert (
        arguments["seed"] != trainer_arguments(changed, "rl", tmp_path)["seed"] < 2**32
    )  # each method has its own seed
    assert arguments["output_dir"] == str(tmp_path / "checkpoints")


def test_a_policy_that_repeats_a_method_draws_from_a_stream_of_its_own(tmp_path: Path) -> None:
    """Otherwise a second SFT's fresh adapter would start as a copy of the first one's, with rows in the same order."""

    def drawn(stream: str = "sft", **changes: Any) -> int:
        return int(trainer_arguments(settings(**changes), stream, tmp_path)["seed"])

    seeds = [drawn(repeats=repeats) for repeats in range(4)]
    assert seeds[0] == mixed(7, "sft") % 2**32  # as it was before a policy could repeat a method
    assert len(set(seeds)) == 4 and all(0 <= seed < 2**32 for seed in seeds)
    assert seeds[1] == drawn(repeats=1)
    assert seeds[1] not in (drawn("rl", repeats=1), drawn(seed=8, repeats=1))


@pytest.mark.parametrize(("processes", "steps"), [(1, 6), (2, 3), (6, 1)])
def test_accumulation_makes_the_same_batch_on_any_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int, steps: int
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    assert trainer_arguments(settings(), "rl", tmp_path)["gradient_accumulation_steps"] == steps


@pytest.mark.parametrize("processes", [4, 5, 12])
def test_processes_that_cannot_make_the_batch_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    with pytest.raises(PipelineError, match=f"global_batch_size 12 is no multiple .* 2 x {processes}: change one"):
        trainer_arguments(settings(), "sft", tmp_path)


def trainer(output: Path, history: list[dict[str, Any]]) -> Any:
    state = SimpleNamespace(log_history=history, best_metric=0.5, global_step=9)
    return SimpleNamespace(state=state, args=SimpleNamespace(output_dir=str(output)))


def test_curves(tmp_path: Path) -> None:
    closing = {"step": 2, "train_loss": 0.7, "train_runtime": 3.5}  # of the steps since the last resume alone
    history = [
        {"step": 1, "loss": 2.0, "reward": float("nan")},
        {"step": 2, "loss": float("inf"), "reward": 0.5},
    ]
    history.append(closing)
    history.append({"step": 4, "eval_accuracy": 0.5})
    (tmp_path / "validation").mkdir()
    write_json(tmp_path / "validation/4.json", ["some answers"])
    found = curves(trainer(tmp_path, history), "somewhere/checkpoints/checkpoint-6")
    assert found == {
        "history": [{"step": 1, "loss": 2.0}, {"step": 2, "reward": 0.5}, {"step": 4, "eval_accuracy": 0.5}],
        "validation": [{"step": 4, "answers": ["some answers"]}],
        "best_checkpoint": "checkpoint-6",
        "best_metric": 0.5,
        "steps": 9,
    }
    write_json(tmp_path / "metrics.json", found)
    assert json.loads((tmp_path / "metrics.json").read_text()) == found


def test_without_a_choice_no_checkpoint_is_named(tmp_path: Path) -> None:
    assert curves(trainer(tmp_path, []), None)["best_checkpoint"] is None
