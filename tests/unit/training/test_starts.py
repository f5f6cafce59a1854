"""What SFT and RL start from and what is trained: another policy's adapter itself, or every weight of a model."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from stage_runs import series
from tiny_run import LOADING, TinyRun
from transformers import AutoModelForImageTextToText

from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.files import read_json, sha256_of, write_json
from reinforced_cot.lora.merge import merge
from reinforced_cot.lora.shard_merge import write_base_and_adapter, write_merged
from reinforced_cot.lora.streamed_model import StoredModel
from reinforced_cot.manifests import write_manifest
from reinforced_cot.models.checkpoints import weights_hash
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import load_processor
from reinforced_cot.policies.grpo import GrpoSettings
from reinforced_cot.policies.settings import MergeSettings, TrainSettings
from reinforced_cot.policies.sft import SftSettings
from reinforced_cot.training import grpo as grpo_stage
from reinforced_cot.training import preflight
from reinforced_cot.training import sft as sft_stage
from reinforced_cot.training.full_finetuning import publish_model

ADAPTER, WEIGHTS = "adapter/adapter_model.safetensors", "model/model.safetensors"


def rl_settings(run: TinyRun, **changes: Any) -> GrpoSettings:
    """Rewards that an untrained policy cannot earn; the entropy moves it."""
    return run.settings(grpo__training__entropy_coef=0.1, **changes).grpo


def reinforce(run: TinyRun, settings: GrpoSettings, origin: Path, output: Path, *resume_from: Path) -> None:
    grpo_stage.train(settings, run.examples, run.data, origin, output, *(resume_from or [None]))


def fine_tune(run: TinyRun, settings: SftSettings, origin: Path, output: Path, *resume_from: Path) -> None:
    sft_stage.train(settings, run.examples, run.examples, run.data, origin, output, *(resume_from or [None]))


def merged(settings: TrainSettings, base: Path, output: Path) -> dict[str, Any]:
    """The proof of a merge that reads what the policy was trained with."""
    merge(MergeSettings.model_validate(settings.as_dict()), base, output)
    proof: dict[str, Any] = read_json(output / "merge.json")
    return proof


def check_goes_on(run: TinyRun, output: Path) -> None:
    """The adapter in ``output`` is the run's SFT adapter a few steps later, and belongs to the same base."""
    before, after = load_file(run.sft / ADAPTER), load_file(output / ADAPTER)
    assert before.keys() == after.keys()
    moved = max(float((after[name] - weight).abs().max()) for name, weight in before.items())
    assert 0 < moved < 0.05  # two steps from there: lora_B of a fresh adapter would be all of it
    manifest = read_json(output / "adapter.json")
    assert manifest["base"] == "base"
    assert manifest["base_weights"] == weights_hash(read_json(run.base / "model.json"))


@pytest.mark.parametrize(("beta", "dtype"), [(0.0, "float32"), (0.04, "float32"), (0.04, "bfloat16")])
def test_rl_goes_on_with_the_adapter_of_sft(tiny_run: TinyRun, tmp_path: Path, beta: float, dtype: str) -> None:
    settings = rl_settings(tiny_run, grpo__start="adapter", grpo__training__beta=beta, base_model__dtype=dtype)
    reinforce(tiny_run, settings, tiny_run.sft, tmp_path)
    check_goes_on(tiny_run, tmp_path)
    if beta:  # the reference is SFT's policy, not the base: nothing divides them before the first step
        first, last = [entry["kl"] for entry in read_json(tmp_path / "metrics.json")["history"] if "kl" in entry]
        assert first == pytest.approx(0, abs=1e-6) and last > 1e-6
    if dtype == "bfloat16":
        return
    assert merged(settings, tiny_run.base, tmp_path)["adapter_vs_merged"] < 1e-4


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_sft_goes_on_with_the_adapter_of_sft(tiny_run: TinyRun, tmp_path: Path, dtype: str) -> None:
    settings = tiny_run.settings(sft__start="adapter", base_model__dtype=dtype).sft
    fine_tune(tiny_run, settings, tiny_run.sft, tmp_path / "again")
    check_goes_on(tiny_run, tmp_path / "again")
    if dtype == "bfloat16":
        return
    assert merged(settings, tiny_run.base, tmp_path / "again")["adapter_vs_merged"] < 1e-4
    # The first step sees the adapter, not the base alone.
    fine_tune(tiny_run, tiny_run.settings().sft, tiny_run.base, tmp_path / "fresh")
    histories = [read_json(tmp_path / name / "metrics.json")["history"] for name in ("again", "fresh")]
    again, fresh = (series(history, "loss") for history in histories)
    assert again[0] != pytest.approx(fresh[0], abs=1e-3)


@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_an_adapter_that_stays_as_it_was_is_refused(tiny_run: TinyRun, tmp_path: Path, method: str) -> None:
    changes: dict[str, Any] = {f"{method}__start": "adapter", f"{method}__training__learning_rate": 1e-12}
    with pytest.raises(
        PipelineError, match=f"the trained adapter is still {tiny_run.sft}/adapter: nothing was learned"
    ):
        if method == "sft":
            fine_tune(tiny_run, tiny_run.settings(**changes).sft, tiny_run.sft, tmp_path)
        else:
            reinforce(tiny_run, rl_settings(tiny_run, **changes), tiny_run.sft, tmp_path)


@pytest.fixture
def forms(tiny_run: TinyRun, tmp_path: Path) -> dict[str, Path]:
    """SFT's policy, published as merged weights, and as the base with the adapter beside its weights."""
    stored = StoredModel(tiny_run.base / "model", LOADING, tiny_run.sft / "adapter")
    folders = {"merged": tmp_path / "merged", "beside": tmp_path / "beside"}
    for folder in folders.values():
        (folder / "model").mkdir(parents=True)
        load_processor(tiny_run.base / "model").save_pretrained(folder / "model")
    write_merged(stored, folders["merged"] / "model", torch.float32)
    write_base_and_adapter(stored, tiny_run.sft / "adapter", folders["beside"] / "model", torch.float32)
    for folder in folders.values():
        write_manifest(folder / "model", folder / "model.json")
    return folders


@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_rl_starts_from_an_adapter_beside_the_weights(
    tiny_run: TinyRun, forms: dict[str, Path], tmp_path: Path, beta: float
) -> None:
    """It takes the same steps as from the merged model, but for rounding, and its merge has both changes."""
    settings = rl_settings(tiny_run, grpo__training__beta=beta)
    for form, origin in forms.items():
        reinforce(tiny_run, settings, origin, tmp_path / f"from_{form}")
        assert merged(settings, origin, tmp_path / f"from_{form}")["effect_error"] < 1e-3
    for name in (ADAPTER, WEIGHTS):
        one, other = (load_file(tmp_path / f"from_{form}" / name) for form in forms)
        assert one.keys() == other.keys()
        assert all(torch.allclose(one[key], weight, atol=1e-4) for key, weight in other.items())


def test_every_weight_is_trained_with_the_adapter_in_it(tiny_run: TinyRun, forms: dict[str, Path]) -> None:
    settings = tiny_run.settings(sft__lora=None).sft
    one, other = (
        preflight.load_start(settings, preflight.find_start(settings, path), None)[0] for path in forms.values()
    )
    assert all(torch.allclose(weight, other.state_dict()[name], atol=1e-6) for name, weight in one.state_dict().items())
    tokens = {"input_ids": torch.arange(5, 25)[None]}
    assert torch.allclose(one(**tokens).logits, other(**tokens).logits, atol=1e-4)


def test_no_policy_is_trained_on_an_adapter_that_cannot_be_fixed(tiny_run: TinyRun, tmp_path: Path) -> None:
    model = load_model(tiny_run.base / "model", LOADING)
    shutil.copytree(tiny_run.base, tmp_path / "dora")
    get_peft_model(model, LoraConfig(r=2, target_modules=["v_proj"], use_dora=True)).save_pretrained(
        tmp_path / "dora/model", save_embedding_layers=False
    )
    write_manifest(tmp_path / "dora/model", tmp_path / "dora/model.json")
    settings = tiny_run.settings().sft
    with pytest.raises(
        PipelineError, match=r"dora/model has an adapter .*Let dora's training go on by `start: adapter`"
    ):
        fine_tune(tiny_run, settings, tmp_path / "dora", tmp_path / "sft")


def test_an_adapter_of_another_base_is_refused(tiny_run: TinyRun, tmp_path: Path) -> None:
    for name in ("base", "sft"):
        shutil.copytree(tiny_run.sft.parent / name, tmp_path / name)
    path = tmp_path / "base/model.json"
    manifest = read_json(path)
    weights = load_file(tmp_path / "base" / WEIGHTS)
    save_file({name: weight + 1 for name, weight in weights.items()}, tmp_path / "base" / WEIGHTS, {"format": "pt"})
    manifest["files"]["model.safetensors"]["sha256"] = sha256_of(tmp_path / "base" / WEIGHTS)
    write_json(path, manifest)
    with pytest.raises(DataError, match="was trained on a base with weights"):
        reinforce(tiny_run, rl_settings(tiny_run, grpo__start="adapter"), tmp_path / "sft", tmp_path / "grpo")
    with pytest.raises(DataError, match="was trained on a base with weights"):
        fine_tune(tiny_run, tiny_run.settings(sft__start="adapter").sft, tmp_path / "sft", tmp_path / "again")


def test_an_adapter_on_a_quantized_base_goes_on_as_it_is(tiny_run: TinyRun, tmp_path: Path) -> None:
    """TRL rounds it to bfloat16; what is trained on is what SFT published."""
    pytest.importorskip("bitsandbytes")
    trainers: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grpo_stage, "run", lambda trainer, *_: trainers.append(trainer))
        settings = rl_settings(tiny_run, grpo__start="adapter", grpo__quantization="nf4")
        reinforce(tiny_run, settings, tiny_run.sft, tmp_path)
    model, published = trainers[0].model, load_file(tiny_run.sft / ADAPTER)
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            assert weight.dtype == torch.float32
            assert torch.equal(weight, published[name.replace(".default", "")])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_sft_in_full(tiny_run: TinyRun, tmp_path: Path, dtype: str) -> None:
    settings = tiny_run.settings(
        prompt__system="Think.", sft__lora=None, base_model__dtype=dtype, sft__training__max_steps=1
    ).sft
    loaded: list[Any] = []

    def load(*args: Any) -> Any:
        loaded.append(load_model(*args))
        return loaded[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preflight, "load_model", load)
        fine_tune(tiny_run, settings, tiny_run.base, tmp_path)
    assert {weight.dtype for weight in loaded[0].parameters()} == {torch.float32}
    assert not (tmp_path / "adapter").exists()
    manifest = read_json(tmp_path / "model.json")
    assert manifest["base"] == "base"
    assert manifest["changed_weights"] > 0.9 * len(load_file(tmp_path / WEIGHTS))
    published = load_model(tmp_path / "model", settings.base_model)  # checks the manifest, too
    assert {weight.dtype for weight in published.parameters()} == {getattr(torch, dtype)}
    for name, weight in published.named_parameters():
        assert torch.equal(weight, loaded[0].get_parameter(name).to(weight.dtype)), name
    raw = AutoModelForImageTextToText.from_pretrained(tmp_path / "model", dtype="auto")  # as a user's code reads it
    assert raw.dtype == getattr(torch, dtype)
    assert "Think." in (tmp_path / "model/chat_template.jinja").read_text()


@pytest.mark.parametrize("beta", [0.0, 0.04])
@pytest.mark.parametrize("start", [{"lora": None}, {"start": "adapter"}], ids=["in full", "adapter"])
def test_rl_goes_on_after_a_kill(tiny_run: TinyRun, tmp_path: Path, beta: float, start: dict[str, Any]) -> None:
    changes = {f"grpo__{key}": value for key, value in start.items()}
    settings = rl_settings(tiny_run, grpo__training__beta=beta, grpo__training__max_steps=4, **changes)
    origin = tiny_run.sft if "start" in start else tiny_run.base
    reinforce(tiny_run, settings, origin, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    for made in ("adapter" if "start" in start else "model", "checkpoints/checkpoint-3", "checkpoints/checkpoint-4"):
        shutil.rmtree(tmp_path / "killed" / made)
    resume_from = tmp_path / "killed/checkpoints/checkpoint-2"
    reinforce(tiny_run, settings, origin, tmp_path / "killed", resume_from)
    file = ADAPTER if "start" in start else WEIGHTS
    whole, killed = (load_file(tmp_path / run / file) for run in ("whole", "killed"))
    assert all(torch.equal(whole[name], weight) for name, weight in killed.items())
    if beta:  # the reference is where RL started, not where it went on
        kl = [
            [entry["kl"] for entry in read_json(tmp_path / run / "metrics.json")["history"] if "kl" in entry]
            for run in ("whole", "killed")
        ]
        assert kl[0] == pytest.approx(kl[1]) and kl[0][0] == pytest.approx(0, abs=1e-6) and kl[0][-1] > 1e-6


def test_rl_in_full_computes_in_bfloat16_and_keeps_float32(tiny_run: TinyRun, tmp_path: Path) -> None:
    """Autocast meets float32 weights in every pass, shared prompts included."""
    changes = {"grpo__training__max_steps": 2, "grpo__training__learning_rate": 1e-2}  # less is lost in bfloat16
    settings = rl_settings(tiny_run, grpo__lora=None, base_model__dtype="bfloat16", **changes)
    reinforce(tiny_run, settings, tiny_run.base, tmp_path / "grpo")
    assert {weight.dtype for weight in load_file(tmp_path / "grpo" / WEIGHTS).values()} == {torch.bfloat16}


def test_a_fresh_adapter_on_a_model_trained_in_full(tiny_run: TinyRun, tmp_path: Path) -> None:
    fine_tune(tiny_run, tiny_run.settings(sft__lora=None).sft, tiny_run.base, tmp_path / "sft")
    settings = rl_settings(tiny_run)
    reinforce(tiny_run, settings, tmp_path / "sft", tmp_path / "grpo")
    merged(settings, tmp_path / "sft", tmp_path / "grpo")
    assert read_json(tmp_path / "grpo/model.json")["base"] == "sft"


def test_a_model_that_did_not_change_or_diverged_is_refused(tiny_run: TinyRun, tmp_path: Path) -> None:
    model, trained = tiny_run.base / "model", tmp_path / "checkpoint"
    weights = load_file(tiny_run.base / WEIGHTS)
    name = next(iter(weights))
    cases = {
        "no weight of the trained model differs": weights,
        f"the trained weight {name} is empty or not finite": {**weights, name: weights[name] * float("nan")},
        f"{name} is empty": {**weights, name: torch.empty(0)},
    }
    for message, changed in cases.items():
        shutil.copytree(model, trained, dirs_exist_ok=True)
        save_file(changed, trained / "model.safetensors", {"format": "pt"})
        with pytest.raises(PipelineError, match=message):
            publish_model(trained, tiny_run.base, tmp_path / "policy", "float32", False, None)
        assert not (tmp_path / "policy/model").exists() and not (tmp_path / "policy/model.json").exists()


def test_shards_are_published_with_their_index(tiny_run: TinyRun, tmp_path: Path) -> None:
    model = load_model(tiny_run.base / "model", LOADING)
    with torch.no_grad():
        model.model.language_model.norm.weight += 1
    model.save_pretrained(tmp_path / "checkpoint", max_shard_size="200KB")
    assert len(list((tmp_path / "checkpoint").glob("*.safetensors"))) > 2
    publish_model(tmp_path / "checkpoint", tiny_run.base, tmp_path, "bfloat16", False, "Think.")
    assert read_json(tmp_path / "model.json")["changed_weights"] == 1
    published = load_model(tmp_path / "model", LOADING.model_copy(update={"dtype": "bfloat16"}))
    assert all(
        torch.equal(weight, model.get_parameter(name).bfloat16()) for name, weight in published.named_parameters()
    )
    index = read_json(tmp_path / "model/model.safetensors.index.json")
    assert index["metadata"]["total_size"] == sum(weight.nbytes for weight in published.parameters())
