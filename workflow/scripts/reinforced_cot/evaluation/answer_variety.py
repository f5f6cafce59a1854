"""Whether a policy still looks: accuracy by the true answer, and whether its answers lose variety.

A policy that answers every yes/no question with "no" is right as often as "no" is true, and RL may reward it for that.
Its accuracy on the questions whose answer is "yes" is 0, and its balanced accuracy is .5.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from reinforced_cot.answers.truth import truth_of_row
from reinforced_cot.evaluation.answer_types import group_of
from reinforced_cot.matching.answer_matching import core, polarity
from reinforced_cot.scoring.metrics import credit_of
from reinforced_cot.scoring.prediction_rows import Prediction

LISTED = 10  # true answers per type, the most frequent ones
ENOUGH = 20  # questions of a type, below which its variety says little
POOR = 0.5  # less than this share of the truths' variety is flagged


def by_true_answer(rows: Sequence[Prediction]) -> dict[str, Any]:
    """How each answer type fares, true answer by true answer.

    Returns:
        By answer type: ``n``; ``balanced_accuracy``, the mean over true answers of the accuracy on each; ``variety`` of
        the policy's answers as a share of the truths' (`variety`; None where all truths are one); ``most_frequent``,
        its most frequent answer, with its share in ``most_frequent_share``; ``lost_variety``, whether to worry (not
        where most completions are malformed, and answer nothing); and ``truths``: ``n`` and ``accuracy`` of each of the
        `LISTED` most frequent true answers.
    """
    types: dict[str, list[Prediction]] = defaultdict(list)
    for row in rows:
        types[group_of(truth_of_row(row), row["gt_answer"])].append(row)
    return {name: _of_type(group) for name, group in sorted(types.items())}


def _of_type(rows: Sequence[Prediction]) -> dict[str, Any]:
    by_truth: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        by_truth[_plain(row["gt_answer"])].append(credit_of(row))
    answers = Counter(_plain(row["pred_answer"] or "") for row in rows)
    of_truths, of_answers = variety(map(len, by_truth.values())), variety(answers.values())
    share = (of_answers - 1) / (of_truths - 1) if of_truths > 1 else None
    listed = sorted(by_truth, key=lambda truth: (-len(by_truth[truth]), truth))[:LISTED]
    [(frequent, count)] = sorted(answers.items(), key=lambda item: (-item[1], item[0]))[:1]
    return {
        "n": len(rows),
        "balanced_accuracy": fmean(map(fmean, by_truth.values())),
        "variety": share,
        "most_frequent": frequent,
        "most_frequent_share": count / len(rows),
        "lost_variety": bool(frequent) and len(rows) >= ENOUGH and share is not None and share < POOR,
        "truths": {truth: {"n": len(by_truth[truth]), "accuracy": fmean(by_truth[truth])} for truth in listed},
    }


def variety(counts: Iterable[int]) -> float:
    """The effective number of different answers: the exponential of their entropy.

    >>> variety([50, 50]), variety([100]), round(variety([98, 2]), 2)
    (2.0, 1.0, 1.1)
    """
    numbers = [count for count in counts if count]
    total = sum(numbers)
    return math.exp(-math.fsum(count / total * math.log(count / total) for count in numbers))


def _plain(answer: str) -> str:
    """An answer as it is counted: yes and no by what is said, else the words that carry it."""
    said = polarity(answer)
    return " ".join(core(answer)) if said is None else "yes" if said else "no"
