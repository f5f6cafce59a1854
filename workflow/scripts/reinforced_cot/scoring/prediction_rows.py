"""A row of `predictions.jsonl` before it is scored.

It stands apart from scoring: a change of scoring asks no question again.
"""

from typing import Any

from reinforced_cot.data.examples import Example
from reinforced_cot.data.image_probes import IMAGE_PROBES

Prediction = dict[str, Any]

# Keys of further completions that the pipeline may ask for; None where it did not.
FURTHER_COMPLETIONS = ("direct_raw", *(probe.key for probe in IMAGE_PROBES.values()))


def unscored(example: Example, completion: str, **further: Any) -> Prediction:
    """The row of one question and its completion, without scores.

    Args:
        further: ``truncated``, ``samples`` and texts under the keys `FURTHER_COMPLETIONS`, where there are any.
    """
    given = {
        "gt_answers": [*example.answers] if len(example.answers) > 1 else [],
        "choices": [*example.choices],
        "answer_kind": example.answer_kind,
        "extra": dict(example.extra),
    }
    row: Prediction = {
        "id": example.id,
        "image_id": example.group,
        "question_type": example.question_type,
        "semantic_type": example.semantic_type or None,
        "instruction": example.question_text,
        "gt_answer": example.answer,
        **{key: value for key, value in given.items() if value},
        "prediction_raw": completion,
        "truncated": None,
        "samples": [],
        **dict.fromkeys(FURTHER_COMPLETIONS),
    }
    return {**row, **further}
