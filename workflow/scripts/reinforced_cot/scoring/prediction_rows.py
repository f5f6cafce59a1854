"""A row of `predictions.jsonl` before it is scored: apart from all scoring, so that no change of that asks again."""

from typing import Any

from reinforced_cot.data.examples import Example
from reinforced_cot.data.image_probes import IMAGE_PROBES

Prediction = dict[str, Any]

# What the pipeline asks besides: texts, or None where it did not.
FURTHER = ("direct_raw", *(probe.key for probe in IMAGE_PROBES.values()))


def unscored(example: Example, completion: str, **further: Any) -> Prediction:
    """What was asked and written, before it is scored.

    Args:
        further: ``truncated``, ``samples`` and the texts of `FURTHER`, where there are such.
    """
    row: Prediction = {
        "id": example.id,
        "image_id": example.group,
        "question_type": example.question_type,
        "semantic_type": example.semantic_type or None,
        "instruction": example.question,
        "gt_answer": example.answer,
        "prediction_raw": completion,
        "truncated": None,
        "samples": [],
        **dict.fromkeys(FURTHER),
    }
    return {**row, **further}
