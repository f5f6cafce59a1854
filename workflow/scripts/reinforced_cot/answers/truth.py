"""What an answer is compared with."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from reinforced_cot.data.examples import Example


class Truth(NamedTuple):
    """The true answers of one question, and how answers to it are compared.

    Attributes:
        answers: each as often as it was given, at least one.
        question: the question alone; empty where it is unknown.
        kind: as the record's ``answer_kind`` gives it, with its settings (`kinds.chosen`); empty where the kind follows
            from the true answer.
        choices: what the question offers; empty where it offers none, or lists them itself.
    """

    answers: tuple[str, ...]
    question: str = ""
    kind: str = ""
    choices: tuple[str, ...] = ()


def truth_of(example: Example) -> Truth:
    """What an answer to a prepared question is compared with."""
    return Truth(example.answers, example.question_text, example.answer_kind, example.choices)


def truth_of_row(row: Mapping[str, Any]) -> Truth:
    """What an answer is compared with that a line of `predictions.jsonl` asks for."""
    answers = tuple(row.get("gt_answers") or [row["gt_answer"]])
    return Truth(answers, row["instruction"], row.get("answer_kind") or "", tuple(row.get("choices") or ()))
