"""A run that its disk cannot hold is refused before a model is loaded; one that it can hold is not."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_run import TinyRun

from reinforced_cot.errors import PipelineError
from reinforced_cot.lora import merge as merging
from reinforced_cot.lora.merge import merge
from reinforced_cot.planning.model_shapes import shapes_of
from reinforced_cot.training import grpo as grpo_stage
from reinforced_cot.training import preflight
from reinforced_cot.training import sft as sft_stage
from reinforced_cot.training.preflight import written_bytes

# Each stage's function, and how many splits it takes.
STAGES: dict[str, tuple[Callable[..., None], int]] = {"sft": (sft_stage.train, 2), "grpo": (grpo_stage.train, 1)}


def train(run: TinyRun, name: str, output: Path, resume_from: Path | None = None, **changes: Any) -> None:
    stage, splits = STAGES[name]
    settings = getattr(run.settings(**changes), name)
    stage(settings, *splits * [run.examples], run.data, run.base, output, resume_from)


@pytest.fixture
def nearly_full(disk: Path) -> Path:
    """A disk with 12 KiB left: enough for the adapter, but not for a checkpoint of its training."""
    (disk / "filler").write_bytes(bytes(2**20 - 3 * 4096))
    return disk


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("lora", ["an adapter", "in full"])
def test_training_is_refused_before_a_model_is_loaded(
    tiny_run: TinyRun, nearly_full: Path, name: str, lora: str, fails_if_called: Callable[..., Any]
) -> None:
    changes = {f"{name}__lora": None} if lora == "in full" else {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preflight, "load_model", fails_if_called)
        message = rf"the disk of {nearly_full} has [\d.]+ MiB free, and its checkpoint and the trained weights take"
        with pytest.raises(PipelineError, match=message):
            train(tiny_run, name, nearly_full / name, **changes)
        # A run that goes on has saved checkpoints; the adapter alone fits.
        if lora == "an adapter":
            with pytest.raises(AssertionError, match="called"):
                train(tiny_run, name, nearly_full / name, nearly_full / "checkpoint-2", **changes)


def test_a_merge_is_refused_before_a_model_is_loaded(
    tiny_run: TinyRun, nearly_full: Path, fails_if_called: Callable[..., Any]
) -> None:
    shutil.copytree(tiny_run.base, nearly_full.parent / "base")
    (nearly_full / "filler").unlink()
    shutil.copytree(tiny_run.sft, nearly_full / "sft")
    used = sum(file.stat().st_size + 4096 for file in nearly_full.rglob("*"))
    (nearly_full / "filler").write_bytes(bytes(2**20 - used - 8 * 4096))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "load_processor", fails_if_called)
        with pytest.raises(PipelineError, match=r"free, and the merged weights take [\d.]+ MiB: make room"):
            merge(tiny_run.settings().merge, tiny_run.base, nearly_full / "sft")
    assert sorted(path.name for path in (nearly_full / "sft").iterdir()) == ["adapter", "adapter.json"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("lora", ["an adapter", "in full"])
def test_the_estimate_is_no_more_than_what_is_written(tiny_run: TinyRun, tmp_path: Path, dtype: str, lora: str) -> None:
    """It may refuse no run that fits. The rest are headers, and moments beside the weights of a tiny adapter."""
    changes: dict[str, Any] = {"base_model__dtype": dtype, "sft__training__max_steps": 1}
    changes |= {"sft__lora": None} if lora == "in full" else {}
    train(tiny_run, "sft", tmp_path, **changes)
    settings = tiny_run.settings(**changes).sft
    shapes = shapes_of(tiny_run.base / "model", settings.base_model, settings.policy.lora)
    checkpoint, published = written_bytes(settings, shapes, None)
    saved = [*(tmp_path / "checkpoints").glob("*/*.safetensors"), *(tmp_path / "checkpoints").glob("*/optimizer.pt")]
    of_policy = list((tmp_path / ("model" if lora == "in full" else "adapter")).glob("*.safetensors"))
    assert 0.3 < checkpoint / sum(file.stat().st_size for file in saved) <= 1
    assert 0.3 < published / sum(file.stat().st_size for file in of_policy) <= 1
