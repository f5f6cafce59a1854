"""A run whose numbers are no longer finite ends at once: nothing of it is saved, and the error says what to change."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_run import TinyRun
from transformers import TrainerControl, TrainerState, TrainingArguments

from reinforced_cot.errors import PipelineError
from reinforced_cot.lora.adapter import publish_adapter
from reinforced_cot.resuming import MANIFEST
from reinforced_cot.training import grpo as grpo_stage
from reinforced_cot.training import sft as sft_stage
from reinforced_cot.training.divergence import FiniteWeights, diverged


def saved_weights(output: Path) -> dict[str, torch.Tensor]:
    """The adapter's weights in all checkpoints of a run."""
    files = output.glob("checkpoints/checkpoint-*/adapter_model.safetensors")
    return {f"{file}: {name}": weight for file in files for name, weight in load_file(file).items()}


@pytest.mark.parametrize("method", ["sft", "grpo"])
@pytest.mark.parametrize("rate", [1e4, 1e30])
def test_a_run_that_diverges_is_stopped_before_it_is_saved(
    tiny_run: TinyRun, tmp_path: Path, method: str, rate: float
) -> None:
    training = {f"{method}__training__{key}": value for key, value in {"learning_rate": rate, "max_steps": 6}.items()}
    settings = tiny_run.settings(**training, grpo__training__entropy_coef=0.1)
    with pytest.raises(PipelineError, match=r"step \d: .* the run has diverged and was stopped") as raised:
        if method == "sft":
            sft_stage.train(
                settings.sft, tiny_run.examples, tiny_run.examples, tiny_run.data, tiny_run.base, tmp_path, None
            )
        else:
            grpo_stage.train(settings.grpo, tiny_run.examples, tiny_run.data, tiny_run.base, tmp_path, None)
    assert f"Lower training.learning_rate (now {rate:g}" in str(raised.value)
    weights = saved_weights(tmp_path)
    assert [name for name, weight in weights.items() if not torch.isfinite(weight).all()] == []
    assert ("no checkpoint was saved" in str(raised.value)) == (not weights)
    assert not (tmp_path / "adapter").exists()


def test_the_error_names_the_last_checkpoint(tmp_path: Path) -> None:
    for name in ("checkpoint-8", "checkpoint-16", "checkpoint-9", "checkpoint-32-backup"):
        (tmp_path / name).mkdir()
        (tmp_path / name / MANIFEST).touch()
    (tmp_path / "checkpoint-17").mkdir()  # half written
    state = TrainerState(log_history=[{"loss": 1.0, "learning_rate": 0.25}, {"eval_accuracy": 0.5}])
    error = diverged("the loss is nan", TrainingArguments(str(tmp_path), learning_rate=0.5), state, 17)
    assert str(error) == (
        f"step 17: the loss is nan; the run has diverged and was stopped, and the last checkpoint is "
        f"{tmp_path}/checkpoint-16. Lower training.learning_rate (now 0.5, 0.25 at the last logged step), or raise "
        "training.warmup_steps; the changed run starts from its first step"
    )


@pytest.mark.parametrize(("value", "due", "ends"), [(math.nan, True, True), (math.inf, True, True), (0.0, True, False)])
def test_weights_are_looked_at_where_a_checkpoint_is_due(tmp_path: Path, value: float, due: bool, ends: bool) -> None:
    model = torch.nn.Linear(2, 2)
    model.weight.data[0, 1] = value
    control = TrainerControl(should_save=due)
    asked: dict[str, Any] = {"model": model}
    if ends:
        with pytest.raises(PipelineError, match="step 3: weight is not finite"):
            FiniteWeights().on_step_end(TrainingArguments(str(tmp_path)), TrainerState(global_step=3), control, **asked)
    else:
        FiniteWeights().on_step_end(TrainingArguments(str(tmp_path)), TrainerState(global_step=3), control, **asked)


def test_an_adapter_that_is_not_finite_is_not_published(tiny_run: TinyRun, tmp_path: Path) -> None:
    source = tiny_run.sft / "adapter"
    (tmp_path / "checkpoint").mkdir()
    weights = load_file(source / "adapter_model.safetensors")
    weights[sorted(weights)[0]][0, 0] = math.nan
    save_file(weights, tmp_path / "checkpoint/adapter_model.safetensors")
    with pytest.raises(PipelineError, match="the trained adapter is not finite"):
        publish_adapter(tmp_path / "checkpoint", tiny_run.base, tmp_path / "policy")
