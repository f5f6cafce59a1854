"""Hack probes: how cheating would be scored by the same matcher and judge that score the policy.

A policy trained on a reward learns the reward. Each probe (`hack_probes`, `image_probes`) is a way to be paid without
looking or thinking. Its score stands beside the policy's: if it comes near, the score does not measure what it seems to
measure.
"""

from collections.abc import Sequence
from typing import Any

from reinforced_cot.data.image_probes import IMAGE_PROBES
from reinforced_cot.scoring.hack_probes import (
    CONSTANT_ANSWER,
    TEXT_PROBES,
    constant_answers,
    constant_completions,
    is_near,
)
from reinforced_cot.scoring.metrics import shares
from reinforced_cot.scoring.prediction_rows import Prediction
from reinforced_cot.scoring.predictions import scored


def probe_scores(rows: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Score every probe, and the policy on the same questions, in 0..1.

    The measure is accuracy, or ``supported_accuracy`` for a probe that keeps the policy's answers.

    Args:
        rows: scored predictions; an image probe is scored on the rows that have a completion under its key.

    Returns:
        One mapping per probe: probe, text (of a constant answer, else None), measure, score, policy, n, near.
    """
    scores = []
    for answer in constant_answers([row["gt_answer"] for row in rows]):
        text = constant_completions(answer)[0]
        answers = [scored({**row, "prediction_raw": text}) for row in rows]
        scores.append(_compared(CONSTANT_ANSWER, rows, answers, "accuracy", answer))
    for probe, complete in TEXT_PROBES.items():
        texts = [complete(row["instruction"], row["pred_answer"] or "") for row in rows]
        answers = [scored({**row, "prediction_raw": text}) for row, text in zip(rows, texts, strict=True)]
        scores.append(_compared(probe, rows, answers, "supported_accuracy"))
    for probe, image_probe in IMAGE_PROBES.items():
        probed = [row for row in rows if row[image_probe.key] is not None]
        if probed:
            answers = [scored({**row, "prediction_raw": row[image_probe.key]}) for row in probed]
            scores.append(_compared(probe, probed, answers, "accuracy"))
    return scores


def _compared(
    probe: str, rows: Sequence[Prediction], answers: Sequence[Prediction], measure: str, text: str | None = None
) -> dict[str, Any]:
    score, policy = shares(answers)[measure], shares(rows)[measure]
    return {
        "probe": probe,
        "text": text,
        "measure": measure,
        "n": len(rows),
        "score": score,
        "policy": policy,
        "near": is_near(score, policy),
    }
