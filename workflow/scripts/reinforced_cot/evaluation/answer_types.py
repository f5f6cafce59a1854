"""Kinds of answers, and a different answer of the same kind for each: the negative control of chain consistency."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from reinforced_cot.answers.kinds import is_right
from reinforced_cot.answers.specification import chosen
from reinforced_cot.answers.truth import Truth
from reinforced_cot.matching.answer_matching import core, polarity
from reinforced_cot.matching.numbers import number_kind
from reinforced_cot.matching.vocabulary import NO, YES
from reinforced_cot.matching.words import forms, is_same_word, phrase
from reinforced_cot.reading.candidates import rival_answers

_NAMED = ("choice", "letter")  # kinds of words that are groups by themselves
_TRIES = 20


def answer_type(question: str, truth: str) -> str:
    """yes/no, choice, number (with or without a unit), price, time, color or open.

    >>> [answer_type("Is it red?", "No"), answer_type("Is it red or blue?", "red"), answer_type("What is it?", "cup")]
    ['yes/no', 'choice', 'open']
    >>> [answer_type("What does it show?", truth) for truth in ("-5", "5 cm", "$5", "3:15 pm")]
    ['number', 'number', 'price', 'time']
    """
    answer_words, question_words = phrase(truth), phrase(question)
    if len(answer_words) == 1 and answer_words[0] in YES | NO:
        return "yes/no"
    if rival_answers(question, answer_words):
        return "choice"
    if kind := number_kind(core(truth)):
        return kind
    return "color" if {"color", "colour"} & set(question_words) else "open"


def group_of(truth: Truth, answer: str) -> str:
    """The group of an answer in an evaluation: the kind that the record names, where that says more than its type."""
    kind = chosen(truth.kind)
    says_more = kind.name in _NAMED or not kind.is_worded
    return kind.name if says_more else answer_type(truth.question, answer)


def pools(rows: Iterable[tuple[Truth, str]]) -> dict[str, list[str]]:
    """The different answers of each group (`group_of`), sorted; ``rows`` holds answers with what they answer."""
    by_group: dict[str, set[str]] = {}
    for truth, answer in rows:
        is_worded = chosen(truth.kind).is_worded
        by_group.setdefault(group_of(truth, answer), set()).add(" ".join(phrase(answer)) if is_worded else answer)
    return {group: sorted(answers - {""}) for group, answers in by_group.items()}


def another_answer(name: str, truth: Truth, answer: str, pools: Mapping[str, Sequence[str]]) -> str | None:
    """A different answer of the same group: yes for no, a rival that the question names, else one of a pool.

    Args:
        name: decides which answer of a pool is taken, so that it is the same in every run.
        truth: what ``answer`` answers.
        pools: the answers of each group (`pools`).

    Returns:
        The answer, or None if there is no different one.
    """
    number = int(hashlib.sha256(name.encode()).hexdigest()[:12], 16)
    if not chosen(truth.kind).is_worded:
        same, pool_of_kind = truth._replace(answers=(answer,)), pools.get(group_of(truth, answer), ())
        tried = (pool_of_kind[(number + step) % len(pool_of_kind)] for step in range(min(_TRIES, len(pool_of_kind))))
        return next((other for other in tried if not is_right(other, same)), None)
    question = truth.question
    is_yes = polarity(answer, question)
    if is_yes is not None:
        return "no" if is_yes else "yes"
    words = core(answer)
    if not phrase(answer):
        return None
    if number_kind(words):
        words = words[:1]  # all prices share a currency, and many times their half of the day
    offered = [" ".join(rival) for rival in rival_answers(question, words)]
    if rivals := _apart_from(words, offered):
        return rivals[0]
    pool = tuple(pools.get(group_of(truth, answer), ()))
    similar = _similar(words, pool)
    if len(similar) == len(pool):
        return None
    place = number % (len(pool) - len(similar))
    for other in similar:  # in order: they are left out of the count
        place += other <= place
    return pool[place]


def _similar(words: Sequence[str], pool: tuple[str, ...]) -> list[int]:
    """The places of a pool whose answers share a word with an answer, in order."""
    by_form = _by_form(pool)
    places = {place for word in words for form in forms(word) for place in by_form.get(form, ())}
    return sorted(place for place in places if not _apart_from(words, [pool[place]]))


@lru_cache(maxsize=16)  # a pool of thousands of answers must not be searched for each question
def _by_form(pool: tuple[str, ...]) -> dict[str, list[int]]:
    by_form: dict[str, list[int]] = defaultdict(list)
    for place, answer in enumerate(pool):
        for form in {form for word in answer.split() for form in forms(word)}:
            by_form[form].append(place)
    return by_form


def _apart_from(words: Sequence[str], others: Iterable[str]) -> list[str]:
    """The other answers that share none of an answer's words: "black and white" may be taken for black."""
    return [other for other in others if not any(is_same_word(a, b) for a in other.split() for b in words)]
