"""The memory plan: its arithmetic against what PyTorch keeps, PEFT adds and bitsandbytes converts; refused plans."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from peft import get_peft_model
from tiny_run import LOADING, LORA, TinyRun
from transformers import AutoModelForImageTextToText, Qwen2_5_VLConfig

from reinforced_cot.base.tiny_model import SPECIAL_TOKENS, build_config
from reinforced_cot.errors import PipelineError
from reinforced_cot.evaluation import answering
from reinforced_cot.evaluation.answer_log import AnswerLog
from reinforced_cot.generation import transformers_engine
from reinforced_cot.lora.adapter import check_trainable, lora_config
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.settings import ModelSizes
from reinforced_cot.planning.memory_plan import GIB, Shapes, answering_plan, training_plan
from reinforced_cot.planning.model_shapes import shapes_of, shapes_of_config
from reinforced_cot.policies.settings import TrainedPolicy
from reinforced_cot.training import grpo as grpo_stage
from reinforced_cot.training import preflight
from reinforced_cot.training import sft as sft_stage

IDS = {token: number for number, token in enumerate(SPECIAL_TOKENS)}
ONE: dict[str, Any] = {"processes": 1, "zero_stage": 0, "offloaded": False, "gathers": False}


def policy(training: dict[str, Any] | None = None, **changes: Any) -> TrainedPolicy:
    """A policy with TRL's fields ``training``; ``changes`` replace its other settings."""
    stated = {"method": "grpo", "from": "sft", "lora": LORA, "training": training or {}}
    return TrainedPolicy.model_validate(stated | changes)


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
        model(input_ids=ids, labels=ids)
    shapes = shapes_of_config(config, LORA)
    options: dict[str, Any] = {"rows": 2, "tokens": 150, "scored_tokens": 150, "generated_rows": 0}
    plan = training_plan(shapes, policy({"gradient_checkpointing": checkpointed}), dtype, **ONE, **options)
    # Autograd keeps the float32 logits; the plan also counts those of the model and their gradient. With checkpoints
    # the plan also counts the one layer that is computed again.
    passing: float = 300 * vocabulary * (4 + (4 if dtype == "float32" else 2))
    if checkpointed:
        layer = training_plan(
            shapes, policy({"gradient_checkpointing": False}), dtype, **ONE, **{**options, "scored_tokens": 0}
        )
        passing += layer.parts["activations and logits of an update"] / shapes.layers
    assert plan.parts["activations and logits of an update"] - passing == pytest.approx(sum(kept.values()), rel=0.12)


def test_weights_are_counted_as_they_are_loaded(tiny_run: TinyRun) -> None:
    model = load_model(tiny_run.base / "model", LOADING)
    shapes = shapes_of(tiny_run.base / "model", LORA)
    assert shapes.weights == model.num_parameters()
    assert shapes.adapter == check_trainable(get_peft_model(model, lora_config(LORA, model)))
    quantized = load_model(tiny_run.base / "model", LOADING, "int8")
    taken = [module for module in quantized.modules() if type(module).__name__ == "Linear8bitLt"]
    assert shapes.linear == sum(module.weight.numel() for module in taken)
    everything = shapes_of(tiny_run.base / "model", {**LORA, "target_modules": "all-linear"})
    assert everything.adapter > shapes.adapter


@pytest.fixture(scope="module")
def three_billion() -> Shapes:
    """Qwen2.5-VL-3B-Instruct by its published configuration, with the full-size preset's adapter."""
    text: dict[str, Any] = {
        **{"hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "vocab_size": 151936},
        **{"num_attention_heads": 16, "num_key_value_heads": 2, "tie_word_embeddings": True},
    }
    vision = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "out_hidden_size": 2048}
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True)
    return shapes_of_config(config, {"r": 128, "target_modules": ["q_proj", "k_proj", "v_proj"]})


def test_a_model_of_3_billion(three_billion: Shapes) -> None:
    assert three_billion.weights == 3_754_622_976  # as the hub says
    assert (three_billion.layers, three_billion.kv_size) == (36, 256)
    plan = answering_plan(three_billion, "bfloat16", rows=16, tokens=2816)
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
    options: dict[str, Any] = {"rows": 4, "tokens": 2400, "scored_tokens": 2400, "generated_rows": 16}
    plan = training_plan(
        three_billion, policy(training, quantization=changes.get("quantization")), "bfloat16", **spread, **options
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
    options: dict[str, Any] = {"rows": 4, "tokens": 2400, "scored_tokens": 2400, "generated_rows": 16}
    plan = training_plan(three_billion, fully_trained, "bfloat16", **{**ONE, **spread}, **options)
    assert {name: round(plan.parts[name] / GIB, 2) for name in expected} == expected
    assert ("reference model" in plan.parts) == ("beta" in training)


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
    options: dict[str, Any] = {"rows": 1, "tokens": 2400, "scored_tokens": 768, "generated_rows": 64}
    split = {**ONE, "processes": 8, "zero_stage": 3}
    kept, gathered = (
        training_plan(three_billion, policy(), "bfloat16", **{**split, "gathers": gathers}, **options)
        for gathers in (False, True)
    )
    assert gathered.parts["weights gathered for a generation"] / GIB == pytest.approx(6.99, abs=0.01)
    assert gathered.needed(0) > kept.needed(0)
    options |= {"rows": 4, "generated_rows": 0}  # vLLM has its own keys and values
    modes: dict[str, dict[str, Any]] = {
        "none": {},
        "awake": {"use_vllm": True, "vllm_gpu_memory_utilization": 0.4},
        "asleep": {"use_vllm": True, "vllm_gpu_memory_utilization": 0.4, "vllm_enable_sleep_mode": True},
        "server": {"use_vllm": True, "vllm_mode": "server", "vllm_gpu_memory_utilization": 0.9},
    }
    plans = {
        mode: training_plan(three_billion, policy(training), "bfloat16", **ONE, **options)
        for mode, training in modes.items()
    }
    needed = {mode: plan.needed(80 * GIB) / GIB for mode, plan in plans.items()}
    assert needed["awake"] == pytest.approx(needed["none"] + 32)
    assert needed["none"] < needed["asleep"] < needed["awake"]
    assert needed["server"] == needed["none"]
    assert "40% of the device for vLLM while it generates, on top" in str(plans["asleep"])
    continued = policy({"beta": 0.04}, start="adapter")  # its reference is a copy of the adapter
    plan = training_plan(three_billion, continued, "bfloat16", **ONE, **options)
    name = "adapter and its gradients"
    assert plan.parts[name] == pytest.approx(1.5 * plans["none"].parts[name])
