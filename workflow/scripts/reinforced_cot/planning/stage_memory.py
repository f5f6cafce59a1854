"""A stage's memory plan, held against the device that it was given before a model is loaded."""

import logging
from collections.abc import Mapping
from typing import Any

import psutil
import torch

from reinforced_cot.errors import PipelineError
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.launch.topologies import Topology
from reinforced_cot.models.loading import device
from reinforced_cot.planning.memory_plan import GIB, SLACK, Plan, Shapes, answering_plan, training_plan, what_to_lower
from reinforced_cot.policies.settings import TrainSettings

log = logging.getLogger(__name__)


def training_plan_of(settings: TrainSettings, shapes: Shapes, topology: Topology | None, prompt: int, row: int) -> Plan:
    """Of the stage that trains a policy.

    Args:
        prompt, row: the longest prompt, and the longest row (prompt and chain) that the method learns from, in tokens.
    """
    policy, spread = settings.policy, _spread(topology, settings.policy.training)
    work = policy.workload(prompt, row, spread["processes"])
    return training_plan(
        shapes,
        policy,
        settings.base_model.dtype,
        **spread,
        rows=policy.training["per_device_train_batch_size"],
        tokens=work.tokens,
        scored_tokens=work.scored_tokens,
        generated_rows=work.generated_rows,
    )


def answering_plan_of(settings: AnswerSettings, shapes: Shapes, prompt: int) -> Plan:
    """Of answering; ``prompt`` is the longest one, in tokens."""
    asked = settings.answer
    rows = asked.batch_size * max(1, asked.samples)
    return answering_plan(shapes, settings.base_model.dtype, rows, prompt + asked.max_new_tokens)


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
