"""When a short answer is the true one: strict rules per kind of answer; naming several answers is never right.

- yes and no: from the explicit word, or from "there are (no) ..."; never from a bare is, are or not.
- an option of those that the question lists: by its text or its letter, and no other option asserted beside it.
- anything else: the whole phrase, asserted once and for itself. Words that neither the truth nor the question explain
  ("red, blue, green", "hot dog" for dog) make another answer of it; so do other colours, numbers or sides.
Singular and plural, articles, case, spelling, and numbers in words or digits do not count (`words`). Signs, currencies
and units count (`data.tokens`).
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from reinforced_cot.data.question_format import without_format
from reinforced_cot.data.text_cleaning import find_special_token
from reinforced_cot.data.tokens import ARTICLES, MAX_ANSWER_CHARACTERS, is_word
from reinforced_cot.matching.options import Option, listed_options, mentions, true_option
from reinforced_cot.matching.words import (
    TURNS,
    UNITS,
    inner_marks,
    is_same_word,
    negated,
    occurrences,
    phrase,
    word_set,
    words,
)

YES, NO = frozenset(("yes", "yeah", "yep", "yup")), frozenset(("no", "nope"))
SIDES = (
    *(("left", "right"), ("top", "bottom"), ("upper", "lower"), ("front", "back", "behind"), ("above", "below")),
    *(("indoors", "outdoors"), ("inside", "outside"), ("open", "closed")),
)
COLORS = word_set(
    """red blue green yellow orange purple pink brown black white gray silver gold golden beige tan cream maroon navy
    teal turquoise violet magenta cyan lime olive"""
)
_HEDGES = frozenset(("or", "maybe", "perhaps", "possibly", "either", "unless", "unsure", "unknown"))
_INTERROGATIVES = word_set("what which who whose whom how why")
_NONE = word_set("no not never 0 nothing nobody none neither hardly")  # after "there is"
_UNCERTAIN = word_set("not never if hardly barely")  # before a yes or a no
_WRONG = word_set("wrong false incorrect")  # beside a yes or a no
_PRONOUNS = word_set("it that this they he she")
_AUXILIARIES = word_set("is are was were be do does did can could will would has have had seem seems appear appears")
# What may stand around an answer without being one.
FRAME = (
    ARTICLES
    | TURNS
    | word_set("""is are was were be been being does do did has have had can could it its he she they him her his their
    them this that these those there here in on at of to from with by for as and both also very so then image picture
    photo photograph scene answer side part appears appear seems seem looks look visible shown seen located positioned
    called named color kind type made wearing think believe i would say just only likely probably clearly""")
)
_AROUND = FRAME | word_set("final correct option choice letter result total = \u2192 \u2713 \u2714 \u2705 |")
_ZERO = word_set("none nothing nobody")
MAX_QUESTION_CHARACTERS = 4_000  # of a question that is read: some rules take more than linear time in it


def is_correct(answer: str | None, truth: str, question: str = "") -> bool:
    """Whether ``answer`` is the true one; a malformed completion (None) or an empty text never is.

    Args:
        question: its words may stand in the answer, too: "The cup is red." answers "What color is the cup?".

    >>> is_correct("A tennis racket.", "tennis rackets"), is_correct("not red but blue", "red")
    (True, False)
    >>> is_correct("No, there are not.", "no", "Are there cars?"), is_correct("is it not right, left?", "no")
    (True, False)
    >>> is_correct("B", "blue", "Which is it?\\nA. red\\nB. blue"), is_correct("5", "-5")
    (True, False)
    """
    if not answer or len(answer) > MAX_ANSWER_CHARACTERS:
        return False
    expected = _expected(truth, question[:MAX_QUESTION_CHARACTERS])
    if not expected.words:
        return False
    tokens = words(answer)
    if ("?" in tokens and "?" not in words(truth)) or (
        "<" in answer and find_special_token(answer) and not find_special_token(truth)
    ):
        return False
    if set(expected.tokens) <= set(tokens) and _stripped(tokens) == expected.tokens:
        return True  # whatever the truth holds that another answer may not: "no parking", "10:30"
    if expected.polarity is not None:
        return polarity(answer, question) == expected.polarity
    if expected.option is not None:
        return _takes(tokens, expected)
    return any(_asserted(wanted, tokens, expected) for wanted in expected.variants) or _is_compound(tokens, expected)


class _Expected(NamedTuple):
    """What follows from a true answer and its question, for any answer.

    Attributes:
        tokens: of the truth, without the marks around it. words: its phrase; empty where it cannot be matched.
        marks: of punctuation, within it.
        polarity: of a yes or a no, else None.
        options: that the question lists. option: the true one's number, None where it is none of them.
        variants: what an answer must hold: the phrase, or what is left of it where the question names its unit.
        question_words: words of the question, in order. rivals: words that it sets against the truth.
    """

    tokens: tuple[str, ...]
    words: tuple[str, ...]
    marks: dict[int, str]
    polarity: bool | None
    options: tuple[Option, ...]
    option: int | None
    variants: tuple[tuple[str, ...], ...]
    question_words: tuple[str, ...]
    rivals: frozenset[str]


@lru_cache(maxsize=512)
def _expected(truth: str, question: str) -> _Expected:
    question = without_format(question)
    wanted = tuple(phrase(truth)) if len(truth) <= MAX_ANSWER_CHARACTERS else ()
    is_polar = len(wanted) == 1 and wanted[0] in YES | NO
    options = listed_options(question)
    option = true_option(options, truth) if wanted else None
    question_words = tuple(word for word in words(question) if is_word(word))
    variants = [wanted]
    if len(wanted) > 1 and is_number(wanted[0]) and all(_named_unit(word, question_words) for word in wanted[1:]):
        variants.append(wanted[:1])
    if len(wanted) > 1 and wanted[0] == "number" and "number" in question_words:
        variants.append(wanted[1:])
    if wanted == ("0",) and question_words[:2] == ("how", "many"):
        variants += [(word,) for word in sorted(_ZERO)]
    if wanted in {(word,) for word in _ZERO} and question_words[:2] == ("how", "many"):
        variants.append(("0",))
    rivals = {rival for group in SIDES if set(group) & set(wanted) for rival in group} - set(wanted)
    rivals |= _offered(question, wanted)
    return _Expected(
        tokens=_stripped(words(truth)),
        words=wanted,
        marks=inner_marks(truth),
        polarity=wanted[0] in YES if is_polar else None,
        options=options,
        option=None if is_polar else option,
        variants=tuple(variants),
        question_words=question_words,
        rivals=frozenset(rivals),
    )


def _stripped(tokens: Sequence[str]) -> tuple[str, ...]:
    """Tokens without the marks of punctuation around them."""
    places = [i for i, token in enumerate(tokens) if is_word(token)]
    return tuple(tokens[places[0] : places[-1] + 1]) if places else ()


def is_number(word: str) -> bool:
    """Whether a word is a number in digits, as `words` writes all numbers."""
    return word.lstrip("+-")[:1].isdecimal()


def _named_unit(word: str, question_words: Sequence[str]) -> bool:
    return any(is_same_word(word, unit) for unit in UNITS) and any(
        is_same_word(word, other) for other in question_words
    )


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
    tokens = words(answer[:MAX_ANSWER_CHARACTERS])
    if not tokens or _HEDGES & set(tokens):
        return None
    said, denied = _existence(tokens, words(question[:MAX_QUESTION_CHARACTERS])), negated(tokens)
    for i, token in enumerate(tokens):
        if token not in YES | NO:
            continue
        after = tokens[i + 1] if i + 1 < len(tokens) else "."
        before = tokens[i - 1] if i else "."
        stands = token in YES or i == 0 or not is_word(after) or before in YES
        # "No, it is not" is a no, and "No is not the answer" is none.
        is_taken_back = denied_after(tokens, i + 1) and (token in YES or after in _AUXILIARIES)
        if before in _UNCERTAIN or (token in YES and denied[i]) or (stands and is_taken_back):
            return None
        if stands:
            said.add(token in YES)
    if said and _WRONG & set(tokens):
        return None
    if not said and len(tokens) - (tokens[-1] == ".") == 1:
        return {"true": True, "correct": True, "false": False, "incorrect": False}.get(tokens[0])
    return said.pop() if len(said) == 1 else None


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
    about = rest[:1] and rest[0] in _PRONOUNS
    if about:
        rest = rest[1:]
    verbs = next((i for i, token in enumerate(rest) if token not in _AUXILIARIES), len(rest))
    denial = rest[verbs : verbs + 1]
    if not (denial == ["cannot"] or (verbs and denial in (["not"], ["never"]))):
        return False
    behind = rest[verbs + 1 : verbs + 2]
    return not about or not behind or not is_word(behind[0])


def _takes(tokens: Sequence[str], expected: _Expected) -> bool:
    """Whether an answer takes the true option of a list and no other."""
    denied = negated(tokens)
    named = mentions(expected.options, tokens)
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
        or token in _AROUND
        or any(is_same_word(token, word) for word in stem)
        for i, token in enumerate(tokens)
    )


def _asserted(wanted: Sequence[str], tokens: Sequence[str], expected: _Expected) -> bool:
    denied = negated(tokens)
    places = occurrences(wanted, tokens, expected.marks)
    if wanted == ("a",):  # before a word it is an article
        places = [p for p in places if p.stop == len(tokens) or not is_word(tokens[p.stop]) or tokens[p.stop] == "is"]
    if not any(not any(denied[i] for i in place) for place in places) or any(denied[i] for p in places for i in p):
        return False
    if any(denied_after(tokens, place.stop) for place in places):
        return False
    if (_HEDGES | _INTERROGATIVES) & (set(tokens) - set(wanted)):
        return False
    inside = {i for place in places for i in place}
    for i, token in enumerate(tokens):
        if i in inside or not is_word(token) or denied[i]:
            continue
        if any(is_same_word(token, rival) for rival in expected.rivals) or _of_the_same_kind(
            tokens, i, wanted, expected.question_words
        ):
            return False
        is_hand = token == "hand" and i and tokens[i - 1] in ("left", "right")
        if (
            token not in _AROUND
            and not is_hand
            and not any(is_same_word(token, word) for word in expected.question_words)
        ):
            return False
    return True


def _of_the_same_kind(tokens: Sequence[str], i: int, wanted: Sequence[str], question_words: Sequence[str]) -> bool:
    """Whether a word is another colour or number beside the true one, and not the question's own mention of a thing.

    "The van next to the red car is blue" says "red car" as the question does; "3 of the 4 cups" counts once.
    """
    token = tokens[i]
    if set(wanted) & COLORS and token in COLORS:
        after = tokens[i + 1] if i + 1 < len(tokens) else ""
        return not any(one == token and is_same_word(other, after) for one, other in pairwise(question_words))
    if any(map(is_number, wanted)) and is_number(token):
        before = [word for word in tokens[:i] if word not in ARTICLES]
        return before[-1:] != ["of"]
    return False


def _is_compound(tokens: Sequence[str], expected: _Expected) -> bool:
    """Whether the same letters are written in one word or in several: "T-shirt" and "tshirt"."""
    said = [word for word in tokens if is_word(word) and word not in ARTICLES]
    letters = "".join(expected.words)
    return letters.isalpha() and len(letters) > 3 and len(said) != len(expected.words) and "".join(said) == letters


def _offered(question: str, wanted: Sequence[str]) -> set[str]:
    """The words that a question sets against the true ones: on both sides of its "or", and what commas add to them."""
    tokens = [token for token in words(question) if token not in ARTICLES]
    offered: set[str] = set()
    for i, token in enumerate(tokens):
        if token == "or":
            left, right = tokens[:i][::-1], tokens[i + 1 :]
            beside = {side[0] for side in (left, right) if side}
            # "in or on the box" offers in and on; "of wood or of metal" offers wood and metal.
            offered |= beside if beside <= FRAME else _nearest(left) | _nearest(right)
    return {word for word in offered if is_word(word) and not any(is_same_word(word, w) for w in wanted)}


def _nearest(tokens: Sequence[str]) -> set[str]:
    """The first word that is more than frame, and those that a list of commas puts beside it; else the first at all."""
    nearest: set[str] = set()
    wanting, passed = True, 0
    for token in tokens:
        if token == ",":
            wanting, passed = True, 0
        elif not is_word(token) or passed > 1:
            break
        elif wanting and token not in FRAME:
            nearest.add(token)
            wanting = False
        elif not wanting:
            passed += 1  # another word of the same item: "light brown, blue or ..."
    return nearest or set(tokens[:1])
