"""The memory plan of the stage that trains a policy; apart from that of answering, which reads no policy's settings."""

from collections.abc import Mapping
from typing import Any

from reinforced_cot.launch.topologies import Topology
from reinforced_cot.planning.memory_plan import BYTES, GATHERED, UPDATE, Plan, Shapes, embedded_bytes, generation_bytes
from reinforced_cot.planning.update_memory import update_bytes
from reinforced_cot.policies.settings import TrainedPolicy, TrainSettings, Workload

_QUANTIZED = {"nf4": 0.516, "int8": 1.0}  # bytes per weight; NF4 has a constant per 64 weights, double-quantized
_ADAM, _ADAM_8BIT = 8, 2


def training_plan_of(
    settings: TrainSettings, shapes: Shapes, topology: Topology | None, prompt: int, row: int, pixels: int, on_cpu: bool
) -> Plan:
    """The memory plan of the stage that trains a policy.

    Args:
        topology: None for one process.
        prompt, row: the longest prompt, and the longest row (prompt and chain) that the method learns from, in tokens.
        pixels: of all images of one question, at most.
        on_cpu: the stage has no GPU.
    """
    sharding = _sharding(topology, settings.policy.training)
    work = settings.policy.workload(prompt, row, sharding["processes"], shapes.trees)
    return training_plan(
        shapes, settings.policy, settings.base_model.dtype, **sharding, work=work, pixels=pixels, on_cpu=on_cpu
    )


def training_plan(
    shapes: Shapes,
    policy: TrainedPolicy,
    dtype: str,
    processes: int,
    zero_stage: int,
    offloaded: bool,
    gathers: bool,
    work: Workload,
    pixels: int = 0,
    on_cpu: bool = False,
) -> Plan:
    """The plan of SFT or RL on one device, of an adapter or of every weight.

    Args:
        dtype: of the weights.
        processes: number of processes that ZeRO splits over.
        zero_stage: 0 is plain data parallelism; 3 stands for FSDP, too.
        offloaded: optimizer states and weights stay in the machine's memory.
        gathers: every process has all weights while it generates (TRL, under ZeRO-3).
        work: of an update and of a generation.
        pixels: of all images of one question, at most.
        on_cpu: the device is the machine itself.
    """
    training, size = policy.training, BYTES[dtype]
    split = {stage: processes if zero_stage >= stage else 1 for stage in (0, 1, 2, 3)}
    held = (_adapter_alone if policy.is_adapted else _every_weight)(shapes, policy, size, split, zero_stage, offloaded)
    update = update_bytes(
        shapes,
        dtype,
        work,
        checkpointed=training.get("gradient_checkpointing", True),
        on_cpu=on_cpu,
        head_trained=not policy.is_adapted,
        smoothed=bool(training.get("label_smoothing_factor")),
    )
    gathered = {GATHERED: float(shapes.weights * size)} if gathers else {}
    colocated = training.get("use_vllm") and training.get("vllm_mode", "colocate") == "colocate"
    generation = work.generated_rows, work.generated_tokens, work.prompts, work.prompt_tokens
    return Plan(
        {
            **held,
            "pixels of a batch": float(work.images * pixels * shapes.pixel_bytes),
            UPDATE: update,
            **gathered,
            **generation_bytes(shapes, dtype, *generation),
        },
        vllm_share=training.get("vllm_gpu_memory_utilization", 0.3) if colocated else 0.0,  # TRL's default
        vllm_sleeps=bool(training.get("vllm_enable_sleep_mode")),
    )


def _adapter_alone(
    shapes: Shapes, policy: TrainedPolicy, size: int, split: Mapping[int, int], zero_stage: int, offloaded: bool
) -> dict[str, float]:
    """Bytes that stay on a device while a float32 adapter is trained."""
    if policy.quantization:  # PEFT's k-bit preparation makes all other weights float32
        weights = shapes.linear * _QUANTIZED[policy.quantization] + (shapes.weights - shapes.linear) * 4
    else:
        weights = shapes.weights * size
    # The KL term's reference: a copy of an adapter whose training continues; the model without a fresh adapter.
    copies = 2 if policy.start == "adapter" and policy.training.get("beta") else 1
    return {
        "weights": 0.0 if offloaded and zero_stage == 3 else weights / split[3],
        **embedded_bytes(shapes),
        "adapter and its gradients": shapes.adapter * 4 * (copies / split[3] + _gradients(split, zero_stage)),
        "optimizer states": 0.0 if offloaded else shapes.adapter * _moments(policy) / split[1],
    }


def _every_weight(
    shapes: Shapes, policy: TrainedPolicy, size: int, split: Mapping[int, int], zero_stage: int, offloaded: bool
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


def _moments(policy: TrainedPolicy) -> int:
    """Bytes of Adam's two moments per trained weight."""
    return _ADAM_8BIT if "8bit" in policy.training.get("optim", "") else _ADAM


def _sharding(topology: Topology | None, training: Mapping[str, Any]) -> dict[str, Any]:
    if topology is None:
        return {"processes": 1, "zero_stage": 0, "offloaded": False, "gathers": False}
    return {
        "processes": topology.processes,
        "zero_stage": 3 if topology.distributed_type == "FSDP" else topology.zero_stage or 0,
        "offloaded": "cpu" in topology.offload,
        "gathers": topology.zero_stage == 3 and training.get("ds3_gather_for_generation", True),
    }
