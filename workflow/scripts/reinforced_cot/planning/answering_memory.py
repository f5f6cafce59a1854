"""The memory plan of answering."""

from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.planning.memory_plan import Plan, Shapes, answering_plan


def answering_plan_of(settings: AnswerSettings, shapes: Shapes, prompt: int) -> Plan:
    """The memory plan of answering; ``prompt`` is the length of the longest prompt in tokens."""
    answering = settings.answer
    rows = answering.batch_size * max(1, answering.samples)
    return answering_plan(shapes, settings.base_model.dtype, rows, prompt + answering.max_new_tokens)
