"""The memory plan of answering."""

from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.planning.memory_plan import Plan, Shapes, answering_plan


def answering_plan_of(settings: AnswerSettings, shapes: Shapes, prompt: int) -> Plan:
    """The memory plan of answering; ``prompt`` is the length of the longest prompt in tokens."""
    answering = settings.answer
    rows, tokens = answering.batch_size * max(1, answering.samples), prompt + answering.max_new_tokens
    return answering_plan(shapes, settings.base_model.dtype, rows, tokens, answering.batch_size, prompt)
