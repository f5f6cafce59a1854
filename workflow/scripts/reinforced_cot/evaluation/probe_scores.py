"""Hack probes: how cheating would be scored by the same matcher and judge that score the policy.

A policy trained on a reward learns the reward. Each probe (`hack_probes`, `image_probes`) is a way to be paid without
looking or thinking. Its score stands beside the policy's: if it comes near, the score does not measure what it seems to
measure.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reinforced_cot.answers.kinds import credit
from reinforced_cot.answers.truth import truth_of_row
from reinforced_cot.data.image_probes import IMAGE_PROBES
from reinforced_cot.data.parsing import parse_completion
from reinforced_cot.judging.by_kind import judged
from reinforced_cot.judging.consistency import is_bare
from reinforced_cot.reading.verdict import Verdict
from reinforced_cot.scoring.constant_answers import constant_answers
from reinforced_cot.scoring.hack_probes import (
    CONSTANT_ANSWER,
    TEXT_PROBES,
    is_near,
)
from reinforced_cot.scoring.metrics import credit_of, shares
from reinforced_cot.scoring.prediction_rows import Prediction


def probe_scores(rows: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Score every probe, and the policy on the same questions, in 0..1.

    The measure is accuracy, or ``supported_accuracy`` for a probe that keeps the policy's answers.

    Args:
        rows: scored predictions. A probe that keeps the policy's answers is scored on those that may have a chain, an
            image probe on those that have a completion under its key.

    Returns:
        One mapping per probe: probe, text (of a constant answer, else None), measure, score, policy, n, near.
    """
    policy, constants = shares(rows), constant_answers([*map(truth_of_row, rows)])
    # Question by question, since what follows from a question and its truth is kept for the next answer.
    earned_by = dict.fromkeys(constants, 0.0)
    for row in rows:
        truth = truth_of_row(row)
        for answer in constants:
            earned_by[answer] += credit(answer, truth)
    scores = [
        _compared(CONSTANT_ANSWER, earned_by[answer], len(rows), policy, "accuracy", answer) for answer in constants
    ]
    chained = [row for row in rows if row["is_consist"] is not None]
    for probe, complete in TEXT_PROBES.items() if chained else ():
        earned = sum(_supported_credit(complete(row["instruction"], row["pred_answer"] or ""), row) for row in chained)
        scores.append(_compared(probe, earned, len(chained), policy, "supported_accuracy"))
    for probe, image_probe in IMAGE_PROBES.items():
        probed = [row for row in rows if row[image_probe.key] is not None]
        if probed:
            earned = sum(_credit(row[image_probe.key], row) for row in probed)
            scores.append(_compared(probe, earned, len(probed), shares(probed), "accuracy"))
    return scores


def _credit(completion: str, row: Prediction) -> float:
    return credit(parse_completion(completion).answer, truth_of_row(row))


def _supported_credit(completion: str, row: Prediction) -> float:
    """The credit of a completion with a row's answer, where it is supported; the judge is asked last: it costs most."""
    parsed, earned = parse_completion(completion), credit_of(row)
    if not earned or parsed.think is None or parsed.answer is None:
        return 0.0
    if is_bare(parsed.think, parsed.answer, row["instruction"]):
        return 0.0
    is_supported = judged(parsed.think, parsed.answer, truth_of_row(row)) is Verdict.SUPPORT
    return earned if is_supported else 0.0


def _compared(
    probe: str, earned: float, n: int, policy: Mapping[str, Any], measure: str, text: str | None = None
) -> dict[str, Any]:
    score = earned / n
    return {
        "probe": probe,
        "text": text,
        "measure": measure,
        "n": n,
        "score": score,
        "policy": policy[measure],
        "near": is_near(score, policy[measure]),
    }
