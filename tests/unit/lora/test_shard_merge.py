"""Merging file by file gives PEFT's own weights, in every family, and never has the whole model in memory."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from places import REPO, SCRIPTS
from safetensors.torch import load_file, save_file
from tiny_families import published_checkpoint
from tiny_run import PROMPT, TinyRun
from transformers import AutoConfig, AutoModelForImageTextToText

from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.files import read_json, write_json
from reinforced_cot.lora.merge_proof import logits, probe_inputs, relative_difference
from reinforced_cot.lora.shard_merge import write_merged
from reinforced_cot.lora.streamed_model import StoredModel
from reinforced_cot.lora.tensor_files import INDEX, Place, places_in, write_like
from reinforced_cot.models.embedded_adapter import ADAPTER_FILES
from reinforced_cot.models.families import FAMILIES
from reinforced_cot.models.processors import load_processor
from reinforced_cot.models.settings import Loading, ModelSizes

sys.path.append(str(REPO / "benchmarks"))

from merge import make_policies

EXACT = Loading(dtype="float32", attn_implementation="sdpa", trust_remote_code=False)
TARGETS = ["q_proj", "v_proj", "down_proj"]
ADAPTERS: dict[str, dict[str, Any]] = {
    "plain": {"r": 4},
    "all of it": {
        **{"r": 4, "lora_alpha": 8, "use_rslora": True, "use_dora": True},
        **{"rank_pattern": {"down_proj": 2}, "alpha_pattern": {r"layers\.1\..*q_proj": 3}},
    },
}


@pytest.fixture(scope="module", params=FAMILIES)
def base(request: pytest.FixtureRequest, tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of this family, in several files."""
    return checkpoint(request.param, tiny_run, tmp_path_factory.mktemp(request.param))


def restated(base: Path, folder: Path, **changes: Any) -> Path:
    """A copy of a checkpoint with changes in its config.json."""
    shutil.copytree(base, folder)
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", {**config, **changes, "text_config": {**config["text_config"], **changes}})
    return folder


@pytest.fixture(scope="module")
def untied(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint("qwen2_5_vl", tiny_run, tmp_path_factory.mktemp("untied"), tie_word_embeddings=False)


def checkpoint(family: str, run: TinyRun, folder: Path, **changes: Any) -> Path:
    published = published_checkpoint(family, [example.chain for example in run.examples], folder / "published")
    config = AutoConfig.from_pretrained(published)
    for name, value in changes.items():
        setattr(config, name, value)
        setattr(config.text_config, name, value)
    model = AutoModelForImageTextToText.from_config(config)
    weights = AutoModelForImageTextToText.from_pretrained(published).state_dict()
    model.load_state_dict(weights | ({"lm_head.weight": weights["lm_head.weight"].flip(0)} if changes else {}))
    model.save_pretrained(folder / "base", max_shard_size="40KB")
    load_processor(published).save_pretrained(folder / "base")
    assert len(read_json(folder / "base" / INDEX)["weight_map"]) > 40
    return folder / "base"


def loaded(folder: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()


def make_adapter(base: Path, folder: Path, **options: Any) -> Path:
    """An adapter whose every weight is random."""
    config = LoraConfig(task_type="CAUSAL_LM", **{"target_modules": TARGETS, **options})
    adapted = get_peft_model(loaded(base), config)
    generator = torch.Generator().manual_seed(1)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    adapted.save_pretrained(folder)
    return folder


def merged_by_peft(base: Path, adapter: Path) -> Any:
    return PeftModel.from_pretrained(loaded(base), adapter).merge_and_unload()


def merged(base: Path, adapter: Path, folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    folder.mkdir()
    write_merged(StoredModel(base, EXACT, adapter), folder, dtype)
    return AutoModelForImageTextToText.from_pretrained(folder)


def close(actual: torch.Tensor, expected: torch.Tensor) -> bool:
    """Equal except for the order of float32 roundings, which sometimes changes the last bit in half precision."""
    if actual.dtype == torch.bfloat16 and (actual != expected).float().mean() > 1e-3:
        return False
    return torch.allclose(actual, expected, rtol=1e-6 if actual.dtype == torch.float32 else 2**-7, atol=1e-7)


def assert_same_weights(model: Any, expected: Any, base: Path) -> None:
    expected, before = expected.state_dict(), loaded(base).state_dict()
    assert model.state_dict().keys() == expected.keys()
    assert [name for name, weight in model.state_dict().items() if not close(weight, expected[name])] == []
    assert any(not torch.equal(weight.float(), before[name]) for name, weight in expected.items())


@pytest.mark.parametrize("kind", ADAPTERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_weights_are_those_that_peft_merges(base: Path, tmp_path: Path, kind: str, dtype: torch.dtype) -> None:
    adapter = make_adapter(base, tmp_path / "adapter", **ADAPTERS[kind])
    model = merged(base, adapter, tmp_path / "merged", dtype)
    assert model.dtype == dtype
    assert_same_weights(model, merged_by_peft(base, adapter).to(dtype), base)
    keys = {file.name: load_file(file).keys() for file in base.glob("*.safetensors")}
    assert keys == {file.name: load_file(file).keys() for file in (tmp_path / "merged").glob("*.safetensors")}
    size = sum(
        weight.nbytes for file in (tmp_path / "merged").glob("*.safetensors") for weight in load_file(file).values()
    )
    assert read_json(tmp_path / "merged" / INDEX)["metadata"]["total_size"] == size
    assert model.generation_config.repetition_penalty in (None, 1.0) and model.generation_config.eos_token_id


@pytest.mark.parametrize(
    "options",
    [
        {"lora_bias": True, "target_modules": ["q_proj", "v_proj"], "exclude_modules": ".*visual.*"},
        {"bias": "all"},
        {"bias": "lora_only"},
        {"modules_to_save": ["lm_head"]},
        {"modules_to_save": ["embed_tokens", "merger"]},
        {"target_modules": ["embed_tokens", "lm_head", "q_proj"]},
        {"target_modules": "all-linear", "use_dora": True},
        {"trainable_token_indices": {"embed_tokens": [5, 7]}},
    ],
    ids=str,
)
def test_all_that_peft_can_merge_is_merged(untied: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    adapter = make_adapter(untied, tmp_path / "adapter", **options)
    assert_same_weights(merged(untied, adapter, tmp_path / "merged"), merged_by_peft(untied, adapter), untied)


@pytest.mark.parametrize("options", [{"modules_to_save": ["lm_head"]}, {"target_modules": ["embed_tokens"]}], ids=str)
@pytest.mark.parametrize("base", ["qwen2_5_vl"], indirect=True)
def test_a_change_of_one_of_two_tied_modules_is_refused(base: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    adapter = make_adapter(base, tmp_path / "adapter", **options)
    with pytest.raises(PipelineError, match=r"changes .*embed_tokens\.weight.*lm_head\.weight.* in different ways"):
        merged(base, adapter, tmp_path / "merged")


def test_bases_whose_config_contradicts_their_weights_are_refused(untied: Path, tmp_path: Path) -> None:
    """Both sides of the proof would read the same wrong weights, and agree."""
    tied = restated(untied, tmp_path / "tied", tie_word_embeddings=True)
    with pytest.raises(PipelineError, match=r"has two tensors for .*, and they differ, though its config"):
        StoredModel(tied, EXACT)
    quantized = restated(untied, tmp_path / "quantized", quantization_config={"quant_method": "fp8"})
    with pytest.raises(PipelineError, match=r"is a quantized checkpoint .*: take the original weights"):
        StoredModel(quantized, EXACT)
    StoredModel(untied, EXACT)


def test_an_adapter_that_changed_its_base_is_refused(untied: Path, tmp_path: Path) -> None:
    adapter = make_adapter(untied, tmp_path / "adapter", r=4)
    StoredModel(untied, EXACT, adapter)
    config = read_json(adapter / ADAPTER_FILES[0])
    write_json(adapter / ADAPTER_FILES[0], {**config, "init_lora_weights": "pissa_niter_4"})
    with pytest.raises(PipelineError, match="was started with init_lora_weights pissa_niter_4, which changes the base"):
        StoredModel(untied, EXACT, adapter)


def rewrite(file: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    weights = load_file(file)
    change(weights)
    save_file(weights, file, metadata={"format": "pt"})


def test_tensors_that_the_model_does_not_know_are_copied(tiny_run: TinyRun, tmp_path: Path) -> None:
    base = checkpoint("qwen2_5_vl", tiny_run, tmp_path / "own")
    extra = {"extra.scale": torch.tensor([1.5, 2.0]), "extra.steps": torch.arange(3), "extra.flag": torch.tensor(True)}
    rewrite(max(base.glob("*.safetensors")), lambda weights: weights.update(extra))
    merged(base, make_adapter(base, tmp_path / "adapter"), tmp_path / "merged", torch.bfloat16)
    written = load_file(max((tmp_path / "merged").glob("*.safetensors")))
    assert {name: written[name].tolist() for name in extra} == {name: tensor.tolist() for name, tensor in extra.items()}
    assert [written[name].dtype for name in extra] == [torch.bfloat16, torch.int64, torch.bool]


def renamed(weights: dict[str, torch.Tensor]) -> None:
    weights.update({name.replace("layers.1", "layers.7"): weights.pop(name) for name in list(weights)})


def one_less(weights: dict[str, torch.Tensor]) -> None:
    weights.pop(min(weights))


def one_wider(weights: dict[str, torch.Tensor]) -> None:
    name = min(name for name in weights if "lora_B" in name)
    weights[name] = torch.cat([weights[name], weights[name]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (renamed, r"weights that no module of its base takes \(.*layers\.7.*, and 5 more\): it cannot be merged"),
        (one_less, r"adapter lacks 1 weights that its configuration names: .*lora_A"),
        (one_wider, r"adapter_model\.safetensors: .*lora_B.* has the shape \(64, 4\), the model needs \(32, 4\)"),
    ],
)
@pytest.mark.parametrize("base", ["qwen2_5_vl"], indirect=True)
def test_an_adapter_that_does_not_fit_is_refused(
    base: Path, tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], None], message: str
) -> None:
    adapter = make_adapter(base, tmp_path / "adapter", r=4, target_modules=["q_proj", "k_proj", "down_proj"])
    rewrite(adapter / ADAPTER_FILES[1], change)
    with pytest.raises(PipelineError, match=message):
        merged(base, adapter, tmp_path / "merged")


def test_a_base_that_lacks_weights_is_refused(tiny_run: TinyRun, tmp_path: Path) -> None:
    base = checkpoint("qwen2_5_vl", tiny_run, tmp_path)
    files = sorted(base.glob("*.safetensors"))
    rewrite(files[-1], lambda weights: weights.pop(max(weights)))
    with pytest.raises(
        DataError, match=r"base lacks 1 weights that the model of its config\.json needs \(model\.\S+\)"
    ):
        StoredModel(base, EXACT)
    files[1].unlink()
    with pytest.raises(DataError, match=rf"base lacks {files[1].name}: it is no complete checkpoint"):
        StoredModel(base, EXACT)
    (base / INDEX).unlink()
    with pytest.raises(DataError, match=r"base lacks model\.safetensors: it is no complete checkpoint"):
        StoredModel(base, EXACT)


def test_a_written_file_is_as_safetensors_writes_it(tmp_path: Path) -> None:
    tensors = {
        "b": torch.tensor([[1.0, 2.0, 3.0]]),
        "a": torch.tensor(2.5, dtype=torch.float64),
        "n": torch.arange(3, dtype=torch.int8),
        "i": torch.tensor([2**40]),
        "none": torch.zeros(0, 4),
    }
    save_file(tensors, tmp_path / "like.safetensors")
    size = write_like(
        tmp_path / "new.safetensors", tmp_path / "like.safetensors", torch.bfloat16, lambda key: [tensors[key]]
    )
    written = load_file(tmp_path / "new.safetensors")
    assert size == 6 + 2 + 3 + 8
    for name, tensor in tensors.items():
        expected = tensor.to(torch.bfloat16) if tensor.is_floating_point() else tensor
        assert torch.equal(written[name], expected) and written[name].dtype == expected.dtype
    save_file(
        {name: tensor.contiguous() for name, tensor in written.items()}, tmp_path / "again", metadata={"format": "pt"}
    )
    assert (tmp_path / "again").read_bytes() == (tmp_path / "new.safetensors").read_bytes()


@pytest.mark.parametrize("adapted", [False, True])
def test_a_streamed_model_computes_what_a_loaded_one_does(
    base: Path, tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adapted: bool
) -> None:
    model = loaded(base)
    inputs = probe_inputs(load_processor(base), PROMPT)
    adapter = None
    if adapted:
        adapter = make_adapter(base, tmp_path / "adapter", **ADAPTERS["all of it"])
        model = PeftModel.from_pretrained(model, adapter)
    stored = StoredModel(base, EXACT, adapter)
    held: list[float] = []
    read = Place.read

    def recorded(place: Place) -> torch.Tensor:
        sizes = [(parameter.is_meta, parameter.nbytes) for parameter in stored.model.parameters()]
        held.append(sum(size for meta, size in sizes if not meta) / sum(size for _, size in sizes))
        return read(place)

    monkeypatch.setattr(Place, "read", recorded)
    for _ in range(2):  # the first time leaves the model as it was
        with stored.streaming() as streamed:
            assert relative_difference(logits(model, inputs), logits(streamed, inputs)) < 1e-6
        assert all(parameter.is_meta for parameter in stored.model.parameters())
    assert 0.05 < max(held) < 0.4  # one of three blocks


def test_the_files_of_a_base_stay_as_they_are(tiny_run: TinyRun, tmp_path: Path) -> None:
    base = checkpoint("qwen2_5_vl", tiny_run, tmp_path)
    before = {place.file: place.file.read_bytes() for place in places_in(base).values()}
    merged(base, make_adapter(base, tmp_path / "adapter"), tmp_path / "merged")
    assert all(file.read_bytes() == content for file, content in before.items())


LIMITED = """
import json, sys
from pathlib import Path
import torch
from reinforced_cot.lora.merge_proof import not_loaded
from reinforced_cot.lora.shard_merge import write_merged
from reinforced_cot.lora.streamed_model import StoredModel
from reinforced_cot.models.settings import Loading

def peak():
    # Not ru_maxrss, which begins with that of the process that started this one.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

work = Path(sys.argv[1])
exact = Loading(dtype="float32", attn_implementation="sdpa", trust_remote_code=False)
StoredModel(work / "base/model", exact, work / "policy/adapter")  # imports all that is imported late
peaks = {"before": peak()}
adapted = StoredModel(work / "base/model", exact, work / "policy/adapter")
write_merged(adapted, work / "merged", torch.bfloat16)
peaks["merge"] = peak()
with adapted.streaming() as model, torch.no_grad():
    model(input_ids=torch.arange(8)[None])
peaks["forward"] = peak()
assert not_loaded(work / "base/model", False) == []
peaks["names"] = peak()
held = [adapted.read(weight).clone() for weight in adapted.parameters.values()]
peaks["held"] = peak()
print(json.dumps(peaks))
"""


def measured_peaks(work: Path) -> dict[str, float]:
    """Peak memory of a separate process in MB: before, after a merge, after a forward, after transformers has looked
    for every weight, and with all weights in memory.
    """
    command = [sys.executable, "-c", LIMITED, str(work)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(SCRIPTS)}
    )
    peaks: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return peaks


def test_the_model_is_never_in_memory(tmp_path: Path) -> None:
    """600 MB in 6 files; a layer has 56 MB, and twice that in float32."""
    sizes = ModelSizes(hidden_size=1024, num_hidden_layers=10, num_attention_heads=8, intermediate_size=8192)
    shape = make_policies(tmp_path, sizes, 500, 1.05e8)
    (tmp_path / "merged").mkdir()
    assert shape["files"] == 6 and shape["checkpoint_gb"] > 0.55
    peaks = measured_peaks(tmp_path)
    assert peaks["merge"] - peaks["before"] < 100 and peaks["forward"] - peaks["before"] < 200
    assert peaks["names"] - peaks["before"] < 200
    assert peaks["held"] - peaks["names"] > 300  # a whole model in memory would show
