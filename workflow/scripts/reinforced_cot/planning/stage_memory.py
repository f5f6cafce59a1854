"""A stage's memory plan, held against the device that it was given before a model is loaded."""

import logging
from collections.abc import Mapping
from typing import Any

import psutil
import torch

from reinforced_cot.errors import PipelineError
from reinforced_cot.launch.topologies import Topology
from reinforced_cot.models.loading import device
from reinforced_cot.planning.memory_plan import GIB, SLACK, Plan, Shapes, answering_plan, training_plan, what_to_lower

log = logging.getLogger(__name__)


def sft_plan(settings: Mapping[str, Any], shapes: Shapes, topology: Topology | None, prompt: int, row: int) -> Plan:
    """Of SFT; ``prompt`` and ``row`` (prompt and chain) are the longest ones, in tokens."""
    sft = settings["sft"]
    selection = sft["selection"]
    return training_plan(
        shapes,
        sft,
        settings["base_model"]["dtype"],
        **_spread(topology, sft["training"]),
        rows=sft["training"]["per_device_train_batch_size"],
        tokens=max(row, prompt + selection["max_new_tokens"]),
        scored_tokens=row,
        generated_rows=selection["batch_size"] * max(1, selection["samples"]),
    )


def rl_plan(settings: Mapping[str, Any], shapes: Shapes, topology: Topology | None, prompt: int) -> Plan:
    """Of RL; ``prompt`` is the longest one, in tokens."""
    rl = settings["rl"]
    training, spread = rl["training"], _spread(topology, rl["training"])
    return training_plan(
        shapes,
        rl,
        settings["base_model"]["dtype"],
        **spread,
        rows=training["per_device_train_batch_size"],
        tokens=prompt + training["max_completion_length"],
        scored_tokens=training["max_completion_length"],
        generated_rows=0 if training.get("use_vllm") else training["generation_batch_size"] // spread["processes"],
    )


def evaluation_plan(settings: Mapping[str, Any], shapes: Shapes, prompt: int) -> Plan:
    """Of answering; ``prompt`` is the longest one, in tokens."""
    evaluation = settings["evaluation"]
    rows = evaluation["batch_size"] * max(1, evaluation["samples"])
    return answering_plan(shapes, settings["base_model"]["dtype"], rows, prompt + evaluation["max_new_tokens"])


def _spread(topology: Topology | None, training: Mapping[str, Any]) -> dict[str, Any]:
    if topology is None:
        return {"processes": 1, "zero_stage": 0, "offloaded": False, "gathers": False}
    return {
        "processes": topology.processes,
        "zero_stage": 3 if topology.distributed_type == "FSDP" else topology.zero_stage or 0,
        "offloaded": "cpu" in topology.offload,
        "gathers": topology.zero_stage == 3 and training.get("ds3_gather_for_generation", True),
    }


def check_memory(plan: Plan, here: int) -> None:
    """Log a plan, and refuse one that cannot fit.

    Args:
        here: processes of this stage on this machine, which share its memory where there is no GPU.

    Raises:
        PipelineError: it needs more than the device has; shows the plan and what to lower.
    """
    cuda = device().type == "cuda"
    capacity = torch.cuda.get_device_properties(device()).total_memory if cuda else psutil.virtual_memory().total / here
    name = "GPU" if cuda else "process's share of this machine's memory"
    log.info("memory plan for a %s of %.1f GiB:\n%s", name, capacity / GIB, plan)
    if plan.needed(capacity) > SLACK * capacity:
        raise PipelineError(
            f"the plan does not fit into {SLACK:.0%} of the {name}, {capacity / GIB:.1f} GiB:\n{plan}\n"
            f"lower or choose {what_to_lower(plan)}"
        )
