"""What beside a true answer makes another answer of it: rivals that the question offers, or that the answer lists."""

from collections.abc import Collection, Sequence
from itertools import pairwise

import regex

from reinforced_cot.data.tokens import ARTICLES, is_word
from reinforced_cot.matching.numbers import is_number
from reinforced_cot.matching.vocabulary import AROUND, AUXILIARIES, COLORS, FRAME, NO, PRONOUNS, SIDES, YES
from reinforced_cot.matching.words import is_same_word, negated, word_set, words

_ONE_OF_A_KIND = COLORS.union(*SIDES)
_IN_SENTENCES = AUXILIARIES | PRONOUNS
_IN_NO_ITEM = AROUND - ARTICLES
_LETTER = regex.compile(r"[a-z][^\w\s]?")
_CAPITALS = regex.compile(
    r"(?<![^\W_])[AI](?![^\W_])[\W_]*(?=[A-Z](?![^\W_]))"
)  # before a letter, no article is a capital: "A B", "(A) (B)"
_PLACES = (
    *(("next", "to"), ("in", "front", "of"), ("left", "of"), ("right", "of"), ("on", "top", "of"), ("behind",)),
    *(("beside",), ("near",), ("above",), ("below",), ("under",), ("underneath",), ("beneath",)),
)
_BETWEEN = (AROUND - ARTICLES).union(*_PLACES)  # these make a phrase of the two: "the cat next to the dog"
_GROUNDS = word_set("because therefore thus hence")
_WRITERS, _WRITING = word_set("i we d can"), word_set("see count choose pick select read d can")
_READING = word_set("says reads")
# Behind an "a", these show that it is a letter and no article.
_BEHIND_LETTER = word_set("and or nor then to with from by for in on at of is are was were as both also but plus")
# What shows that words before a yes or a no are a sentence or a phrase of place, and no answer.
_LINKS = FRAME - ARTICLES - word_set("and both also so very then color kind type image picture photo side part answer")
_ASSENT = word_set(
    """well oh ah hm hmm um ok sure absolutely indeed correct true right course therefore thus hence because since first
    now please sorry hello hi without doubt"""
)


def of_the_same_kind(tokens: Sequence[str], i: int, wanted: Sequence[str], question_words: Sequence[str]) -> bool:
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


def offered(question: str, wanted: Sequence[str]) -> set[str]:
    """The words that a question sets against the true ones: on both sides of its "or", and what commas add to them."""
    tokens = [token for token in words(question) if token not in ARTICLES]
    offered: set[str] = set()
    for i, token in enumerate(tokens):
        if token == "or":
            left, right = tokens[:i][::-1], tokens[i + 1 :]
            beside = {side[0] for side in (left, right) if side}
            # "in or on the box" offers in and on; "of wood or of metal" offers wood and metal.
            if beside <= FRAME:
                offered |= beside
                continue
            for side in (left, right):
                # In "is the sign visible or hidden", the true one is a word of the frame: the sign is none.
                if not (side and side[0] in FRAME and side[0] in wanted):
                    offered |= _nearest(side)
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


def is_letter(word: str) -> bool:
    """Whether a word is a single letter, perhaps with a sign, such as the grade B+."""
    return _LETTER.fullmatch(word) is not None


def names_other_letter(answer: str, tokens: Sequence[str], letter: str) -> bool:
    """Whether an answer names another letter than the true one: "A, B" for B. A "B" before a word may be a part of it.

    Args:
        answer: as it was written: only there, "a B" and "A B" differ.
    """
    has_capitals = _CAPITALS.search(answer) is not None
    denied = negated(tokens)
    for i, token in enumerate(tokens):
        if token == letter or denied[i] or not is_letter(token):
            continue
        after = tokens[i + 1] if i + 1 < len(tokens) else "."
        is_beside_letter = is_letter(after) and (has_capitals or token not in ("a", "i"))
        if not after[0].isalnum() or after in _BEHIND_LETTER or is_beside_letter:
            return True
    return False


def lists_rival(
    tokens: Sequence[str],
    inside: Collection[int],
    denied: Sequence[bool],
    wanted: Sequence[str],
    question_words: Sequence[str],
) -> bool:
    """Whether an answer is a list that names a thing of the question beside the true one: "dog, cat" for cat.

    A sentence is no list, nor is what stands around a colour, a number or a side: "cup, left" names the cup's side.

    Args:
        inside: the places of the true answer.
    """
    if not any(map(_separates, tokens[:-1])) or not _ONE_OF_A_KIND.isdisjoint(wanted) or any(map(is_number, wanted)):
        return False
    if not _IN_SENTENCES.isdisjoint(tokens):
        return False
    items: list[list[int]] = [[]]
    for i, token in enumerate(tokens):
        if i not in inside and _separates(token):
            items.append([])
        else:
            items[-1].append(i)
    return any(
        item
        and not any(i in inside or denied[i] or tokens[i] in _IN_NO_ITEM for i in item)
        and any(tokens[i] not in ARTICLES for i in item)
        and all(tokens[i] in ARTICLES or any(is_same_word(tokens[i], w) for w in question_words) for i in item)
        for item in items
    )


def reference(question_words: Sequence[str]) -> frozenset[str]:
    """The things by which a question tells a place: "dog" of "What is next to the dog?"; nothing of other questions."""
    verb = next((i for i, word in enumerate(question_words) if word in AUXILIARIES), len(question_words))
    behind = question_words[verb + 1 :]
    for place in _PLACES:
        for i in range(len(behind) - len(place)):
            if tuple(behind[i : i + len(place)]) == place and FRAME.issuperset(behind[:i]):
                return frozenset(word for word in behind[i + len(place) :] if word not in FRAME)
    return frozenset()


def adds_reference(
    tokens: Sequence[str], inside: Collection[int], wanted: Sequence[str], things: Collection[str]
) -> bool:
    """Whether an answer without a verb or a preposition adds a thing of the question to the true one: "dog cat"."""
    others = [token for i, token in enumerate(tokens) if i not in inside and is_word(token)]
    return (
        _ONE_OF_A_KIND.isdisjoint(wanted)
        and _BETWEEN.isdisjoint(others)
        and any(is_same_word(token, thing) for token in others for thing in things)
    )


def is_said_by_writer(tokens: Sequence[str], i: int) -> bool:
    """Whether a word belongs to "I see", "I choose", "it says", "because" and the like, around an answer."""
    if tokens[i] in _GROUNDS:
        return True
    before = tokens[i - 1] if i else ""
    if tokens[i] in _WRITERS and not _WRITING.isdisjoint(tokens[i + 1 : i + 2]):
        return True
    return (tokens[i] in _WRITING and before in _WRITERS) or (tokens[i] in _READING and i > 0)


def _separates(token: str) -> bool:
    """Whether a token parts the items of a list: a mark or a symbol, but for a sign of equality, or "and"."""
    return token == "and" or not (token[0].isalnum() or token in (":", "=") or is_number(token))


def answers_before(tokens: Sequence[str]) -> bool:
    """Whether another answer stands before the first yes or no: "blue, yes" and "dog yes", but not "It is blue, yes".

    What stands before a colon is a heading, and a number before a full stop counts the answers.
    """
    first = next((i for i, token in enumerate(tokens) if token in YES or token in NO), 0)
    clause: list[str] = []
    for token in tokens[:first]:
        if is_word(token):
            clause.append(token)
            continue
        is_counted = token == "." and len(clause) == 1 and is_number(clause[0])
        if token != ":" and not is_counted and _is_bare(clause):
            return True
        clause = []
    return _is_bare(clause)


def _is_bare(clause: Sequence[str]) -> bool:
    """Whether words are a phrase without a verb or a preposition, and more than agreement."""
    said = [word for word in clause if word[0].isalnum()]
    return _LINKS.isdisjoint(said) and not all(
        word in AROUND or word in _ASSENT or word.endswith("ly") for word in said
    )
