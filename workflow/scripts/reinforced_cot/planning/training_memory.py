"""The memory plan of the stage that trains a policy; apart from that of answering, which reads no policy's settings."""

from collections.abc import Mapping
from typing import Any

from reinforced_cot.launch.topologies import Topology
from reinforced_cot.planning.memory_plan import Plan, Shapes, training_plan
from reinforced_cot.policies.settings import TrainSettings


def training_plan_of(settings: TrainSettings, shapes: Shapes, topology: Topology | None, prompt: int, row: int) -> Plan:
    """The memory plan of the stage that trains a policy.

    Args:
        topology: None for one process.
        prompt, row: the longest prompt, and the longest row (prompt and chain) that the method learns from, in tokens.
    """
    policy, sharding = settings.policy, _sharding(topology, settings.policy.training)
    work = policy.workload(prompt, row, sharding["processes"])
    return training_plan(
        shapes,
        policy,
        settings.base_model.dtype,
        **sharding,
        rows=policy.training["per_device_train_batch_size"],
        tokens=work.tokens,
        scored_tokens=work.scored_tokens,
        generated_rows=work.generated_rows,
    )


def _sharding(topology: Topology | None, training: Mapping[str, Any]) -> dict[str, Any]:
    if topology is None:
        return {"processes": 1, "zero_stage": 0, "offloaded": False, "gathers": False}
    return {
        "processes": topology.processes,
        "zero_stage": 3 if topology.distributed_type == "FSDP" else topology.zero_stage or 0,
        "offloaded": "cpu" in topology.offload,
        "gathers": topology.zero_stage == 3 and training.get("ds3_gather_for_generation", True),
    }
