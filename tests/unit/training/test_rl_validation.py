"""Validation while RL trains: it changes nothing, chooses a checkpoint, ends training early, and survives a kill."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_run import TinyRun, lottery

from reinforced_cot.generation.batching import Completion
from reinforced_cot.policies.grpo import GrpoSettings
from reinforced_cot.resuming import deciding, saved_checkpoints
from reinforced_cot.scoring.rewards import REWARDS
from reinforced_cot.training import grpo as grpo_stage
from reinforced_cot.training import validation

STEPS = 6


@pytest.fixture(autouse=True)
def reward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REWARDS, "lottery", lottery)


def settings(tiny_run: TinyRun, **selection: Any) -> GrpoSettings:
    changes = {f"grpo__selection__{key}": value for key, value in selection.items()}
    return tiny_run.settings(grpo__training__max_steps=STEPS, grpo__rewards={"lottery": 1.0}, **changes).grpo


def train(
    tiny_run: TinyRun, output: Path, chosen: GrpoSettings, resume_from: Path | None = None
) -> dict[str, torch.Tensor]:
    examples, val = tiny_run.examples[:16], tiny_run.examples[16:]
    grpo_stage.train(chosen, examples, tiny_run.data, tiny_run.base, output, resume_from, val_examples=val)
    return load_file(output / "adapter/adapter_model.safetensors")


def metrics(output: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((output / "metrics.json").read_text())
    return content


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def answering(monkeypatch: pytest.MonkeyPatch, rights: Sequence[int]) -> None:
    """Let the policy answer so many of three questions right at each validation."""
    left = list(rights)

    def generated(trainer: Any, examples: Sequence[Any], *_: Any, **__: Any) -> list[list[Completion]]:
        right = left.pop(0)
        texts = [one.answer if number < right else "none of these" for number, one in enumerate(examples)]
        return [[Completion(f"<think>I look.</think><answer>{text}</answer>", False)] for text in texts]

    monkeypatch.setattr(validation, "generate_together", generated)


def test_training_is_the_same_with_and_without(tiny_run: TinyRun, tmp_path: Path) -> None:
    plain = train(tiny_run, tmp_path / "plain", settings(tiny_run))
    asked = train(tiny_run, tmp_path / "asked", settings(tiny_run, every=2, publish="last"))
    sampled = train(tiny_run, tmp_path / "sampled", settings(tiny_run, every=1, publish="last", samples=2))
    assert same(plain, asked) and same(plain, sampled)
    assert metrics(tmp_path / "plain")["validation"] == []
    found = metrics(tmp_path / "asked")
    assert [entry["step"] for entry in found["history"] if "eval_accuracy" in entry] == [0, 2, 4, 6]
    assert [entry["step"] for entry in found["validation"]] == [0, 2, 4, 6] and found["best_checkpoint"] is None
    assert {*found["validation"][0]["answers"][0]} == {"id", "question", "answer", "completion"}
    # Training's averages do not mix with val's.
    assert all("reward" not in entry for entry in found["history"] if "eval_accuracy" in entry)


def test_the_best_checkpoint_is_published_of_equal_ones_the_later(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answering(monkeypatch, [3, 1, 2, 2, 0, 1, 1])
    published = train(tiny_run, tmp_path, settings(tiny_run, every=1))
    assert metrics(tmp_path)["best_checkpoint"] == "checkpoint-3" and metrics(tmp_path)["steps"] == STEPS
    assert same(published, load_file(tmp_path / "checkpoints/checkpoint-3/adapter_model.safetensors"))
    assert "step 3, which is published, answers 0.667 of val right; before training it was 1.000" in caplog.text
    # Which one is published is decided at the end: another choice trains nothing again.
    best, last = (settings(tiny_run, every=1, publish=publish).as_dict() for publish in ("best", "last"))
    assert deciding(best) == deciding(last)
    published = train(
        tiny_run, tmp_path, settings(tiny_run, every=1, publish="last"), tmp_path / "checkpoints/checkpoint-6"
    )
    assert same(published, load_file(tmp_path / "checkpoints/checkpoint-6/adapter_model.safetensors"))
    assert metrics(tmp_path)["best_checkpoint"] is None


def test_training_ends_when_the_accuracy_no_longer_rises(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, [0, 1, 2, 1, 2])
    published = train(tiny_run, tmp_path / "best", settings(tiny_run, every=1, patience=2))
    assert metrics(tmp_path / "best")["steps"] == 4 and metrics(tmp_path / "best")["best_checkpoint"] == "checkpoint-4"
    # Killed between that step and publication, the run goes on to publication.
    answering(monkeypatch, [])
    (tmp_path / "best/adapter/adapter_model.safetensors").unlink()
    last = max(saved_checkpoints(tmp_path / "best/checkpoints"), key=lambda path: int(path.name.split("-")[1]))
    again = train(tiny_run, tmp_path / "best", settings(tiny_run, every=1, patience=2), last)
    assert same(again, published)


def test_a_run_that_is_killed_while_it_is_validated(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(tiny_run, every=1)
    whole = train(tiny_run, tmp_path / "whole", chosen)

    class Killed(BaseException):
        pass

    generate, asked = validation.generate_together, []

    def killed(*args: Any, **options: Any) -> Any:
        asked.append(1)
        if len(asked) == 5:
            raise Killed
        return generate(*args, **options)

    monkeypatch.setattr(validation, "generate_together", killed)
    with pytest.raises(Killed):
        train(tiny_run, tmp_path / "killed", chosen)
    assert not (tmp_path / "killed/checkpoints/checkpoint-4").exists()
    monkeypatch.setattr(validation, "generate_together", generate)
    resumed = train(tiny_run, tmp_path / "killed", chosen, tmp_path / "killed/checkpoints/checkpoint-3")
    assert same(resumed, whole)
    first, second = (metrics(tmp_path / name) for name in ("whole", "killed"))
    assert first["validation"] == second["validation"] and first["best_checkpoint"] == second["best_checkpoint"]
