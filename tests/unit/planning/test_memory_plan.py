"""The memory plan: its arithmetic against what PyTorch keeps, PEFT adds and bitsandbytes converts; refused plans."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from config_samples import merged
from peft import get_peft_model
from places import REPO
from tiny_run import LOADING, LORA, TinyRun
from transformers import AutoModelForImageTextToText, Qwen2_5_VLConfig

from reinforced_cot.base.tiny_model import SPECIAL_TOKENS, build_config
from reinforced_cot.config.stage_settings import train_settings
from reinforced_cot.config.validation import validated
from reinforced_cot.errors import PipelineError
from reinforced_cot.evaluation import answering
from reinforced_cot.evaluation.answer_log import AnswerLog
from reinforced_cot.generation import transformers_engine
from reinforced_cot.lora.adapter import check_trainable, lora_config
from reinforced_cot.models.embedded_adapter import ADAPTER_FILES
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.settings import ModelSizes
from reinforced_cot.planning.memory_plan import EMBEDDED, GIB, PROOF, SLACK, UPDATE, Shapes, answering_plan
from reinforced_cot.planning.merge_memory import merge_plan
from reinforced_cot.planning.model_shapes import shapes_of, shapes_of_config
from reinforced_cot.planning.training_memory import training_plan, training_plan_of
from reinforced_cot.planning.update_memory import head_bytes, kept_bytes
from reinforced_cot.policies.grpo import GrpoPolicy
from reinforced_cot.policies.settings import TrainedPolicy, Workload
from reinforced_cot.training import grpo as grpo_stage
from reinforced_cot.training import preflight
from reinforced_cot.training import sft as sft_stage

IDS = {token: number for number, token in enumerate(SPECIAL_TOKENS)}
ONE: dict[str, Any] = {"processes": 1, "zero_stage": 0, "offloaded": False, "gathers": False}


def policy(training: dict[str, Any] | None = None, **changes: Any) -> TrainedPolicy:
    """A policy with TRL's fields ``training``; ``changes`` replace its other settings."""
    stated = {"method": "grpo", "from": "sft", "lora": LORA, "training": training or {}}
    return TrainedPolicy.model_validate(stated | changes)


def work(tokens: int, generated_rows: int = 0) -> Workload:
    """Rows of ``tokens`` together, all of them scored, and completions of 768 tokens after 2048 of their own."""
    return Workload(tokens, tokens, tokens, 4, generated_rows, 2816, generated_rows, 2048)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize(
    ("sizes", "vocabulary"),
    [
        (ModelSizes(hidden_size=128, intermediate_size=512, num_hidden_layers=4), 500),
        (ModelSizes(hidden_size=256, intermediate_size=512, num_hidden_layers=6, num_key_value_heads=4), 2000),
    ],
)
def test_activations_are_what_autograd_keeps(
    sizes: ModelSizes, vocabulary: int, checkpointed: bool, dtype: str
) -> None:
    config = build_config(vocabulary, IDS, sizes)
    model = AutoModelForImageTextToText.from_config(config).to(getattr(torch, dtype))
    model = get_peft_model(model, lora_config(LORA, model)).train()
    if checkpointed:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}
    alive = []  # otherwise another tensor could take a freed one's address

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(storage)
        return tensor

    ids = torch.randint(10, vocabulary, (2, 150))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.get_base_model().model(input_ids=ids, use_cache=False)
    shapes = shapes_of_config(config, LOADING, LORA)
    assert kept_bytes(shapes, dtype, work(300), checkpointed) == pytest.approx(sum(kept.values()), rel=0.2)


def test_weights_are_counted_as_they_are_loaded(tiny_run: TinyRun) -> None:
    model = load_model(tiny_run.base / "model", LOADING)
    shapes = shapes_of(tiny_run.base / "model", LOADING, LORA)
    assert shapes.weights == model.num_parameters()
    assert shapes.adapter == check_trainable(get_peft_model(model, lora_config(LORA, model)))
    quantized = load_model(tiny_run.base / "model", LOADING, "int8")
    taken = [module for module in quantized.modules() if type(module).__name__ == "Linear8bitLt"]
    assert shapes.linear == sum(module.weight.numel() for module in taken)
    everything = shapes_of(tiny_run.base / "model", LOADING, {**LORA, "target_modules": "all-linear"})
    assert everything.adapter > shapes.adapter


@pytest.fixture(scope="module")
def three_billion() -> Shapes:
    """Qwen2.5-VL-3B-Instruct with the full-size preset's adapter."""
    return three_billion_with({"r": 128, "target_modules": ["q_proj", "k_proj", "v_proj"]})


def three_billion_with(lora: dict[str, Any] | None) -> Shapes:
    """Qwen2.5-VL-3B-Instruct by its published configuration."""
    text: dict[str, Any] = {
        **{"hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "vocab_size": 151936},
        **{"num_attention_heads": 16, "num_key_value_heads": 2, "tie_word_embeddings": True},
    }
    vision = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "out_hidden_size": 2048}
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True)
    return shapes_of_config(config, LOADING, lora)


def test_a_model_of_3_billion(three_billion: Shapes) -> None:
    assert three_billion.weights == 3_754_622_976  # as the hub says
    assert (three_billion.layers, three_billion.kv_size) == (36, 256)
    plan = answering_plan(three_billion, "bfloat16", rows=16, tokens=2816, prompts=16, prompt=2048)
    assert plan.parts["weights"] / GIB == pytest.approx(6.99, abs=0.01)
    assert plan.parts["keys and values of a generation"] == 16 * 2816 * 36 * 2 * 256 * 2
    assert plan.needed(80 * GIB) == sum(plan.parts.values())


CASES: list[tuple[dict[str, Any], dict[str, Any], dict[str, float]]] = [
    ({}, {}, {"weights": 6.99, "adapter and its gradients": 0.30, "optimizer states": 0.30}),
    ({"optim": "paged_adamw_8bit"}, {}, {"optimizer states": 0.07}),
    ({}, {"quantization": "nf4"}, {"weights": 4.98}),
    ({}, {"quantization": "int8"}, {"weights": 6.24}),
    ({}, {"processes": 4, "zero_stage": 2}, {"weights": 6.99, "optimizer states": 0.07}),
    ({}, {"processes": 4, "zero_stage": 3}, {"weights": 1.75, "adapter and its gradients": 0.07}),
    ({}, {"processes": 4, "zero_stage": 3, "offloaded": True}, {"weights": 0.0, "optimizer states": 0.0}),
]


@pytest.mark.parametrize(("training", "changes", "expected"), CASES)
def test_what_stays_on_a_device(
    three_billion: Shapes, training: dict[str, Any], changes: dict[str, Any], expected: dict[str, float]
) -> None:
    spread = {**ONE, **{key: value for key, value in changes.items() if key != "quantization"}}
    plan = training_plan(
        three_billion,
        policy(training, quantization=changes.get("quantization")),
        "bfloat16",
        **spread,
        work=work(4 * 2400, 16),
    )
    for name, size in expected.items():
        assert plan.parts[name] / GIB == pytest.approx(size, abs=0.01), name
    assert plan.needed(80 * GIB) < sum(plan.parts.values())  # an update and a generation never coincide
    assert "GiB  at most at once" in str(plan)


@pytest.mark.parametrize(
    ("training", "spread", "expected"),  # GiB; a byte per weight is 3.50
    [
        ({}, ONE, {"weights": 20.98, "gradients": 13.99, "optimizer states": 27.97}),
        ({"beta": 0.04}, ONE, {"reference model": 13.99}),
        ({}, {"processes": 2}, {"gradients": 27.97}),  # DDP's buckets beside them
        ({"optim": "adamw_8bit"}, ONE, {"optimizer states": 6.99}),
        (
            {"beta": 0.04},
            {"processes": 4, "zero_stage": 2},
            {"weights": 6.99, "gradients": 1.75, "optimizer states": 10.49, "reference model": 6.99},
        ),
        (
            {},
            {"processes": 4, "zero_stage": 3},
            {"weights": 1.75, "gradients": 1.75, "optimizer states": 10.49},
        ),
        ({}, {"processes": 4, "zero_stage": 3, "offloaded": True}, {"weights": 0.0, "optimizer states": 0.0}),
    ],
)
def test_what_stays_on_a_device_that_trains_every_weight(
    three_billion: Shapes, training: dict[str, Any], spread: dict[str, Any], expected: dict[str, float]
) -> None:
    fully_trained = policy(training, lora=None)
    plan = training_plan(three_billion, fully_trained, "bfloat16", **{**ONE, **spread}, work=work(4 * 2400, 16))
    assert {name: round(plan.parts[name] / GIB, 2) for name in expected} == expected
    assert ("reference model" in plan.parts) == ("beta" in training)


def test_no_trainer_makes_all_logits(three_billion: Shapes) -> None:
    """Chains of four prompts of 2048 tokens train on a 24 GB card: counted as logits, they took 14.5 GiB more."""
    chains = work(4 * 2560, 16)
    plan = training_plan(three_billion, policy(), "bfloat16", **ONE, work=chains)
    assert plan.needed(24 * GIB) < 12 * GIB
    smoothed = training_plan(three_billion, policy({"label_smoothing_factor": 0.1}), "bfloat16", **ONE, work=chains)
    assert smoothed.parts[UPDATE] - plan.parts[UPDATE] > 0.9 * 4 * 2560 * 151936 * 14 - 2**30
    head = [head_bytes(three_billion, "bfloat16", count, on_cpu=False, trained=False) for count in (100, 4096, 10**5)]
    assert head[0] < head[1] and head[2] - head[1] == (10**5 - 4096) * 2048 * 6  # one tile, then hidden states alone
    on_cpu = head_bytes(three_billion, "bfloat16", 4096, on_cpu=True, trained=False)
    assert on_cpu - head[1] == 4096 * 32768 * 29
    trained = head_bytes(three_billion, "bfloat16", 4096, on_cpu=False, trained=True)
    assert trained - head[1] == 151936 * 2048 * 6


@pytest.mark.parametrize(
    ("changes", "trees", "tokens", "attended"),  # of a micro-batch: prompts of 100 tokens, completions of 10
    [
        ({}, True, 100 + 4 * 11, 4 * 110 + 100),  # half a group
        ({"per_device_train_batch_size": 16}, True, 2 * 100 + 16 * 11, 16 * 110 + 200),
        ({"per_device_train_batch_size": 12, "generation_batch_size": 24}, True, 200 + 12 * 11, 12 * 110 + 200),
        ({"per_device_train_batch_size": 1}, True, 110, 110),
        ({}, False, 4 * 110, 4 * 110),
        ({"loss_type": "bnpo"}, True, 4 * 110, 4 * 110),  # its rows are mixed
        ({"neftune_noise_alpha": 5.0}, True, 4 * 110, 4 * 110),
        ({"shared_prefix": "off"}, True, 4 * 110, 4 * 110),
        ({"lora": {**LORA, "lora_dropout": 0.1}}, True, 4 * 110, 4 * 110),
        ({"lora": {**LORA, "lora_dropout": 0.1}, "disable_dropout": True}, True, 100 + 4 * 11, 4 * 110 + 100),
    ],
)
def test_prompts_count_once_where_a_micro_batch_shares_them(
    changes: dict[str, Any], trees: bool, tokens: int, attended: int
) -> None:
    own = {key: value for key, value in changes.items() if key in ("shared_prefix", "lora")}
    fields = {"per_device_train_batch_size": 4, "generation_batch_size": 16, "num_generations": 8}
    training = {**fields, "max_completion_length": 10, **{k: v for k, v in changes.items() if k not in own}}
    stated = {"method": "grpo", "from": "sft", "lora": LORA, "training": training, **own}
    counted = GrpoPolicy.model_validate(stated).workload(100, 110, 1, trees)
    assert (counted.update_tokens, counted.attended_tokens) == (tokens, attended)
    drawn = training["generation_batch_size"]
    assert (counted.generated_rows, counted.prompts, counted.images) == (drawn, drawn // 8, drawn)


def test_an_adapter_beside_the_weights_is_counted(tiny_run: TinyRun, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_run.base / "model", folder)
    for name in ADAPTER_FILES:
        shutil.copyfile(tiny_run.sft / "adapter" / name, folder / name)
    alone, both = (shapes_of(path, LOADING, LORA) for path in (tiny_run.base / "model", folder))
    assert (alone.embedded, both.embedded, both.weights) == (0, alone.adapter, alone.weights)
    plan = answering_plan(both, "bfloat16", 1, 10, 1, 5)
    assert plan.parts[EMBEDDED] == 4 * alone.adapter


def test_a_merge_needs_logits_and_no_model(three_billion: Shapes) -> None:
    plan = merge_plan(three_billion, "bfloat16", tokens=500, compared=450)
    assert plan.needed(0) < 2.5 * GIB and plan.parts[PROOF] == 4 * 151936 * 2 * (500 + 450)


@pytest.fixture
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 64 MiB of memory."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("memory", (), {"total": 2**26}))


@pytest.mark.usefixtures("small_machine")
def test_a_plan_that_cannot_fit_is_refused_before_the_model_is_loaded(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_if_called: Callable[..., Any]
) -> None:
    for module in (preflight, transformers_engine):
        monkeypatch.setattr(module, "load_model", fails_if_called)
    too_much = "the plan does not fit into 90% of the process's share of this machine's memory, 0.1 GiB"
    run, base = tiny_run, tiny_run.base
    sft = run.settings(sft__global_batch_size=800, sft__training__per_device_train_batch_size=800).sft
    with pytest.raises(PipelineError, match=f"(?s){too_much}.*lower or choose per_device_train_batch_size"):
        sft_stage.train(sft, run.examples, run.examples[:3], run.data, base, tmp_path, None)
    fields = {"max_completion_length": 1900, "per_device_train_batch_size": 16, "generation_batch_size": 16}
    training = {f"grpo__training__{name}": value for name, value in fields.items()}
    rl = run.settings(grpo__global_batch_size=16, **training).grpo
    with pytest.raises(PipelineError, match=f"(?s){too_much}.*lower or choose"):
        grpo_stage.train(rl, run.examples, run.data, base, tmp_path, None)
    asking = run.settings(answer__max_new_tokens=1900, answer__batch_size=200).answer
    with pytest.raises(PipelineError, match=f"(?s){too_much}.*the batch that is generated at once"):
        answering.answer(asking, run.examples, run.data, base / "model", AnswerLog(tmp_path))


def test_what_a_generation_takes_beside_the_trainer(three_billion: Shapes) -> None:
    split = {**ONE, "processes": 8, "zero_stage": 3}
    kept, gathered = (
        training_plan(three_billion, policy(), "bfloat16", **{**split, "gathers": gathers}, work=work(2400, 64))
        for gathers in (False, True)
    )
    assert gathered.parts["weights gathered for a generation"] / GIB == pytest.approx(6.99, abs=0.01)
    assert gathered.needed(0) > kept.needed(0)
    written_by_vllm = work(4 * 2400)  # vLLM has its own keys and values
    modes: dict[str, dict[str, Any]] = {
        "none": {},
        "awake": {"use_vllm": True, "vllm_gpu_memory_utilization": 0.4},
        "asleep": {"use_vllm": True, "vllm_gpu_memory_utilization": 0.4, "vllm_enable_sleep_mode": True},
        "server": {"use_vllm": True, "vllm_mode": "server", "vllm_gpu_memory_utilization": 0.9},
    }
    plans = {
        mode: training_plan(three_billion, policy(training), "bfloat16", **ONE, work=written_by_vllm)
        for mode, training in modes.items()
    }
    needed = {mode: plan.needed(80 * GIB) / GIB for mode, plan in plans.items()}
    assert needed["awake"] == pytest.approx(needed["none"] + 32)
    assert needed["none"] < needed["asleep"] < needed["awake"]
    assert needed["server"] == needed["none"]
    assert "40% of the device for vLLM while it generates, on top" in str(plans["asleep"])
    continued = policy({"beta": 0.04}, start="adapter")  # its reference is a copy of the adapter
    plan = training_plan(three_billion, continued, "bfloat16", **ONE, work=written_by_vllm)
    name = "adapter and its gradients"
    assert plan.parts[name] == pytest.approx(1.5 * plans["none"].parts[name])


def test_the_preset_for_24_gb_fits() -> None:
    config = validated(merged(REPO / "config/presets/qwen2.5-vl-3b-gqa-24gb.yaml"))
    for name in ("sft", "grpo"):
        settings = train_settings(config, name)
        shapes = three_billion_with(dict(settings.policy.lora or {}))
        plan = training_plan_of(
            settings, shapes, None, config.prompt.max_tokens, config.prompt.max_tokens + 512, 200_704, on_cpu=False
        )
        assert plan.needed(24 * GIB) < SLACK * 24 * GIB, plan
    answer = answering_plan(
        three_billion_with(None), "bfloat16", rows=16, tokens=768 + 512, prompts=16, prompt=config.prompt.max_tokens
    )
    assert answer.needed(24 * GIB) < SLACK * 24 * GIB
