"""When a short answer is the true one: strict rules per kind of answer; naming several answers is never right.

- yes and no: from the explicit word, with no other answer before it, or from "there are (no) ..."; never from a bare
  is, are or not.
- an option of those that the question lists: by its text or its letter, and no other option asserted beside it.
- anything else: the whole phrase, asserted once and for itself. Words that neither the truth nor the question explain
  ("red, blue, green", "hot dog" for dog) make another answer of it; so do other colours, numbers, sides or letters, and
  things of the question in a list with it (`rivals`). Scripts without blanks: `unspaced`.
Singular and plural, articles, case, spelling, and numbers in words or digits do not count (`words`). Signs, currencies
and units count (`data.tokens`, `numbers`).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from reinforced_cot.data.question_format import without_format
from reinforced_cot.data.text_cleaning import find_special_token
from reinforced_cot.data.tokens import ARTICLES, MAX_ANSWER_CHARACTERS, is_word
from reinforced_cot.matching.clock import times_in_digits
from reinforced_cot.matching.numbers import asks_time, is_number, number_variants
from reinforced_cot.matching.options import Option, listed_options, mentions, names_first_option, true_option
from reinforced_cot.matching.rivals import (
    adds_reference,
    answers_before,
    is_letter,
    is_said_by_writer,
    lists_rival,
    names_other_letter,
    of_the_same_kind,
    offered,
    reference,
)
from reinforced_cot.matching.unspaced import is_explained, is_said_unspaced
from reinforced_cot.matching.vocabulary import AROUND, AUXILIARIES, FRAME, NO, PRONOUNS, SIDES, YES
from reinforced_cot.matching.words import (
    NEGATORS,
    inner_marks,
    is_same_word,
    negated,
    occurrences,
    phrase,
    word_set,
    words,
)

_HEDGES = frozenset(("or", "maybe", "perhaps", "possibly", "either", "unless", "otherwise", "unsure", "unknown"))
_INTERROGATIVES = word_set("what which who whose whom how why")
_NONE = word_set("no not never 0 nothing nobody none neither hardly")  # after "there is"
_UNCERTAIN = word_set("not never if hardly barely")  # before a yes or a no
_BEFORE_SIDES, _SIDES = word_set("on in at to"), word_set("left right middle center")
# Behind a "no", these make no answer of it.
_IDEAS = word_set("idea clue answer comment opinion info information parking smoking entry")
_CERTAIN = (("no", "doubt"), ("no", "question"), ("without", "doubt"), ("without", "a", "doubt"))
_WRONG = word_set("wrong false incorrect")  # beside a yes or a no
MAX_QUESTION_CHARACTERS = 4_000  # of a question that is read: some rules take more than linear time in it


def is_correct(answer: str | None, truth: str, question: str = "", as_text: bool = False) -> bool:
    """Whether ``answer`` is the true one; a malformed completion (None) or an empty text never is.

    Args:
        question: its words may stand in the answer, too: "The cup is red." answers "What color is the cup?".
        as_text: whether the true answer is words alone: no yes or no, no option of the question.

    >>> is_correct("A tennis racket.", "tennis rackets"), is_correct("not red but blue", "red")
    (True, False)
    >>> is_correct("No, there are not.", "no", "Are there cars?"), is_correct("is it not right, left?", "no")
    (True, False)
    >>> is_correct("B", "blue", "Which is it?\\nA. red\\nB. blue"), is_correct("5", "-5")
    (True, False)
    """
    if not answer or len(answer) > MAX_ANSWER_CHARACTERS:
        return False
    expected = _expected(truth, question[:MAX_QUESTION_CHARACTERS], as_text)
    if not expected.words:
        return False
    if asks_time(expected.question_words):
        answer = times_in_digits(answer)
    tokens = words(answer)
    if ("?" in tokens and "?" not in words(truth)) or (
        "<" in answer and find_special_token(answer) and not find_special_token(truth)
    ):
        return False
    if set(expected.tokens) <= set(tokens) and _stripped(tokens) == expected.tokens:
        return True  # whatever the truth holds that another answer may not: "no parking", "10:30"
    if expected.polarity is not None:
        if expected.option is not None:
            named = {number for number, _ in mentions(expected.options, tokens)}
            if named - {expected.option} or _names_first_instead(answer, expected):
                return False
            if named and _takes(answer, tokens, expected):
                return True
        return polarity(answer, question) == expected.polarity and not answers_before(tokens)
    if expected.option is not None:
        return _takes(answer, tokens, expected)
    if expected.is_letter and names_other_letter(answer, tokens, expected.words[0]):
        return False
    if any(_asserted(answer, wanted, tokens, expected) for wanted in expected.variants) or _is_compound(
        tokens, expected
    ):
        return True
    return not truth.isascii() and is_said_unspaced(expected.words, tokens, expected.question_words, AROUND)


class _Expected(NamedTuple):
    """What follows from a true answer and its question, for any answer.

    Attributes:
        tokens: of the truth, without the marks around it. words: its phrase; empty where it cannot be matched.
        marks: of punctuation, within it.
        polarity: of a yes or a no, else None. is_letter: whether it is a single letter, perhaps with a sign (B+).
        options: that the question lists. option: the true one's number, None where it is none of them.
        variants: what an answer must hold: the phrase, or another form of its number (`number_variants`).
        question_words: words of the question, in order. rivals: words that it sets against the truth.
        reference: words of the thing that it tells the place by: of the dog in "What is next to the dog?".
    """

    tokens: tuple[str, ...]
    words: tuple[str, ...]
    marks: dict[int, str]
    polarity: bool | None
    is_letter: bool
    options: tuple[Option, ...]
    option: int | None
    variants: tuple[tuple[str, ...], ...]
    question_words: tuple[str, ...]
    rivals: frozenset[str]
    reference: frozenset[str]


@lru_cache(maxsize=512)
def _expected(truth: str, question: str, as_text: bool) -> _Expected:
    question = without_format(question)
    wanted = tuple(phrase(truth)) if len(truth) <= MAX_ANSWER_CHARACTERS else ()
    if asks_time(words(question)) and wanted:
        wanted = tuple(phrase(times_in_digits(truth)))
    is_polar = len(wanted) == 1 and wanted[0] in YES | NO and not as_text
    options = () if as_text else listed_options(question)
    option = true_option(options, truth) if wanted else None
    question_words = tuple(word for word in words(question) if is_word(word))
    rivals = {rival for group in SIDES if set(group) & set(wanted) for rival in group} - set(wanted)
    rivals |= offered(question, wanted)
    return _Expected(
        tokens=_stripped(words(truth)),
        words=wanted,
        marks=inner_marks(truth),
        polarity=wanted[0] in YES if is_polar else None,
        is_letter=len(wanted) == 1 and is_letter(wanted[0]),
        options=options,
        option=option,
        variants=(*number_variants(wanted, question_words), *_sides(wanted)),
        question_words=question_words,
        rivals=frozenset(rivals),
        reference=reference(question_words) - set(wanted),
    )


def _sides(wanted: Sequence[str]) -> list[tuple[str, ...]]:
    """The side alone, of a true answer such as "on the left" or "in the middle"."""
    return [(wanted[1],)] if len(wanted) == 2 and wanted[0] in _BEFORE_SIDES and wanted[1] in _SIDES else []


def _stripped(tokens: Sequence[str]) -> tuple[str, ...]:
    """Tokens without the marks of punctuation around them."""
    places = [i for i, token in enumerate(tokens) if is_word(token)]
    return tuple(tokens[places[0] : places[-1] + 1]) if places else ()


def core(answer: str) -> list[str]:
    """The words of an answer that carry it: without the frame of a sentence around them.

    >>> core("It is a cup of tea.")
    ['cup', 'of', 'tea']
    """
    said = phrase(answer)
    carrying = [i for i, word in enumerate(said) if word not in FRAME]
    return said[carrying[0] : carrying[-1] + 1] if carrying else said


def polarity(answer: str, question: str = "") -> bool | None:
    """True for a yes, False for a no, None where an answer says neither or both.

    Args:
        question: "There is a cat" is no yes to a question about dogs; without a question, it is one.

    >>> polarity("There are no cars"), polarity("Yes, it is"), polarity("yes no"), polarity("it is not")
    (False, True, None, None)
    >>> polarity("No, there is a cat.", "Is there a dog?"), polarity("I would not say yes")
    (False, None)
    """
    tokens = _without_certainty(words(answer[:MAX_ANSWER_CHARACTERS]))
    if not tokens or "doubt" in tokens or _HEDGES & set(tokens):
        return None
    question_words = words(question[:MAX_QUESTION_CHARACTERS])
    said, denied = _existence(tokens, question_words), negated(tokens)
    for i, token in enumerate(tokens):
        if token not in YES | NO:
            continue
        after = tokens[i + 1] if i + 1 < len(tokens) else "."
        before = tokens[i - 1] if i else "."
        if token in NO and after in _IDEAS and after not in question_words:
            return None
        stands = token in YES or i == 0 or not is_word(after) or before in YES
        # "No, it is not" is a no, and "No is not the answer" is none.
        is_taken_back = denied_after(tokens, i + 1) and (token in YES or after in AUXILIARIES)
        if before in _UNCERTAIN or (token in YES and denied[i]) or (stands and is_taken_back):
            return None
        if stands:
            said.add(token in YES)
    if said and _WRONG & set(tokens):
        return None
    if not said and len(tokens) - (tokens[-1] == ".") == 1:
        return {"true": True, "correct": True, "false": False, "incorrect": False}.get(tokens[0])
    return said.pop() if len(said) == 1 else None


def _without_certainty(tokens: Sequence[str]) -> tuple[str, ...]:
    """Tokens without "no doubt" and the like, which deny nothing."""
    if {"doubt", "question"}.isdisjoint(tokens):
        return tuple(tokens)
    for certain in _CERTAIN:
        for i in reversed(range(len(tokens) - len(certain) + 1)):
            if tuple(tokens[i : i + len(certain)]) == certain:
                tokens = (*tokens[:i], *tokens[i + len(certain) :])
    return tuple(tokens)


def _existence(tokens: Sequence[str], question: Sequence[str]) -> set[bool]:
    """What "there is a ..." and "there are no ..." say, where they speak of what the question asks for."""
    said = set()
    for i in range(len(tokens) - 2):
        if tokens[i] == "there" and tokens[i + 1] in ("is", "are", "was", "were"):
            rest = tokens[i + 2 :]
            clause = rest[
                : next((j for j, token in enumerate(rest) if not is_word(token) or token == "and"), len(rest))
            ]
            things = [token for token in clause if token not in FRAME | _NONE and not is_number(token)]
            if not question or not things or any(is_same_word(a, b) for a in things for b in question):
                said.add(tokens[i + 2] not in _NONE)
    return said


def denied_after(tokens: Sequence[str], place: int) -> bool:
    """Whether what ends before ``place`` is denied behind it: "blue is not the color", "Blue, it is not."

    In "It is blue, it is not red", the denial is of what follows.
    """
    rest = list(tokens[place : place + 8])
    if rest[:1] == [","]:
        rest = rest[1:]
    about = rest[:1] and rest[0] in PRONOUNS
    if about:
        rest = rest[1:]
    verbs = next((i for i, token in enumerate(rest) if token not in AUXILIARIES), len(rest))
    denial = rest[verbs : verbs + 1]
    if not (denial == ["cannot"] or (verbs and denial in (["not"], ["never"]))):
        return False
    behind = rest[verbs + 1 : verbs + 2]
    return not about or not behind or not is_word(behind[0])


def _names_first_instead(answer: str, expected: _Expected) -> bool:
    return expected.option != 0 and names_first_option(expected.options, answer)


def _takes(answer: str, tokens: Sequence[str], expected: _Expected) -> bool:
    """Whether an answer takes the true option of a list and no other."""
    named = mentions(expected.options, tokens)
    if _names_first_instead(answer, expected):
        return False
    denied = negated(tokens, own={i for _, place in named for i in place if tokens[i] in NEGATORS})
    own = [place for number, place in named if number == expected.option]
    if any(any(denied[i] for i in place) or denied_after(tokens, place.stop) for place in own):
        return False
    if {number for number, place in named if not any(denied[i] for i in place)} != {expected.option}:
        return False
    inside = {i for _, place in named for i in place}
    listed = {word for option in expected.options for word in option.text}
    if (_HEDGES | _INTERROGATIVES) & {token for i, token in enumerate(tokens) if i not in inside}:
        return False
    stem = [word for word in expected.question_words if word not in listed]
    return all(
        i in inside
        or denied[i]
        or not is_word(token)
        or token in AROUND
        or is_said_by_writer(tokens, i)
        or any(is_same_word(token, word) for word in stem)
        for i, token in enumerate(tokens)
    )


def _asserted(answer: str, wanted: Sequence[str], tokens: Sequence[str], expected: _Expected) -> bool:
    places = occurrences(wanted, tokens, expected.marks)
    if not places:
        return False
    denied = negated(tokens, own={i for place in places for i in place if tokens[i] in NEGATORS})
    if wanted in (("a",), ("no",)):  # before a word it is an article, or denies that word
        places = [p for p in places if p.stop == len(tokens) or not is_word(tokens[p.stop]) or tokens[p.stop] == "is"]
    if not any(not any(denied[i] for i in place) for place in places) or any(denied[i] for p in places for i in p):
        return False
    if any(denied_after(tokens, place.stop) for place in places):
        return False
    if (_HEDGES | _INTERROGATIVES) & (set(tokens) - set(wanted)):
        return False
    inside = {i for place in places for i in place}
    if lists_rival(tokens, inside, denied, wanted, expected.question_words) or (
        expected.reference and "'" not in answer and adds_reference(tokens, inside, wanted, expected.reference)
    ):
        return False
    for i, token in enumerate(tokens):
        if i in inside or not is_word(token) or denied[i]:
            continue
        if any(is_same_word(token, rival) for rival in expected.rivals) or of_the_same_kind(
            tokens, i, wanted, expected.question_words
        ):
            return False
        is_hand = token == "hand" and i and tokens[i - 1] in ("left", "right")
        if (
            token not in AROUND
            and not is_hand
            and not is_said_by_writer(tokens, i)
            and not any(is_same_word(token, word) for word in expected.question_words)
            and not is_explained(token, wanted[-1], expected.question_words)
        ):
            return False
    return True


def _is_compound(tokens: Sequence[str], expected: _Expected) -> bool:
    """Whether the same letters are written in one word or in several: "T-shirt" and "tshirt"."""
    said = [word for word in tokens if is_word(word) and word not in ARTICLES]
    letters = "".join(expected.words)
    is_split = len(said) != len(expected.words)
    return letters.isalpha() and len(letters) > 3 and is_split and is_same_word("".join(said), letters)
