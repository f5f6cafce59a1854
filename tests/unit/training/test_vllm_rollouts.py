"""Repairs of TRL's rollouts by vLLM, as far as they can be tested without vLLM."""

from collections.abc import Callable

import pytest
import torch
from peft import get_peft_model
from tiny_run import LOADING, LORA, TinyRun, perturb

from reinforced_cot.errors import PipelineError
from reinforced_cot.lora.adapter import lora_config
from reinforced_cot.models.loading import load_model
from reinforced_cot.training.vllm_rollouts import check_repaired_trl, with_restored_base


def test_the_base_is_what_it_was_after_every_weight_sync(tiny_run: TinyRun) -> None:
    """trl#6688: merged and unmerged in bfloat16, as TRL does at every sync, the base drifts."""
    model = load_model(tiny_run.base / "model", LOADING.model_copy(update={"dtype": "bfloat16"}))
    adapted = get_peft_model(model, lora_config(LORA, model))
    perturb(adapted)

    def sync() -> None:
        adapted.merge_adapter()
        sent.append(weights()["q_proj"].clone())
        adapted.unmerge_adapter()

    def weights() -> dict[str, torch.Tensor]:
        layer = adapted.base_model.model.model.language_model.layers[0].self_attn
        return {name: getattr(layer, name).get_base_layer().weight for name in LORA["target_modules"]}

    def after(steps: int, synchronise: Callable[[], None]) -> dict[str, torch.Tensor]:
        for _ in range(steps):
            synchronise()
        return {name: weight.clone() for name, weight in weights().items()}

    sent: list[torch.Tensor] = []
    before = after(0, sync)
    repaired = after(20, with_restored_base(sync, adapted))
    assert all(torch.equal(repaired[name], weight) for name, weight in before.items())
    assert not torch.equal(sent[-1], before["q_proj"]) and torch.equal(sent[-1], sent[0])  # what vLLM gets is the sum
    drifted = after(20, sync)
    assert not all(torch.equal(drifted[name], weight) for name, weight in before.items())


def test_another_trl_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_repaired_trl()
    monkeypatch.setattr("trl.__version__", "1.17.0")
    with pytest.raises(PipelineError, match=r"repaired for TRL 1\.16\.0, and TRL 1\.17\.0 is installed"):
        check_repaired_trl()
