"""Hack probes: how cheating would be scored by the same matcher and judge that score the policy.

A policy trained on a reward learns the reward. Each probe (`hack_probes`, `image_probes`) is a way to be paid without
looking or thinking. Its score stands beside the policy's: if it comes near, the score does not measure what it seems to
measure.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from reinforced_cot.data.image_probes import IMAGE_PROBES
from reinforced_cot.data.parsing import parse_completion
from reinforced_cot.judging.consistency import is_bare, judge
from reinforced_cot.matching.answer_matching import is_accepted
from reinforced_cot.reading.verdict import Verdict
from reinforced_cot.scoring.hack_probes import (
    CONSTANT_ANSWER,
    TEXT_PROBES,
    constant_answers,
    is_near,
)
from reinforced_cot.scoring.metrics import shares
from reinforced_cot.scoring.prediction_rows import Prediction, truths_of


def probe_scores(rows: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Score every probe, and the policy on the same questions, in 0..1.

    The measure is accuracy, or ``supported_accuracy`` for a probe that keeps the policy's answers.

    Args:
        rows: scored predictions. A probe that keeps the policy's answers is scored on those that may have a chain, an
            image probe on those that have a completion under its key.

    Returns:
        One mapping per probe: probe, text (of a constant answer, else None), measure, score, policy, n, near.
    """
    policy, constants = shares(rows), constant_answers([row["gt_answer"] for row in rows])
    # Question by question, since what follows from a question and its truth is kept for the next answer.
    right = Counter(
        answer for row in rows for answer in constants if is_accepted(answer, truths_of(row), row["instruction"])
    )
    scores = [_compared(CONSTANT_ANSWER, right[answer], len(rows), policy, "accuracy", answer) for answer in constants]
    chained = [row for row in rows if row["is_consist"] is not None]
    for probe, complete in TEXT_PROBES.items() if chained else ():
        earned = sum(_supports(complete(row["instruction"], row["pred_answer"] or ""), row) for row in chained)
        scores.append(_compared(probe, earned, len(chained), policy, "supported_accuracy"))
    for probe, image_probe in IMAGE_PROBES.items():
        probed = [row for row in rows if row[image_probe.key] is not None]
        if probed:
            earned = sum(_is_right(row[image_probe.key], row) for row in probed)
            scores.append(_compared(probe, earned, len(probed), shares(probed), "accuracy"))
    return scores


def _is_right(completion: str, row: Prediction) -> bool:
    return is_accepted(parse_completion(completion).answer, truths_of(row), row["instruction"])


def _supports(completion: str, row: Prediction) -> bool:
    """Whether a completion with a row's answer is right and supported; the judge is asked last: it costs most."""
    parsed, question = parse_completion(completion), row["instruction"]
    if not row["is_correct"] or parsed.think is None or parsed.answer is None:
        return False
    if is_bare(parsed.think, parsed.answer, question):
        return False
    return judge(parsed.think, parsed.answer, question) is Verdict.SUPPORT


def _compared(
    probe: str, earned: int, n: int, policy: Mapping[str, Any], measure: str, text: str | None = None
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
