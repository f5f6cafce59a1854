"""What a stage needs of each device's memory, before anything is loaded: arithmetic over the model's shapes.

The bytes of an activation were measured (`tests/unit/planning/test_memory_plan.py` counts what autograd keeps): per
token, a decoder layer keeps its MLP's three products, keys and values in the type of the weights, and some twenty bytes
a hidden unit. Fragmentation, CUDA's own context and the vision tower's passing tensors are not in it: `SLACK` is left
for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

GIB = 2**30
SLACK = 0.9  # share of a device that a plan may fill
_BYTES = {"float32": 4, "bfloat16": 2}
_QUANTIZED = {"nf4": 0.516, "int8": 1.0}  # bytes per weight; NF4 has a constant per 64 weights, double-quantized
_HIDDEN_BYTES = {"float32": 20.5, "bfloat16": 24.5}  # norms are computed, and kept, in float32
_ADAM, _ADAM_8BIT = 8, 2
_UPDATE = ("activations and logits of an update",)
_GENERATION = ("weights gathered for a generation", "keys and values of a generation")


class Trained(Protocol):
    """What is read of a policy that is trained. Not its class, on which the stages that only answer do not depend."""

    @property
    def is_adapted(self) -> bool:
        """Whether an adapter is trained; otherwise every weight."""

    @property
    def quantization(self) -> str | None:
        """``nf4``, ``int8`` or None."""

    @property
    def start(self) -> str:
        """``model`` or ``adapter``."""

    @property
    def training(self) -> Mapping[str, Any]:
        """TRL's fields."""


@dataclass(frozen=True)
class Shapes:
    """What counts of a model: numbers of weights, and sizes of the language model.

    Attributes:
        weights: of the whole model. linear: of those, what a quantization takes; adapter: of LoRA beside them.
        kv_size: of keys (or values) of one layer, a token.
    """

    weights: int
    linear: int
    adapter: int
    layers: int
    hidden: int
    intermediate: int
    kv_size: int
    vocabulary: int


@dataclass(frozen=True)
class Plan:
    """Bytes on one device, by what they are for; parts that never coexist are not summed.

    Attributes:
        vllm_share: of the device, taken by vLLM beside the trainer; ``vllm_sleeps`` while an update is made.
    """

    parts: Mapping[str, float]
    vllm_share: float = 0.0
    vllm_sleeps: bool = False

    def needed(self, capacity: float) -> float:
        """Bytes of the moment that needs most, an update or a generation, on top of what always stays.

        Args:
            capacity: of the device, in bytes.
        """
        update, generation = (sum(self.parts.get(name, 0.0) for name in moment) for moment in (_UPDATE, _GENERATION))
        always = sum(size for name, size in self.parts.items() if name not in _UPDATE + _GENERATION)
        vllm = self.vllm_share * capacity
        return always + (max(update, generation + vllm) if self.vllm_sleeps else max(update, generation) + vllm)

    def __str__(self) -> str:
        lines = [f"{size / GIB:9.2f} GiB  {name}" for name, size in self.parts.items()]
        lines.append(f"{self.needed(0) / GIB:9.2f} GiB  at most at once")
        if self.vllm_share:
            while_ = " while it generates" if self.vllm_sleeps else ""
            lines.append(f"{self.vllm_share:9.0%} of the device for vLLM{while_}, on top")
        return "\n".join(lines)


def training_plan(
    shapes: Shapes,
    policy: Trained,
    dtype: str,
    processes: int,
    zero_stage: int,
    offloaded: bool,
    gathers: bool,
    rows: int,
    tokens: int,
    scored_tokens: int,
    generated_rows: int,
) -> Plan:
    """The plan of SFT or RL on one device, of an adapter or of every weight.

    Args:
        policy: its lora, quantization, start and training are read.
        dtype: of the weights.
        processes: over which ZeRO splits; ``zero_stage`` 0 is plain data parallelism, 3 stands for FSDP, too.
        offloaded: optimizer states and weights stay in the machine's memory.
        gathers: every process has all weights while it generates (TRL, under ZeRO-3).
        rows: of one update on one device; ``tokens`` of a row, at most, and ``scored_tokens`` of those have logits.
        generated_rows: that are written at once on one device, each of ``tokens``.
    """
    training, size = policy.training, _BYTES[dtype]
    split = {stage: processes if zero_stage >= stage else 1 for stage in (0, 1, 2, 3)}
    held = (_adapted if policy.is_adapted else _in_full)(shapes, policy, size, split, zero_stage, offloaded)
    layer = size * (3 * shapes.intermediate + 2 * shapes.kv_size) + _HIDDEN_BYTES[dtype] * shapes.hidden
    checkpointed = training.get("gradient_checkpointing", True)
    # With checkpoints: each layer's input, the layer that is computed again, and the last norm in float32.
    again = shapes.layers * shapes.hidden * size + layer + 4 * shapes.hidden
    kept = again if checkpointed else shapes.layers * layer
    logits = rows * scored_tokens * shapes.vocabulary * (size + 8)  # as computed, in float32, and their gradient
    gathered = {"weights gathered for a generation": float(shapes.weights * size)} if gathers else {}
    colocated = training.get("use_vllm") and training.get("vllm_mode", "colocate") == "colocate"
    return Plan(
        {
            **held,
            "activations and logits of an update": rows * tokens * kept + logits,
            **gathered,
            "keys and values of a generation": kv_bytes(shapes, dtype, generated_rows, tokens),
        },
        vllm_share=training.get("vllm_gpu_memory_utilization", 0.3) if colocated else 0.0,  # TRL's default
        vllm_sleeps=bool(training.get("vllm_enable_sleep_mode")),
    )


def _adapted(
    shapes: Shapes, policy: Trained, size: int, split: Mapping[int, int], zero_stage: int, offloaded: bool
) -> dict[str, float]:
    """What stays on a device while an adapter, in float32, is trained."""
    if policy.quantization:  # what is not quantized is float32 (k-bit preparation)
        weights = shapes.linear * _QUANTIZED[policy.quantization] + (shapes.weights - shapes.linear) * 4
    else:
        weights = shapes.weights * size
    # An adapter that is trained on with a KL term has a copy as reference; a fresh adapter is switched off instead.
    copies = 2 if policy.start == "adapter" and policy.training.get("beta") else 1
    return {
        "weights": 0.0 if offloaded and zero_stage == 3 else weights / split[3],
        "adapter and its gradients": shapes.adapter * 4 * (copies / split[3] + _gradients(split, zero_stage)),
        "optimizer states": 0.0 if offloaded else shapes.adapter * _moments(policy) / split[1],
    }


def _in_full(
    shapes: Shapes, policy: Trained, size: int, split: Mapping[int, int], zero_stage: int, offloaded: bool
) -> dict[str, float]:
    """What stays on a device while every weight is trained; none is moved by a step unless a float32 copy is.

    DeepSpeed counts that copy as a state of the optimizer; else the weights are float32, and autocast keeps bfloat16
    ones. FSDP, which stands for stage 3, comes to the same sum.
    """
    if zero_stage:
        kept, states = size, _moments(policy) + (4 if size < 4 else 0)
    else:
        kept, states = 4 + (size if size < 4 else 0), _moments(policy)
    held = {
        "weights": 0.0 if offloaded and zero_stage == 3 else shapes.weights * kept / split[3],
        "gradients": shapes.weights * (size if zero_stage else 4) * _gradients(split, zero_stage),
        "optimizer states": 0.0 if offloaded else shapes.weights * states / split[1],
    }
    reference = policy.training.get("beta", 0.0) != 0  # as it is loaded; an adapter is switched off instead
    return held | ({"reference model": shapes.weights * (size if zero_stage else 4) / split[3]} if reference else {})


def _gradients(split: Mapping[int, int], zero_stage: int) -> float:
    """How many copies of its gradients a device has: DDP sends them from buckets beside them."""
    return 1 / split[2] if zero_stage else 2.0 if split[0] > 1 else 1.0


def _moments(policy: Trained) -> int:
    """Bytes a trained weight of Adam's two moments."""
    return _ADAM_8BIT if "8bit" in policy.training.get("optim", "") else _ADAM


def answering_plan(shapes: Shapes, dtype: str, rows: int, tokens: int) -> Plan:
    """The plan of an evaluation: the weights, and what ``rows`` completions of ``tokens`` (prompts included) keep."""
    kept = {"keys and values of a generation": kv_bytes(shapes, dtype, rows, tokens)}
    return Plan({"weights": float(shapes.weights * _BYTES[dtype]), **kept})


def kv_bytes(shapes: Shapes, dtype: str, rows: int, tokens: int) -> float:
    """Keys and values of all layers."""
    return float(rows * tokens * shapes.layers * 2 * shapes.kv_size * _BYTES[dtype])


def what_to_lower(plan: Plan) -> str:
    """The settings that change the largest part of a plan."""
    hints = {
        "weights": "a topology that splits the weights (zero3), or quantization nf4",
        "optimizer states": "optim adamw_8bit, a topology that splits them (zero2), or an adapter of a smaller r",
        "weights gathered for a generation": "ds3_gather_for_generation false (slower), or a smaller model",
        "activations and logits of an update": (
            "per_device_train_batch_size or image.max_pixels, or gradient_checkpointing true"
        ),
        "keys and values of a generation": "the batch that is generated at once, or the number of new tokens",
    }
    largest = max(hints, key=lambda name: plan.parts.get(name, 0.0))
    vllm = ", or vllm_gpu_memory_utilization, or set vllm_enable_sleep_mode true" if plan.vllm_share else ""
    return hints[largest] + vllm
