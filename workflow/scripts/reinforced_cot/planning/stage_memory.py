"""The memory plan of answering; and any plan held against a stage's device before a model is loaded."""

import logging

import psutil
import torch

from reinforced_cot.errors import PipelineError
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.models.loading import device
from reinforced_cot.planning.memory_plan import GIB, SLACK, Plan, Shapes, answering_plan, what_to_lower

log = logging.getLogger(__name__)


def answering_plan_of(settings: AnswerSettings, shapes: Shapes, prompt: int) -> Plan:
    """Of answering; ``prompt`` is the longest one, in tokens."""
    asked = settings.answer
    rows = asked.batch_size * max(1, asked.samples)
    return answering_plan(shapes, settings.base_model.dtype, rows, prompt + asked.max_new_tokens)


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
