"""Whether a training really runs as its topology asks: accelerate silently drops settings it does not know."""

import torch
from accelerate import Accelerator
from peft import PeftModel

from reinforced_cot.errors import PipelineError
from reinforced_cot.launch.topologies import Topology


def check_spread(accelerator: Accelerator, topology: Topology | None) -> None:
    """Compare a trainer's accelerator with the topology that was asked for; without one there is one process.

    Raises:
        PipelineError: names what differs ("ZeRO-3 with offload" once ran as ZeRO-2 without it).
    """
    asked, found = asked_spread(topology), found_spread(accelerator)
    differing = [f"{name} {found[name]} in place of {value}" for name, value in asked.items() if found[name] != value]
    if differing:
        name = topology.file if topology else "a single process"
        raise PipelineError(f"asked for was {name}, but accelerate runs {', '.join(differing)}")


def check_dtype(model: torch.nn.Module, dtype: str, quantization: str | None) -> None:
    """See that the weights beside an adapter, or trained in full, are of ``dtype``; beside quantized ones, float32.

    Raises:
        PipelineError: names the types that are there (a load that does not name the type is float32).
    """
    wanted = torch.float32 if quantization else getattr(torch, dtype)
    adapter = model.base_model.prefix if isinstance(model, PeftModel) else None  # of its weights' names: "lora_"
    found = {
        weight.dtype
        for name, weight in model.named_parameters()
        if weight.is_floating_point() and not (adapter and adapter in name)
    }
    if others := found - {wanted}:
        raise PipelineError(f"the weights were to be {wanted}, and some are {', '.join(map(str, others))}")


def asked_spread(topology: Topology | None) -> dict[str, object]:
    """What a topology comes to, in the words of `found_spread`."""
    if topology is None:
        return {"processes": 1, "distributed type": "NO"}
    kind = topology.distributed_type
    if kind == "MULTI_GPU" and topology.processes == 1:
        kind = "NO"
    elif kind == "MULTI_GPU" and topology.use_cpu:
        kind = "MULTI_CPU"  # accelerate's own name for what its files call MULTI_GPU
    return {
        "processes": topology.processes,
        "distributed type": kind,
        "on the CPU": topology.use_cpu,
        "ZeRO stage": topology.zero_stage,
        "offload of optimizer and weights": topology.offload,
    }


def found_spread(accelerator: Accelerator) -> dict[str, object]:
    """What accelerate really does."""
    plugin = accelerator.state.deepspeed_plugin if accelerator.distributed_type.name == "DEEPSPEED" else None
    zero = plugin.deepspeed_config.get("zero_optimization", {}) if plugin else {}
    offload = tuple(str(zero.get(f"offload_{part}", {}).get("device", "none")) for part in ("optimizer", "param"))
    return {
        "processes": accelerator.num_processes,
        "distributed type": accelerator.distributed_type.name,
        "on the CPU": accelerator.device.type == "cpu",
        "ZeRO stage": plugin.zero_stage if plugin else None,
        "offload of optimizer and weights": offload,
    }
