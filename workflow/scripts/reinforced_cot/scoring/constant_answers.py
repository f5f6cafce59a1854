"""Constant answers, given to every question: what they earn is earned without looking."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from reinforced_cot.answers.kinds import cheats_of
from reinforced_cot.answers.specification import chosen
from reinforced_cot.answers.truth import Truth

SLOPPY = ("", "is it not right, left?", "yes no")  # answers that sloppy matchers take for many
MOST_FREQUENT = 10


def constant_answers(truths: Sequence[Truth]) -> list[str]:
    """The most frequent true answers, most frequent first, then neighbouring pairs, all at once, `SLOPPY`, and answers
    that cheat at the kinds that occur (`answers.kinds.cheats_of`).

    >>> constant_answers([Truth(("no",)), Truth(("No",)), Truth(("yes",))])
    ['no', 'yes', 'no, yes', '', 'is it not right, left?', 'yes no']
    """
    counts = Counter(_plain(truth) for truth in truths)
    frequent = sorted(counts, key=lambda answer: (-counts[answer], answer))[:MOST_FREQUENT]
    pairs = [f"{one}, {other}" for one, other in pairwise(frequent)]
    return list(dict.fromkeys([*frequent, *pairs, ", ".join(frequent), *SLOPPY, *cheats_of(truths)]))


def _plain(truth: Truth) -> str:
    answer = truth.answers[0].strip()
    return answer if not chosen(truth.kind).is_worded else answer.casefold()  # case counts in formulas and lists
