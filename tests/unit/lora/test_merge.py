"""The proof of a merge measures what it says, and a merge that changes nothing or something else is refused."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from tiny_run import LOADING, LORA, PROMPT, TinyRun
from transformers import AutoModelForImageTextToText

from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.files import read_json
from reinforced_cot.lora import merge as merging
from reinforced_cot.lora import merge_proof, shard_merge
from reinforced_cot.lora.adapter import check_base, lora_config, publish_adapter
from reinforced_cot.lora.merge import merge
from reinforced_cot.lora.merge_proof import (
    check_proof,
    effect,
    keeps_effect,
    logits,
    not_loaded,
    probe_inputs,
    relative_difference,
    sampled_layers,
)
from reinforced_cot.lora.shard_merge import merged_parameter, write_merged
from reinforced_cot.lora.streamed_model import StoredModel
from reinforced_cot.manifests import check_manifest, write_manifest
from reinforced_cot.models.checkpoints import weights_hash
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import load_processor


@pytest.fixture
def policy(tiny_run: TinyRun, tmp_path: Path) -> Path:
    """A folder that holds the tiny run's adapter and nothing else."""
    shutil.copytree(tiny_run.sft / "adapter", tmp_path / "sft/adapter")
    shutil.copy(tiny_run.sft / "adapter.json", tmp_path / "sft/adapter.json")
    return tmp_path / "sft"


def unmerged(folder: Path) -> bool:
    """Whether no merge was published, and no temporary file is left."""
    return sorted(path.name for path in folder.iterdir()) == ["adapter", "adapter.json"]


def test_the_proof_and_the_checkpoint(tiny_run: TinyRun, policy: Path) -> None:
    merge(tiny_run.settings().merge, tiny_run.base, policy)
    proof = read_json(policy / "merge.json")
    assert proof["adapter_vs_base"] > 0.01
    assert proof["adapter_vs_merged"] <= 1e-4 and proof["adapter_vs_saved"] <= 1e-4
    assert (proof["form"], proof["dtype"], proof["tolerance"]) == ("merged", "float32", 1e-4)
    assert proof["effect_kept"] == pytest.approx(1, abs=1e-4) and proof["effect_error"] < 1e-3
    base_weights = weights_hash(read_json(tiny_run.base / "model.json"))
    manifest = check_manifest(policy / "model", policy / "model.json")
    assert proof["base_weights"] == manifest["base_weights"] == base_weights
    assert proof["adapter_weights"] == manifest["adapter"] == weights_hash(read_json(policy / "adapter.json"))
    assert proof["merged_weights"] == weights_hash(manifest) != base_weights
    assert {"model.safetensors", "config.json", "chat_template.jinja", "tokenizer.json"} <= set(manifest["files"])
    assert sorted(path.name for path in policy.iterdir()) == [
        ".merge.json.sha256",
        "adapter",
        "adapter.json",
        "merge.json",
        "model",
        "model.json",
    ]

    # the folder is complete for stock transformers, and computes what base and adapter computed
    stock = AutoModelForImageTextToText.from_pretrained(policy / "model")
    inputs = probe_inputs(load_processor(policy / "model"), PROMPT)
    base = load_model(tiny_run.base / "model", LOADING)
    without = logits(base, inputs)
    expected = logits(PeftModel.from_pretrained(base, policy / "adapter"), inputs)
    assert relative_difference(expected, logits(stock, inputs)) == pytest.approx(proof["adapter_vs_saved"], abs=1e-7)
    assert relative_difference(expected, without) == pytest.approx(proof["adapter_vs_base"], abs=1e-7)
    assert load_processor(policy / "model").tokenizer.padding_side == "left"


def test_half_precision_keeps_the_effect_of_a_large_change(tiny_run: TinyRun, policy: Path) -> None:
    merge(tiny_run.settings(base_model__dtype="bfloat16").merge, tiny_run.base, policy)
    proof = read_json(policy / "merge.json")
    assert (proof["form"], proof["dtype"]) == ("merged", "bfloat16") and proof["adapter_vs_merged"] <= 1e-4
    assert proof["effect_kept"] == pytest.approx(1, abs=0.05) and 0 < proof["effect_error"] < 0.1
    assert AutoModelForImageTextToText.from_pretrained(policy / "model").dtype == torch.bfloat16


def in_bfloat16(run: TinyRun, folder: Path) -> Path:
    """The tiny base as published checkpoints are: every weight on the grid of bfloat16."""
    model = AutoModelForImageTextToText.from_pretrained(run.base / "model", dtype=torch.bfloat16)
    shutil.copytree(run.base, folder)
    model.save_pretrained(folder / "model")
    write_manifest(folder / "model", folder / "model.json")
    return folder


def weakened(policy: Path, base: Path, factor: float) -> None:
    """Make the adapter one of ``base``, with a smaller change: as after a few steps at RL's learning rates."""
    file = policy / "adapter/adapter_model.safetensors"
    save_file({name: weight * (factor if "lora_B" in name else 1) for name, weight in load_file(file).items()}, file)
    base_weights = weights_hash(read_json(base / "model.json"))
    write_manifest(policy / "adapter", policy / "adapter.json", base=base.name, base_weights=base_weights)


def test_a_change_that_rounding_would_lose_stays_beside_the_weights(
    tiny_run: TinyRun, policy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    base = in_bfloat16(tiny_run, tmp_path / "base16")
    weakened(policy, base, 0.002)
    settings = tiny_run.settings(base_model__dtype="bfloat16")
    merge(settings.merge, base, policy)
    proof = read_json(policy / "merge.json")
    assert proof["form"] == "base and adapter" and proof["effect_kept_merged"] < 0.9
    assert proof["effect_kept"] == pytest.approx(1, abs=0.01) and proof["effect_error"] < 0.01
    assert "the model has the base's weights, and the adapter beside them" in caplog.text

    # Stock transformers loads both, and so does this package, where a further adapter can be trained on them.
    exact = LOADING.model_copy(update={"dtype": "float32"})
    inputs = probe_inputs(load_processor(policy / "model"), PROMPT)
    trained = PeftModel.from_pretrained(load_model(base / "model", exact), policy / "adapter")
    expected = logits(trained, inputs)
    stock = AutoModelForImageTextToText.from_pretrained(policy / "model", dtype=torch.float32)
    assert relative_difference(expected, logits(stock, inputs)) < 1e-6
    ours = load_model(policy / "model", exact)
    assert relative_difference(expected, logits(ours, inputs)) < 1e-6
    with_fresh = get_peft_model(ours, lora_config(LORA, ours))
    assert relative_difference(expected, logits(with_fresh, inputs)) < 1e-6
    assert {name.rpartition(".")[2] for name in ours.state_dict() if "fixed" in name} == set()


def test_a_policy_that_was_trained_on_such_a_model_keeps_both_changes(
    tiny_run: TinyRun, policy: Path, tmp_path: Path
) -> None:
    base = in_bfloat16(tiny_run, tmp_path / "base16")
    weakened(policy, base, 0.002)
    settings = tiny_run.settings(base_model__dtype="bfloat16")
    merge(settings.merge, base, policy)
    exact = LOADING.model_copy(update={"dtype": "float32"})
    start = load_model(policy / "model", exact)
    config = {**LORA, "r": 2, "target_modules": ["v_proj", "o_proj"]}
    child = get_peft_model(start, lora_config(config, start))
    for name, parameter in child.named_parameters():
        if "lora_B" in name:
            parameter.data = 1e-4 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    child.save_pretrained(tmp_path / "checkpoint")
    publish_adapter(tmp_path / "checkpoint", policy, tmp_path / "child")
    merge(settings.merge, policy, tmp_path / "child")
    proof = read_json(tmp_path / "child/merge.json")
    assert proof["form"] == "base and adapter" and proof["effect_error"] < 0.05
    inputs = probe_inputs(load_processor(policy / "model"), PROMPT)
    published = load_model(tmp_path / "child/model", exact)
    assert relative_difference(logits(child, inputs), logits(published, inputs)) < 1e-6
    assert read_json(tmp_path / "child/model/adapter_config.json")["r"] == LORA["r"] + 2

    # A large change is merged, with the parent's.
    weakened(tmp_path / "child", policy, 1000.0)
    merge(settings.merge, policy, tmp_path / "child")
    assert read_json(tmp_path / "child/merge.json")["form"] == "merged"
    assert not (tmp_path / "child/model/adapter_config.json").exists()


def test_another_base_is_refused(tiny_run: TinyRun, policy: Path) -> None:
    """A low-rank change of other weights makes a model that nobody trained."""
    other = policy.parent / "other"
    model = load_model(tiny_run.base / "model", LOADING)
    model.lm_head.weight.data[0, 0] += 1.0
    shutil.copytree(tiny_run.base / "model", other / "model")
    model.save_pretrained(other / "model")
    write_manifest(other / "model", other / "model.json")
    with pytest.raises(DataError, match=r"was trained on a base with weights .*merge it into .*\(base\)"):
        merge(tiny_run.settings().merge, other, policy)
    assert unmerged(policy)


def test_a_damaged_adapter_is_refused(tiny_run: TinyRun, policy: Path) -> None:
    file = policy / "adapter/adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"adapter_model\.safetensors is damaged: it has \d+ bytes"):
        check_base(policy / "adapter", tiny_run.base)


def test_an_adapter_with_flipped_bits_is_refused(tiny_run: TinyRun, policy: Path) -> None:
    file = policy / "adapter/adapter_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"adapter_model\.safetensors is damaged: its content is not .*adapter\.json"):
        check_base(policy / "adapter", tiny_run.base)


def zero_adapter(run: TinyRun) -> Any:
    base = load_model(run.base / "model", LOADING)
    return get_peft_model(base, lora_config(LORA, base))


def test_an_adapter_that_changes_nothing_is_refused(tiny_run: TinyRun, policy: Path) -> None:  # peft#2586
    zero_adapter(tiny_run).save_pretrained(policy / "adapter")
    manifest = read_json(policy / "adapter.json")
    write_manifest(policy / "adapter", policy / "adapter.json", **{k: v for k, v in manifest.items() if k != "files"})
    with pytest.raises(PipelineError, match="the adapter does not change the logits of its base"):
        merge(tiny_run.settings().merge, tiny_run.base, policy)
    assert unmerged(policy)


def test_a_zero_adapter_is_not_published(tiny_run: TinyRun, tmp_path: Path) -> None:
    zero_adapter(tiny_run).save_pretrained(tmp_path / "checkpoint")
    with pytest.raises(PipelineError, match="the trained adapter is zero"):
        publish_adapter(tmp_path / "checkpoint", tiny_run.base, tmp_path / "policy")
    assert not (tmp_path / "policy").exists()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_merged_layer_that_differs_is_refused(
    tiny_run: TinyRun, policy: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:  # peft#2368
    def wrong(stored: StoredModel, layer: Any, name: str) -> Iterator[torch.Tensor]:
        return (1.001 * part for part in merged_parameter(stored, layer, name))

    for module in (shard_merge, merge_proof):
        monkeypatch.setattr(module, "merged_parameter", wrong)
    with pytest.raises(PipelineError, match="outputs of a merged layer and of its adapter differ by"):
        merge(tiny_run.settings(base_model__dtype=dtype).merge, tiny_run.base, policy)
    assert unmerged(policy)


@pytest.mark.parametrize("factor", [1.0, 2.5])
def test_a_small_change_must_be_merged_too(
    tiny_run: TinyRun, policy: Path, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    """An adapter that changes less than the tolerance, as after a few steps at RL's learning rates."""
    file = policy / "adapter/adapter_model.safetensors"
    weights = load_file(file)
    save_file({name: weight * (3e-5 if "lora_B" in name else 1) for name, weight in weights.items()}, file)
    adapted = StoredModel(tiny_run.base / "model", LOADING, policy / "adapter")

    def wrong(stored: StoredModel, layer: Any, name: str) -> Iterator[torch.Tensor]:
        base = stored.read(layer.get_base_layer().get_parameter(name))
        return iter([base + factor * (torch.cat([*merged_parameter(stored, layer, name)]) - base)])

    monkeypatch.setattr(merge_proof, "merged_parameter", wrong)
    proof = sampled_layers(adapted, adapted)
    assert proof["layers"] == len(proof["layers_not_saved"]) == 6 and proof["adapter_vs_merged"] <= 1e-4
    assert len(proof["layers_not_merged"]) == (0 if factor == 1.0 else 6)


def change_what_is_saved(monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[torch.Tensor], None]) -> None:
    """Let a weight be saved differently from how it was merged."""

    def changed(adapted: StoredModel, folder: Path, dtype: torch.dtype) -> None:
        write_merged(adapted, folder, dtype)
        weights = load_file(folder / "model.safetensors")
        change(weights[name])
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    monkeypatch.setattr(merging, "write_merged", changed)


def test_a_saved_model_that_differs_is_refused(
    tiny_run: TinyRun, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_what_is_saved(monkeypatch, "model.layers.0.mlp.up_proj.weight", lambda weight: weight.mul_(1.5))
    with pytest.raises(PipelineError, match="logits of the saved model and of the adapter differ by"):
        merge(tiny_run.settings().merge, tiny_run.base, policy)
    assert unmerged(policy)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_one_number_of_a_layer_that_differs_is_refused(
    tiny_run: TinyRun, policy: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    """The layers that are compared one by one show it; the logits do not."""
    change_what_is_saved(monkeypatch, "model.layers.1.self_attn.k_proj.weight", lambda weight: weight[3, 4].mul_(1.01))
    with pytest.raises(PipelineError, match=r"layers\.1\.self_attn\.k_proj\.weight is not saved as it was merged"):
        merge(tiny_run.settings(base_model__dtype=dtype).merge, tiny_run.base, policy)
    assert unmerged(policy)


def test_what_from_pretrained_does_not_find_is_named(tiny_run: TinyRun, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_run.base / "model", folder)
    assert not_loaded(folder, trust_remote_code=False) == []
    weights = load_file(folder / "model.safetensors")
    weights["model.norm_of_another_name"] = weights.pop("model.norm.weight")
    narrower = "model.layers.0.self_attn.q_proj.weight"
    weights[narrower] = weights[narrower][:-1].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    names = not_loaded(folder, trust_remote_code=False)
    assert [name.rpartition("language_model.")[2] for name in names] == [
        "layers.0.self_attn.q_proj.weight",
        "norm.weight",
    ]


def test_a_refused_merge_keeps_the_old_model(
    tiny_run: TinyRun, policy: Path, monkeypatch: pytest.MonkeyPatch, fails_if_called: Callable[..., Any]
) -> None:
    merge(tiny_run.settings().merge, tiny_run.base, policy)
    before = read_json(policy / "model.json")
    monkeypatch.setattr(merging, "check_proof", fails_if_called)
    with pytest.raises(AssertionError):
        merge(tiny_run.settings().merge, tiny_run.base, policy)
    assert check_manifest(policy / "model", policy / "model.json") == before


PROOF: dict[str, Any] = {
    "form": "merged",
    "adapter_vs_base": 0.1,
    "adapter_vs_merged": 1e-6,
    "layers_not_merged": [],
    "layers_not_saved": [],
    "not_loaded": [],
    "adapter_vs_saved": 1e-6,
    "dtype": "float32",
}
HALF = {"dtype": "bfloat16"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, None),
        ({"adapter_vs_merged": 1e-4, "adapter_vs_saved": 1e-4}, None),
        ({**HALF, "adapter_vs_saved": 0.02}, None),  # judged by the effect that it keeps
        ({"adapter_vs_base": 0.0}, r"does not change the logits of its base \(peft#2586\)"),
        ({"adapter_vs_base": float("nan")}, "does not change the logits"),
        ({"adapter_vs_merged": 1.1e-4}, "a merged layer and of its adapter differ by 1.10e-04"),
        ({"adapter_vs_merged": float("nan")}, "a merged layer and of its adapter differ by nan"),
        ({"layers_not_merged": ["a", "b"]}, "refused: a and its adapter differ by more than the adapter changes"),
        ({"layers_not_saved": ["a.weight", "b.weight"]}, "refused: a.weight is not saved as it was merged"),
        ({"not_loaded": ["a.weight"]}, "refused: from_pretrained finds no weights that fit for a.weight"),
        ({"adapter_vs_saved": 1.1e-4}, "of the largest logit, more than 1.00e-04"),
        ({"adapter_vs_saved": float("nan")}, "differ by nan"),
        ({**HALF, "adapter_vs_merged": 2e-4}, "a merged layer and of its adapter differ"),
        ({**HALF, "form": "base and adapter", "adapter_vs_saved": 1.1e-4}, "differ by 1.10e-04 of the largest logit"),
    ],
)
def test_check_proof(changes: dict[str, Any], message: str | None) -> None:
    if message is None:
        check_proof(PROOF | changes)
    else:
        with pytest.raises(PipelineError, match=message):
            check_proof(PROOF | changes)


def test_relative_difference() -> None:
    expected = torch.tensor([[1.0, -4.0], [2.0, 0.0]])
    assert relative_difference(expected, expected) == 0.0
    assert relative_difference(expected, expected + torch.tensor([[0.0, 1.0], [0.0, -0.5]])) == 0.25


def test_the_probe_looks_at_images(tiny_run: TinyRun) -> None:
    processor = load_processor(tiny_run.base / "model")
    inputs = probe_inputs(processor, PROMPT)
    model = load_model(tiny_run.base / "model", LOADING)
    seen = logits(model, inputs)
    of_text = inputs["attention_mask"].bool() & (inputs["input_ids"] != processor.image_token_id)
    assert seen.shape == (int(of_text.sum()), model.config.get_text_config().vocab_size)
    inputs["pixel_values"] = inputs["pixel_values"].flip(0)
    assert relative_difference(seen, logits(model, inputs)) > 1e-3


def test_manifest_of_the_adapter_names_its_base(tiny_run: TinyRun) -> None:
    manifest = read_json(tiny_run.sft / "adapter.json")
    assert manifest["base"] == "base"
    assert check_base(tiny_run.sft / "adapter", tiny_run.base) == manifest


def test_the_effect_that_a_saved_model_keeps() -> None:
    base = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    change = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    across = torch.tensor([[0.0, 5.0], [0.0, 0.0]])
    assert effect(base, base + change, base + change) == (1.0, 0.0)
    assert effect(base, base + change, base) == (0.0, 1.0)
    assert effect(base, base + change, base + change / 2) == (0.5, 0.5)
    assert effect(base, base + change, base + change + across) == (1.0, 1.0)
    assert not keeps_effect(dict(zip(("effect_kept", "effect_error"), effect(base, base, base), strict=True)))


@pytest.mark.parametrize(("kept", "error", "enough"), [(0.9, 0.3, True), (0.89, 0.1, False), (1.0, 0.31, False)])
def test_what_is_enough_of_an_effect(kept: float, error: float, enough: bool) -> None:
    assert keeps_effect({"effect_kept": kept, "effect_error": error}) is enough


def test_a_base_that_changed_under_its_manifest_is_refused(tiny_run: TinyRun, tmp_path: Path) -> None:
    """A file of the same size may hold other weights."""
    shutil.copytree(tiny_run.base, tmp_path / "base")
    weights = tmp_path / "base/model/model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1  # the same size, another content
    weights.write_bytes(damaged)
    with pytest.raises(DataError, match=r"model\.safetensors is damaged: its content is not what .*model\.json"):
        check_manifest(tmp_path / "base/model", tmp_path / "base/model.json", content=True)
