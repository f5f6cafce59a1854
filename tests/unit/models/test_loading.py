"""Loading checkpoints: damage and pickles are refused, the dtype is the config's."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model
from tiny_run import LOADING, LORA, TinyRun

from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.files import read_json, write_json
from reinforced_cot.lora.adapter import check_trainable, lora_config
from reinforced_cot.manifests import write_manifest
from reinforced_cot.models.checkpoints import context_length, refuse_pickles, weights_hash
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import load_processor


@pytest.fixture
def folder(tiny_run: TinyRun, tmp_path: Path) -> Path:
    """A copy of the tiny base."""
    shutil.copytree(tiny_run.base, tmp_path / "base")
    return tmp_path / "base/model"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_configs_dtype_is_loaded(tiny_run: TinyRun, folder: Path, dtype: str) -> None:
    loading = LOADING.model_copy(update={"dtype": dtype})
    model = load_model(folder, loading)
    assert {parameter.dtype for parameter in model.parameters()} == {getattr(torch, dtype)}
    model = load_model(folder, loading, dtype="float32")
    assert model.dtype == torch.float32
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        # a copy that was cut off
        (lambda file: file.write_bytes(file.read_bytes()[:-1]), r"model\.safetensors is damaged: it has \d+ bytes"),
        (lambda file: file.unlink(), r"model\.safetensors is missing"),
    ],
)
def test_a_damaged_checkpoint_is_refused(tiny_run: TinyRun, folder: Path, damage: Any, message: str) -> None:
    damage(folder / "model.safetensors")
    with pytest.raises(DataError, match=message):
        load_model(folder, LOADING)


def test_a_checkpoint_without_its_manifest_is_refused(tiny_run: TinyRun, folder: Path) -> None:
    (folder.parent / "model.json").unlink()
    with pytest.raises(DataError, match=r"model\.json does not exist"):
        load_model(folder, LOADING)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl"])
def test_pickled_weights_are_refused(tmp_path: Path, name: str) -> None:
    """A pickle runs code when it is read."""
    (tmp_path / name).write_bytes(b"pickle")
    with pytest.raises(DataError, match=rf"pickled weights \({name}\): convert them to safetensors"):
        refuse_pickles(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")  # safetensors beside them are what is loaded
    refuse_pickles(tmp_path)


def test_weights_hash_sees_weights_alone() -> None:
    def manifest(**sha: str) -> dict[str, Any]:
        return {"files": {name.replace("_", "."): {"bytes": 1, "sha256": value} for name, value in sha.items()}}

    one = weights_hash(manifest(a_safetensors="1", b_safetensors="2", config_json="3"))
    assert one == weights_hash(manifest(b_safetensors="2", config_json="4", a_safetensors="1"))
    assert one != weights_hash(manifest(a_safetensors="1", b_safetensors="3", config_json="3"))
    assert one != weights_hash(manifest(a_safetensors="1", config_json="3"))


def test_context_length(tiny_run: TinyRun) -> None:
    assert context_length(tiny_run.base / "model") == 2048
    assert read_json(tiny_run.base / "model/config.json")["text_config"]["max_position_embeddings"] == 2048


def test_how_a_processor_was_loaded_is_not_saved_with_it(tiny_run: TinyRun, tmp_path: Path) -> None:
    """With HF_HUB_OFFLINE, transformers forces local_files_only: two runs of one merge would differ."""
    for offline in (False, True):
        load_processor(tiny_run.base / "model", local_files_only=offline).save_pretrained(tmp_path / str(offline))
    saved = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("False", "True")]
    assert saved[0] == saved[1] and b"local" not in saved[0]["tokenizer_config.json"]


def test_a_model_without_a_trainable_parameter_is_refused(tiny_run: TinyRun) -> None:
    """Its training would end without an error and without an effect."""
    base = load_model(tiny_run.base / "model", LOADING)
    model = get_peft_model(base, lora_config(LORA, base))
    lora = sum(parameter.numel() for name, parameter in model.named_parameters() if "lora_" in name)
    assert check_trainable(model) == lora > 0
    model.requires_grad_(False)
    with pytest.raises(PipelineError, match=r"no parameter is trainable: lora\.target_modules"):
        check_trainable(model)


def test_a_target_module_that_the_model_lacks_is_refused(tiny_run: TinyRun) -> None:
    """PEFT would silently adapt the others only."""
    base = load_model(tiny_run.base / "model", LOADING)
    with pytest.raises(PipelineError, match=r"no module of the model is named query_proj; .* layers are .*, q_proj,"):
        lora_config({**LORA, "target_modules": ["q_proj", "query_proj"]}, base)
    with pytest.raises(PipelineError, match=r"no module of the model is named language_model\.\*query;"):
        lora_config({**LORA, "target_modules": "language_model.*query"}, base)


@pytest.mark.parametrize(
    ("targets", "adapted"),
    [
        (["attn.qkv", "q_proj"], {"qkv", "q_proj"}),
        (r".*language_model.*\.(q|k)_proj", {"q_proj", "k_proj"}),
        ("all-linear", {*("q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj", "gate_proj"), "qkv", "proj"}),
    ],
)
def test_target_modules_in_every_form_that_peft_knows(tiny_run: TinyRun, targets: Any, adapted: set[str]) -> None:
    base = load_model(tiny_run.base / "model", LOADING)
    model = get_peft_model(base, lora_config({**LORA, "target_modules": targets}, base))
    names = {name.split(".lora_A")[0].rpartition(".")[-1] for name, _ in model.named_parameters() if "lora_A" in name}
    assert names >= adapted
    assert targets == "all-linear" or names == adapted


def test_quantization_without_bitsandbytes_is_refused(tiny_run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reinforced_cot.models.quantization.is_bitsandbytes_available", lambda: False)
    with pytest.raises(PipelineError, match=r"nf4 needs bitsandbytes: pip install .*-r requirements-gpu\.in"):
        load_model(tiny_run.base / "model", LOADING, "nf4")


def test_a_checkpoints_own_sampling_defaults_are_dropped(tiny_run: TinyRun, folder: Path) -> None:
    """Qwen2.5-VL ships a repetition penalty, which `generate` would apply by default."""
    file = folder / "generation_config.json"
    stock = read_json(file)
    write_json(file, {**stock, "repetition_penalty": 1.5, "temperature": 0.1, "do_sample": True})
    write_manifest(folder, folder.with_suffix(".json"))
    config = load_model(folder, LOADING).generation_config
    assert config.repetition_penalty in (None, 1.0) and config.temperature in (None, 1.0) and not config.do_sample
    assert (config.eos_token_id, config.pad_token_id) == (stock["eos_token_id"], stock["pad_token_id"])


@pytest.mark.parametrize(("quantization", "kind"), [("nf4", "Linear4bit"), ("int8", "Linear8bitLt")])
def test_only_the_language_model_is_quantized(tiny_run: TinyRun, quantization: str, kind: str) -> None:
    loading = LOADING.model_copy(update={"dtype": "bfloat16"})
    model = load_model(tiny_run.base / "model", loading, quantization)
    kinds = {name: type(module).__name__ for name, module in model.named_modules()}
    quantized = {name for name, module_kind in kinds.items() if module_kind == kind}
    assert quantized == {name for name in kinds if name.endswith("_proj") and "language_model" in name}
    # k-bit preparation, which TRL leaves to its caller: other weights are float32, and none is trainable yet.
    assert {p.dtype for p in model.parameters() if p.is_floating_point() and not hasattr(p, "quant_state")} == {
        torch.float32
    }
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_quantized_base_can_be_trained_after_a_forward_without_gradients(tiny_run: TinyRun) -> None:
    """bitsandbytes would repack 4-bit weights on some CPUs, and no backward pass would work afterwards."""
    model = load_model(tiny_run.base / "model", LOADING, "nf4")
    adapted = get_peft_model(model, lora_config(LORA, model))
    ids = torch.arange(10, 20)[None]
    with torch.no_grad():
        adapted.eval()(input_ids=ids)
    adapted.train()(input_ids=ids, labels=ids).loss.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in adapted.parameters())
    assert not any(getattr(module, "support_avx512bf16_for_cpu", False) for module in adapted.modules())
