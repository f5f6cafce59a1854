"""How much credit an answer gets, by the kind of the true one (`specification`)."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from reinforced_cot.answers import box_answers, item_lists, mathematics, number_answers, vqa_score, worded
from reinforced_cot.answers.specification import Settings, chosen
from reinforced_cot.answers.truth import Truth
from reinforced_cot.data.examples import accepted_answers
from reinforced_cot.data.tokens import MAX_ANSWER_CHARACTERS


class _Rules(NamedTuple):
    """How answers of one kind are compared.

    Attributes:
        is_right: whether an answer is one of the true ones: the answer, a true one, the `Truth`, the settings.
        cheats: answers that may be right without a look at the image, from all truths of the kind.
    """

    is_right: Callable[[str, str, Truth, Settings], bool]
    cheats: Callable[[Sequence[Truth]], list[str]]


_RULES = {
    "": _Rules(worded.is_right, lambda truths: []),
    "yes_no": _Rules(worded.is_yes_no, worded.cheats),
    "choice": _Rules(worded.is_choice, worded.cheats_of_choices),
    "letter": _Rules(worded.is_right, worded.cheats_of_letters),
    "text": _Rules(worded.is_text_answer, worded.cheats),
    "number": _Rules(number_answers.is_right, number_answers.cheats),
    "math": _Rules(mathematics.is_right, mathematics.cheats),
    "box": _Rules(box_answers.is_right, box_answers.cheats),
    "list": _Rules(item_lists.is_list, item_lists.cheats),
    "set": _Rules(item_lists.is_set, item_lists.cheats),
    "vqa": _Rules(vqa_score.is_right, vqa_score.cheats),
}


def credit(answer: str | None, truth: Truth) -> float:
    """How much of the full credit an answer gets, in 0..1; a malformed completion (None) or an empty text gets none.

    >>> credit("9.8 m/s", Truth(("10 m/s",), kind="number relative=0.05"))
    1.0
    >>> credit("net", Truth(("net",) * 2 + ("racket",) * 8, kind="vqa"))
    0.6

    Raises:
        DataError: the truth has an unknown kind.
    """
    kind = chosen(truth.kind)
    if not answer or len(answer) > MAX_ANSWER_CHARACTERS:
        return 0.0
    if kind.has_parts:
        return vqa_score.credit(answer, truth.answers)
    is_right = _RULES[kind.name].is_right
    return float(any(is_right(answer, true, truth, kind.settings) for true in accepted_answers(truth.answers)))


def is_right(answer: str | None, truth: Truth) -> bool:
    """Whether an answer gets at least half of the credit."""
    return credit(answer, truth) >= 0.5


def longest(truth: Truth, words: int) -> int:
    """How many words a brief answer may have: ``words``, or as many as a true answer whose kind the record names."""
    return max([words, *(len(answer.split()) for answer in truth.answers if truth.kind)])


def cheats_of(truths: Sequence[Truth]) -> list[str]:
    """Answers that cheat at the kinds that occur, kind by kind."""
    by_kind: dict[str, list[Truth]] = {}
    for truth in truths:
        by_kind.setdefault(truth.kind, []).append(truth)
    return list(
        dict.fromkeys(text for name in sorted(by_kind) for text in _RULES[chosen(name).name].cheats(by_kind[name]))
    )
