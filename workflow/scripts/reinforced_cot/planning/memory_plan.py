"""What a stage needs of each device's memory, before anything is loaded: arithmetic over the model's shapes.

Bytes of activations were measured (`tests/unit/planning/test_memory_plan.py` counts what autograd keeps). Per token, a
decoder layer keeps its MLP's three products, keys and values in the dtype of the weights, and some twenty bytes per
hidden unit. Fragmentation, CUDA's own context and the vision tower's temporary tensors are not counted: `SLACK` leaves
room for them.
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


class PolicyFields(Protocol):
    """The fields of a trained policy that the plan reads. Stages that only answer must not depend on its class."""

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
    """Numbers of weights of a model, and sizes of its language model.

    Attributes:
        weights: of the whole model.
        linear: the part of them that a quantization takes.
        adapter: of the LoRA adapter, beside them.
        kv_size: size of one token's keys in one layer, in numbers; its values have the same size.
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
    """Bytes on one device, by purpose.

    Attributes:
        parts: bytes by purpose; those of an update and those of a generation never exist at the same time.
        vllm_share: share of the device that vLLM takes beside the trainer.
        vllm_sleeps: vLLM gives its share back while an update is made.
    """

    parts: Mapping[str, float]
    vllm_share: float = 0.0
    vllm_sleeps: bool = False

    def needed(self, capacity: float) -> float:
        """Peak bytes: the permanent parts, and an update or a generation.

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
    policy: PolicyFields,
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
        dtype: of the weights.
        processes: number of processes that ZeRO splits over.
        zero_stage: 0 is plain data parallelism; 3 stands for FSDP, too.
        offloaded: optimizer states and weights stay in the machine's memory.
        gathers: every process has all weights while it generates (TRL, under ZeRO-3).
        rows: of one micro-batch on one device.
        tokens: of the longest row.
        scored_tokens: those of a row that have logits.
        generated_rows: rows of ``tokens`` that are generated at once on one device.
    """
    training, size = policy.training, _BYTES[dtype]
    split = {stage: processes if zero_stage >= stage else 1 for stage in (0, 1, 2, 3)}
    held = (_adapter_alone if policy.is_adapted else _every_weight)(shapes, policy, size, split, zero_stage, offloaded)
    layer = size * (3 * shapes.intermediate + 2 * shapes.kv_size) + _HIDDEN_BYTES[dtype] * shapes.hidden
    checkpointed = training.get("gradient_checkpointing", True)
    # With gradient checkpointing: each layer's input, the layer that is computed again, and the last norm in float32.
    recomputed = shapes.layers * shapes.hidden * size + layer + 4 * shapes.hidden
    kept = recomputed if checkpointed else shapes.layers * layer
    logits = rows * scored_tokens * shapes.vocabulary * (size + 8)  # as computed, a float32 copy, and its gradient
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


def _adapter_alone(
    shapes: Shapes, policy: PolicyFields, size: int, split: Mapping[int, int], zero_stage: int, offloaded: bool
) -> dict[str, float]:
    """Bytes that stay on a device while a float32 adapter is trained."""
    if policy.quantization:  # what is not quantized is float32 (k-bit preparation)
        weights = shapes.linear * _QUANTIZED[policy.quantization] + (shapes.weights - shapes.linear) * 4
    else:
        weights = shapes.weights * size
    # The KL term's reference: a copy of an adapter whose training continues; the model without a fresh adapter.
    copies = 2 if policy.start == "adapter" and policy.training.get("beta") else 1
    return {
        "weights": 0.0 if offloaded and zero_stage == 3 else weights / split[3],
        "adapter and its gradients": shapes.adapter * 4 * (copies / split[3] + _gradients(split, zero_stage)),
        "optimizer states": 0.0 if offloaded else shapes.adapter * _moments(policy) / split[1],
    }


def _every_weight(
    shapes: Shapes, policy: PolicyFields, size: int, split: Mapping[int, int], zero_stage: int, offloaded: bool
) -> dict[str, float]:
    """Bytes that stay on a device while every weight is trained. Steps are too small for weights that are not float32.

    DeepSpeed keeps a float32 copy as a state of the optimizer. Without it the weights themselves are float32, and
    autocast keeps bfloat16 copies. FSDP, which counts as stage 3, comes to the same sum.
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
    reference = policy.training.get("beta", 0.0) != 0  # in the dtype that is loaded
    return held | ({"reference model": shapes.weights * (size if zero_stage else 4) / split[3]} if reference else {})


def _gradients(split: Mapping[int, int], zero_stage: int) -> float:
    """How many copies of its gradients a device has: DDP sends them from buckets, which are another copy."""
    return 1 / split[2] if zero_stage else 2.0 if split[0] > 1 else 1.0


def _moments(policy: PolicyFields) -> int:
    """Bytes of Adam's two moments per trained weight."""
    return _ADAM_8BIT if "8bit" in policy.training.get("optim", "") else _ADAM


def answering_plan(shapes: Shapes, dtype: str, rows: int, tokens: int) -> Plan:
    """The plan of answering: the weights, and keys and values of ``rows`` of ``tokens`` each, prompts included."""
    kept = {"keys and values of a generation": kv_bytes(shapes, dtype, rows, tokens)}
    return Plan({"weights": float(shapes.weights * _BYTES[dtype]), **kept})


def kv_bytes(shapes: Shapes, dtype: str, rows: int, tokens: int) -> float:
    """Bytes of the keys and values of all layers."""
    return float(rows * tokens * shapes.layers * 2 * shapes.kv_size * _BYTES[dtype])


def what_to_lower(plan: Plan) -> str:
    """The settings that reduce the largest part of a plan."""
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
