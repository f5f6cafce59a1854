"""Kinds of answers, and for each answer another one of its kind: the negative control of chain consistency."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from reinforced_cot.scoring.answer_matching import NO, YES, core, polarity
from reinforced_cot.scoring.consistency import rival_answers
from reinforced_cot.scoring.words import is_same_word, phrase


def answer_type(question: str, truth: str) -> str:
    """yes/no, choice, number, color or open.

    >>> [answer_type("Is it red?", "No"), answer_type("Is it red or blue?", "red"), answer_type("What is it?", "cup")]
    ['yes/no', 'choice', 'open']
    """
    said, asked = phrase(truth), phrase(question)
    if len(said) == 1 and said[0] in YES | NO:
        return "yes/no"
    if rival_answers(question, said):
        return "choice"
    if len(said) == 1 and said[0].isdigit():
        return "number"
    return "color" if {"color", "colour"} & set(asked) else "open"


def pools(rows: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The different answers of each kind, sorted; ``rows`` holds questions and answers."""
    found: dict[str, set[str]] = {}
    for question, answer in rows:
        found.setdefault(answer_type(question, answer), set()).add(" ".join(phrase(answer)))
    return {kind: sorted(answers - {""}) for kind, answers in found.items()}


def another_answer(name: str, question: str, answer: str, pools: Mapping[str, Sequence[str]]) -> str | None:
    """A different answer of the same kind: yes for no, a rival that the question names, else one of a pool.

    Args:
        name: fixes which one of a pool, so that it is the same in every run.

    Returns:
        None where there is no other one.
    """
    said = polarity(answer)
    if said is not None:
        return "no" if said else "yes"
    own = core(answer)
    if not phrase(answer):
        return None
    offered = [" ".join(rival) for rival in rival_answers(question, own)]
    if rivals := _apart_from(own, offered):
        return rivals[0]
    pool = _apart_from(own, pools.get(answer_type(question, answer), ()))
    digest = int(hashlib.sha256(name.encode()).hexdigest()[:12], 16)
    return pool[digest % len(pool)] if pool else None


def _apart_from(own: Sequence[str], others: Iterable[str]) -> list[str]:
    """Those that share no word with an answer: "black and white" may be taken for black."""
    return [other for other in others if not any(is_same_word(word, mine) for word in other.split() for mine in own)]
