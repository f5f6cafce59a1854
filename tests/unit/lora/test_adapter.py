"""How an adapter is published, and what it may train where embedding and head are one weight."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_run import LORA, TinyRun

from reinforced_cot.errors import PipelineError
from reinforced_cot.files import read_json
from reinforced_cot.lora.adapter import publish_adapter
from reinforced_cot.lora.merge import merge
from reinforced_cot.training import preflight
from reinforced_cot.training import sft as sft_stage

SAVE = """
import sys
from peft import LoraConfig
names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LoraConfig(r=4, target_modules=names, modules_to_save=["b", "a", "c"]).save_pretrained(sys.argv[1])
"""


def test_a_published_configuration_has_one_order(tiny_run: TinyRun, tmp_path: Path) -> None:
    """PEFT keeps names in sets, and their order differs between processes: merges would rerun for nothing."""
    published = []
    for hash_seed in ("1", "2"):
        checkpoint, output = tmp_path / f"checkpoint{hash_seed}", tmp_path / f"policy{hash_seed}"
        shutil.copytree(tiny_run.sft / "adapter", checkpoint)
        subprocess.run(
            [sys.executable, "-c", SAVE, str(checkpoint)], env={**os.environ, "PYTHONHASHSEED": hash_seed}, check=True
        )
        publish_adapter(checkpoint, tiny_run.base, output)
        published.append((output / "adapter/adapter_config.json").read_bytes())
        assert (output / "adapter.json").read_bytes() == (tmp_path / "policy1/adapter.json").read_bytes()
    assert len(set(published)) == 1 and b"gate_proj" in published[0]


TIED = "embed_tokens and lm_head share one weight in this model"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"modules_to_save": ["embed_tokens"]},
            "training embed_tokens alone would part them; add `ensure_weight_tying:",
        ),
        ({"modules_to_save": ["lm_head"]}, "training lm_head alone would part them"),
        (
            {"target_modules": ["q_proj", "embed_tokens"]},
            "an adapter on embed_tokens cannot be merged; train both in full",
        ),
        (
            {"target_modules": ["q_proj", "lm_head"], "ensure_weight_tying": True},
            "an adapter on lm_head cannot be merged",
        ),
        ({"trainable_token_indices": {"embed_tokens": [5, 7]}}, "of which single rows cannot be trained"),
    ],
)
def test_one_of_two_tied_embeddings_is_refused_before_the_model_is_loaded(
    tiny_run: TinyRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fails_if_called: Any,
    changes: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.setattr(preflight, "load_model", fails_if_called)
    settings = tiny_run.settings(sft__lora={**LORA, **changes}).sft
    with pytest.raises(PipelineError) as raised:
        sft_stage.train(settings, tiny_run.examples, tiny_run.examples, tiny_run.data, tiny_run.base, tmp_path, None)
    assert TIED in str(raised.value) and message in str(raised.value)


@pytest.mark.parametrize("name", ["embed_tokens", "lm_head"])
def test_both_tied_embeddings_are_trained_and_merged(tiny_run: TinyRun, tmp_path: Path, name: str) -> None:
    settings = tiny_run.settings(sft__lora={**LORA, "modules_to_save": [name], "ensure_weight_tying": True})
    sft_stage.train(settings.sft, tiny_run.examples, tiny_run.examples, tiny_run.data, tiny_run.base, tmp_path, None)
    merge(settings.merge, tiny_run.base, tmp_path)
    assert read_json(tmp_path / "merge.json")["effect_error"] < 1e-3
