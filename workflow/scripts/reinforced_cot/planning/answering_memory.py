"""The memory plan of answering."""

from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.planning.memory_plan import Plan, Shapes, answering_plan


def answering_plan_of(settings: AnswerSettings, shapes: Shapes, prompt: int) -> Plan:
    """Of answering; ``prompt`` is the longest one, in tokens."""
    asked = settings.answer
    rows = asked.batch_size * max(1, asked.samples)
    return answering_plan(shapes, settings.base_model.dtype, rows, prompt + asked.max_new_tokens)
