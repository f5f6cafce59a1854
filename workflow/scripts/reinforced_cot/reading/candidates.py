"""The phrases that name an answer in a chain, and those that name its rivals."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from reinforced_cot.data.tokens import ARTICLES, is_word
from reinforced_cot.matching.answer_matching import core
from reinforced_cot.matching.numbers import is_number
from reinforced_cot.matching.options import Option, listed_options, true_option
from reinforced_cot.matching.vocabulary import COLORS, FRAME, SIDES
from reinforced_cot.matching.words import forms, is_same_word, words
from reinforced_cot.reading.sentences import base_forms


class Candidate(NamedTuple):
    """An answer as it may stand in a chain.

    Attributes:
        words: of the answer. variants: phrases that name it.
        rivals: phrases that name other answers, where the question offers them.
        options: that the question lists; option: the number of this one, None where it lists none.
        question_words: words of the question.
    """

    words: tuple[str, ...]
    variants: tuple[tuple[str, ...], ...]
    rivals: tuple[tuple[str, ...], ...]
    options: tuple[Option, ...]
    option: int | None
    question_words: tuple[str, ...]

    @property
    def known_forms(self) -> frozenset[str]:
        """The forms of all words of the question and the answer."""
        return _forms((*self.question_words, *self.words))

    @property
    def is_color(self) -> bool:
        """Whether it is a colour."""
        return not COLORS.isdisjoint(self.words)

    @property
    def is_number(self) -> bool:
        """Whether it holds a number."""
        return any(is_number(word) for word in self.words)


@lru_cache(maxsize=512)
def _forms(known: tuple[str, ...]) -> frozenset[str]:
    return frozenset(form for word in known for form in forms(word))


def candidate(answer: str, question: str) -> Candidate:
    """The answer to a question, with its rivals."""
    options = listed_options(question)
    option = true_option(options, answer) if options else None
    question_words = tuple(base_forms([word for word in words(question) if is_word(word)]))
    if option is not None:
        return _option(options, option, question_words)
    said = tuple(base_forms(core(answer)))
    rivals = tuple(tuple(base_forms(rival)) for rival in rival_answers(question, core(answer)))
    return _phrase(said, rivals, question_words)


def rivals_of(one: Candidate) -> list[Candidate]:
    """The other answers that the question offers, as candidates of their own."""
    if one.option is not None:
        return [_option(one.options, i, one.question_words) for i in range(len(one.options)) if i != one.option]
    return [_phrase(rival, (one.words,), one.question_words) for rival in one.rivals]


def another(one: Candidate, word: str) -> Candidate:
    """A word in the place of an answer, to the same question."""
    return _phrase((word,), one.rivals, one.question_words)


def _option(options: tuple[Option, ...], number: int, question_words: tuple[str, ...]) -> Candidate:
    texts = [tuple(base_forms(option.text)) for option in options]
    own = texts[number]
    label = options[number].label
    return Candidate(
        words=(*own, label) if label else own,
        variants=(own,) if own else (),
        rivals=tuple(text for i, text in enumerate(texts) if i != number and text),
        options=options,
        option=number,
        question_words=question_words,
    )


def _phrase(said: tuple[str, ...], rivals: tuple[tuple[str, ...], ...], question_words: tuple[str, ...]) -> Candidate:
    """An answer in words: itself, without what the question says anyway, and without the "one" of "the left one"."""
    variants = [said]
    new = tuple(w for w in said if w not in FRAME and not any(is_same_word(w, other) for other in question_words))
    if new and len(new) < len(said):
        variants.append(new)
    if len(said) > 1 and said[-1] == "1":
        variants.append(said[:-1])
    return Candidate(said, tuple(variants), rivals, (), None, question_words)


def rival_answers(question: str, answer_words: Sequence[str]) -> list[list[str]]:
    """The rivals of an answer: the opposite side, or the words that the question offers in its place.

    >>> rival_answers("Is the van red or white?", ["white"])
    [['red']]
    """
    for group in SIDES:
        if len(answer_words) == 1 and answer_words[0] in group:
            return [[side] for side in group if side != answer_words[0]]
    tokens = [token for token in words(question) if token not in ARTICLES]
    rivals = []
    for i, token in enumerate(tokens):
        if token != "or":
            continue
        n = len(answer_words)
        left, right = tokens[max(0, i - n) : i], tokens[i + 1 : i + 1 + n]
        if left and all(is_same_word(a, b) for a, b in zip(left, answer_words, strict=False)) and len(left) == n:
            rivals.append([token for token in tokens[i + 1 : i + 3] if is_word(token)][:1])
        elif len(right) == n and all(is_same_word(a, b) for a, b in zip(right, answer_words, strict=True)):
            rivals.append([token for token in tokens[max(0, i - 1) : i] if is_word(token)])
    return [rival for rival in rivals if rival]
