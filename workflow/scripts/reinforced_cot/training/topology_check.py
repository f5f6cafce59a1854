"""Whether a training really runs as its topology asks: accelerate silently drops settings it does not know."""

import torch
from accelerate import Accelerator
from peft import PeftModel

from reinforced_cot.errors import PipelineError
from reinforced_cot.launch.topologies import Topology


def check_spread(accelerator: Accelerator, topology: Topology | None) -> None:
    """Compare a trainer's accelerator with its topology; None stands for one process.

    Raises:
        PipelineError: names each difference ("ZeRO-3 with offload" once ran as ZeRO-2 without it).
    """
    wanted, actual = wanted_spread(topology), actual_spread(accelerator)
    differing = [f"{key} {actual[key]} in place of {value}" for key, value in wanted.items() if actual[key] != value]
    if differing:
        name = topology.file if topology else "a single process"
        raise PipelineError(f"the run was to use {name}, but accelerate runs {', '.join(differing)}")


def check_dtype(model: torch.nn.Module, dtype: str, quantization: str | None) -> None:
    """See that weights beside an adapter, or those of full fine-tuning, have ``dtype``; beside quantized ones, float32.

    Raises:
        PipelineError: names the dtypes that differ (a load that does not name the dtype gives float32).
    """
    wanted = torch.float32 if quantization else getattr(torch, dtype)
    adapter = model.base_model.prefix if isinstance(model, PeftModel) else None  # of its weights' names: "lora_"
    dtypes = {
        weight.dtype
        for name, weight in model.named_parameters()
        if weight.is_floating_point() and not (adapter and adapter in name)
    }
    if others := dtypes - {wanted}:
        raise PipelineError(f"the weights must be {wanted}, and some are {', '.join(map(str, others))}")


def wanted_spread(topology: Topology | None) -> dict[str, object]:
    """How a topology spreads a run, under the keys of `actual_spread`."""
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


def actual_spread(accelerator: Accelerator) -> dict[str, object]:
    """How accelerate really spreads the run."""
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
