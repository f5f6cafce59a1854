"""Rows without padding have the losses and gradients of padded ones, whatever their lengths and images."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from stage_runs import series
from tiny_run import TinyRun, made_trainer

from reinforced_cot.errors import PipelineError
from reinforced_cot.files import read_json
from reinforced_cot.training import sft as sft_stage


@pytest.fixture(scope="module")
def trainer(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A real trainer, whose adapter changes the model's output."""
    data = tiny_run.examples, tiny_run.examples, tiny_run.data, tiny_run.base
    made = made_trainer(sft_stage, tiny_run.settings().sft, *data, tmp_path_factory.mktemp("sft"), None)
    made.model.train()
    return made


def gradients(trainer: Any, batch: dict[str, Any], way: str) -> tuple[float, dict[str, torch.Tensor]]:
    trainer._padding_free_rows = way
    trainer.model.zero_grad()
    loss = trainer.compute_loss(trainer.model, dict(batch))
    loss.backward()
    by_name = {name: weight.grad for name, weight in trainer.model.named_parameters() if weight.grad is not None}
    return float(loss.detach()), by_name


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("first", range(0, 24, 4))
def test_loss_and_gradients_are_those_of_padded_rows(trainer: Any, first: int, checkpointing: bool) -> None:
    trainer.model.gradient_checkpointing_enable() if checkpointing else trainer.model.gradient_checkpointing_disable()
    batch = trainer.data_collator([trainer.train_dataset[row] for row in range(first, first + 4)])
    assert not batch["attention_mask"].all()  # there is padding
    expected_loss, expected = gradients(trainer, batch, "off")
    loss, actual = gradients(trainer, batch, "on")
    assert loss == pytest.approx(expected_loss, rel=1e-5) and actual.keys() == expected.keys() and actual
    for name, gradient in expected.items():
        assert float((actual[name] - gradient).norm()) <= 1e-5 * float(gradient.norm() + 1e-3), name


def test_no_padding_is_computed(trainer: Any) -> None:
    batch = trainer.data_collator([trainer.train_dataset[row] for row in range(4)])
    shapes: list[torch.Size] = []
    hook = trainer.model.register_forward_pre_hook(
        lambda module, inputs, options: shapes.append(options["input_ids"].shape), with_kwargs=True
    )
    gradients(trainer, batch, "on")
    hook.remove()
    assert shapes == [(1, int(batch["attention_mask"].sum()))]


def test_a_row_does_not_change_the_loss_of_another(trainer: Any) -> None:
    rows = [trainer.train_dataset[row] for row in range(2)]
    trainer._padding_free_rows = "on"
    batch = trainer.data_collator(rows)
    changed = {**batch, "input_ids": batch["input_ids"].clone()}
    changed["input_ids"][1][batch["labels"][1] != -100] += 1
    losses = []
    for inputs in (batch, changed):
        inputs["labels"] = batch["labels"].clone()
        inputs["labels"][1] = -100  # the loss is the first row's
        losses.append(float(trainer.compute_loss(trainer.model, dict(inputs)).detach()))
    assert losses[0] == losses[1] > 0


def test_training_is_the_same(tiny_run: TinyRun, tmp_path: Path) -> None:
    runs = []
    for way in ("on", "off"):
        fields = {"max_steps": 20, "save_steps": 20, "learning_rate": 1e-3}
        training = {f"sft__training__{name}": value for name, value in fields.items()}
        settings = tiny_run.settings(sft__padding_free=way, **training).sft
        data = tiny_run.examples, tiny_run.examples, tiny_run.data, tiny_run.base
        sft_stage.train(settings, *data, tmp_path / way, None)
        history = [entry for entry in read_json(tmp_path / way / "metrics.json")["history"] if "loss" in entry]
        runs.append((history, load_file(tmp_path / way / "adapter/adapter_model.safetensors")))
    (history, adapter), (expected, expected_adapter) = runs
    assert len(history) == len(expected) == 20
    for name in ("loss", "grad_norm", "entropy", "num_tokens", "mean_token_accuracy"):
        assert series(history, name) == pytest.approx(series(expected, name), abs=1e-4) and series(history, name), name
    for name, weight in expected_adapter.items():
        assert torch.allclose(adapter[name], weight, atol=1e-5), name


def test_on_is_an_error_where_padding_free_is_impossible(trainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = trainer.data_collator([trainer.train_dataset[row] for row in range(2)])
    monkeypatch.setattr(sft_stage, "backbone_of", lambda model: SimpleNamespace())
    with pytest.raises(
        PipelineError, match=r"policies\.\*\.padding_free is on, and cannot be: SimpleNamespace has no M-RoPE"
    ):
        gradients(trainer, batch, "on")


def test_noise_that_depends_on_a_rows_length_keeps_rows_apart(trainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer.args, "neftune_noise_alpha", 5)
    with pytest.raises(PipelineError, match=r"policies\.\*\.padding_free is on, and cannot be: NEFTune's noise"):
        gradients(trainer, trainer.data_collator([trainer.train_dataset[row] for row in range(2)]), "on")
