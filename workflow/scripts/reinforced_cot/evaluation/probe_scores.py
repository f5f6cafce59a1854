"""Hack probes: what cheating would earn from the very matcher and judge that score the policy.

A policy trained on a reward learns the reward. Each probe (`hack_probes`, `image_probes`) is a way to be paid without
looking or thinking; its score stands beside the policy's, and one that comes near it says that the score does not
measure what it seems to.
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
    """Every probe's scores beside the policy's on the same questions, in 0..1.

    A probe is held against accuracy; where it keeps the policy's answers, against ``supported_accuracy``.

    Args:
        rows: scored predictions; the image probes are those that were asked, under their keys.

    Returns:
        One mapping per probe: probe, text (of a constant answer, else None), measure, score, policy, n, near.
    """
    found = []
    for answer in constant_answers([row["gt_answer"] for row in rows]):
        text = constant_completions(answer)[0]
        answers = [scored({**row, "prediction_raw": text}) for row in rows]
        found.append(_compared(CONSTANT_ANSWER, rows, answers, "accuracy", answer))
    for probe, complete in TEXT_PROBES.items():
        texts = [complete(row["instruction"], row["pred_answer"] or "") for row in rows]
        answers = [scored({**row, "prediction_raw": text}) for row, text in zip(rows, texts, strict=True)]
        found.append(_compared(probe, rows, answers, "supported_accuracy"))
    for probe, shown in IMAGE_PROBES.items():
        asked = [row for row in rows if row[shown.key] is not None]
        if asked:
            answers = [scored({**row, "prediction_raw": row[shown.key]}) for row in asked]
            found.append(_compared(probe, asked, answers, "accuracy"))
    return found


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
