"""The comparison of a memory plan with the device of a stage, before the stage loads a model."""

import logging

import psutil
import torch

from reinforced_cot.errors import PipelineError
from reinforced_cot.models.loading import device
from reinforced_cot.planning.memory_plan import GIB, SLACK, Plan, what_to_lower

log = logging.getLogger(__name__)


def check_memory(plan: Plan, local_processes: int) -> None:
    """Log a plan, and refuse one that does not fit.

    Args:
        local_processes: processes of this stage on this machine; on the CPU they share its memory.

    Raises:
        PipelineError: the plan needs more than the device has. The message shows the plan and what to lower.
    """
    cuda = device().type == "cuda"
    if cuda:
        capacity = torch.cuda.get_device_properties(device()).total_memory
    else:
        capacity = psutil.virtual_memory().total / local_processes
    name = "GPU" if cuda else "process's share of this machine's memory"
    log.info("memory plan for a %s of %.1f GiB:\n%s", name, capacity / GIB, plan)
    if plan.needed(capacity) > SLACK * capacity:
        raise PipelineError(
            f"the plan does not fit into {SLACK:.0%} of the {name}, {capacity / GIB:.1f} GiB:\n{plan}\n"
            f"lower or choose {what_to_lower(plan)}"
        )
