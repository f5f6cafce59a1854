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
        credit: of an answer, in 0..1: the answer, the `Truth`, the settings.
        cheats: answers that may be right without a look at the image, from all truths of the kind.
    """

    credit: Callable[[str, Truth, Settings], float]
    cheats: Callable[[Sequence[Truth]], list[str]]


def _all_or_nothing(is_right: Callable[[str, str, Truth, Settings], bool]) -> Callable[[str, Truth, Settings], float]:
    """The credit by a rule that compares an answer with one true one."""

    def credit(answer: str, truth: Truth, settings: Settings) -> float:
        return float(any(is_right(answer, true, truth, settings) for true in accepted_answers(truth.answers)))

    return credit


_RULES = {
    "": _Rules(_all_or_nothing(worded.is_right), lambda truths: []),
    "yes_no": _Rules(_all_or_nothing(worded.is_yes_no), worded.cheats),
    "choice": _Rules(_all_or_nothing(worded.is_choice), worded.cheats_of_choices),
    "letter": _Rules(_all_or_nothing(worded.is_right), worded.cheats_of_letters),
    "text": _Rules(_all_or_nothing(worded.is_text_answer), worded.cheats),
    "number": _Rules(_all_or_nothing(number_answers.is_right), number_answers.cheats),
    "math": _Rules(_all_or_nothing(mathematics.is_right), mathematics.cheats),
    "box": _Rules(_all_or_nothing(box_answers.is_right), box_answers.cheats),
    "list": _Rules(_all_or_nothing(item_lists.is_list), item_lists.cheats),
    "set": _Rules(_all_or_nothing(item_lists.is_set), item_lists.cheats),
    "vqa": _Rules(vqa_score.credit, vqa_score.cheats),
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
    return _RULES[kind.name].credit(answer, truth, kind.settings)


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
