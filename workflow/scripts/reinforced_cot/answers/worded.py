"""Kinds whose answers are words: yes or no, one of several choices, a letter, any text."""

from collections.abc import Mapping, Sequence

from reinforced_cot.answers.truth import Truth
from reinforced_cot.data.listed_choices import with_choices
from reinforced_cot.matching.answer_matching import is_correct
from reinforced_cot.matching.vocabulary import NO, YES
from reinforced_cot.matching.words import phrase

_Settings = Mapping[str, float]
_TRUE, _FALSE = ("true", "correct"), ("false", "incorrect")


def is_right(answer: str, true: str, truth: Truth, settings: _Settings) -> bool:
    """The kind follows from the true answer (`matching.answer_matching.is_correct`)."""
    return is_correct(answer, true, truth.question)


def is_yes_no(answer: str, true: str, truth: Truth, settings: _Settings) -> bool:
    """Whether an answer says the same of yes and no; "true" is a yes.

    >>> is_yes_no("True.", "yes", Truth(("yes",)), {}), is_yes_no("yes no", "yes", Truth(("yes",)), {})
    (True, False)
    """
    is_yes = _is_yes(true)
    return is_yes is not None and is_correct(answer, "yes" if is_yes else "no", truth.question)


def _is_yes(true: str) -> bool | None:
    said = phrase(true)
    if len(said) != 1:
        return None
    return True if said[0] in YES | {*_TRUE} else False if said[0] in NO | {*_FALSE} else None


def is_choice(answer: str, true: str, truth: Truth, settings: _Settings) -> bool:
    """Whether an answer takes the true choice, by its text or its letter, and no other."""
    return is_correct(answer, true, with_choices(truth.question, truth.choices))


def is_text_answer(answer: str, true: str, truth: Truth, settings: _Settings) -> bool:
    """Whether an answer holds the words of the true one, also where these are a yes, or a letter of an option.

    >>> is_text_answer("NO PARKING", "no parking", Truth(("no parking",)), {})
    True
    """
    return is_correct(answer, true, truth.question, as_text=True)


def cheats(truths: Sequence[Truth]) -> list[str]:
    """Both answers at once, and none."""
    return ["yes and no", "maybe", "true false"]


def cheats_of_letters(truths: Sequence[Truth]) -> list[str]:
    """All letters that occur, each order a constant answer."""
    letters = sorted({answer.strip().upper() for truth in truths for answer in truth.answers})
    return [" ".join(letters), "/".join(letters), f"({letters[0]}) or ({letters[-1]})"]


def cheats_of_choices(truths: Sequence[Truth]) -> list[str]:
    """Each letter, all letters, and words that stand for any choice."""
    most = max((len(truth.choices) for truth in truths), default=0) or 4
    letters = [chr(ord("A") + place) for place in range(most)]
    return [*letters, ", ".join(letters), "all of the above", "the correct one", "the first one"]
