"""What speaks for a chain's concluding yes or no: features of the last sentences that bear on the question.

The weights of the features are fitted to labelled chains (`weights`). Signed features are 1 for yes, -1 for no.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from reinforced_cot.data.tokens import is_word
from reinforced_cot.matching.vocabulary import NO, YES
from reinforced_cot.matching.words import ENDS, word_set, words
from reinforced_cot.reading.cues import ASIDE, CLAIMING
from reinforced_cot.reading.opposites import OPPOSITES
from reinforced_cot.reading.sentences import FUNCTION_WORDS, Sentence, all_stems, base_forms, stems

_DENIALS = word_set(
    """not never neither nor without cannot no isnt arent nobody none nothing nowhere hardly barely fake false lack
    lacks lacking dont doesnt wasnt cant missing skips misses absent fails zero 0 didnt havent hasnt aint unlike noone
    free"""
)
_DENYING_PHRASES = frozenset((("anything", "but"), ("far", "from"), ("rather", "than"), ("instead", "of")))
_PRONOUNS = word_set("it they he she that this these those there here")
_SAMENESS = word_set("match matches equal equally identical alike")
_DIFFERENCE = word_set("different differ differs other except")
# Words of a question that nearly every chain repeats.
_GENERIC = word_set(
    """picture there any some anybody anyone somebody someone anything something people person thing see shown visible
    scene according you do does 1"""
)
_SEARCHING = word_set(
    "search searching check checking whether question asks asked task regarding examine examined decide"
)
# Words before a yes or a no that stands for the answer.
_BEFORE_AN_ANSWER = word_set(
    "is so therefore thus hence then a say with to = clear definite be \u2192 -> an that guess answer conclude settle"
)
_BEHIND_AN_ANSWER = word_set("as because since then for it there they he she")


class PolarEvidence(NamedTuple):
    """Features of a chain: ``signed`` change their sign with the answer, ``unsigned`` do not."""

    signed: dict[str, float]
    unsigned: dict[str, float]


_EXISTENCE = word_set("there see visible show shows contain contains")
_SEEING = word_set("see seen visible show shows shown spot find")


class Bearing(NamedTuple):
    """How a sentence bears on the question.

    Attributes:
        explicit: a yes or a no in it. covered: share of the question's words. about: whether it speaks of "it", "they".
        denies, denies_topic: a denial, and one of the question's words. opposite: it holds an opposite of one.
    """

    explicit: bool | None
    covered: float
    about: bool
    denies: bool
    denies_topic: bool
    denies_predicate: bool
    opposite: bool
    opposite_denied: bool
    undecided: bool  # it says that the question cannot be decided
    others: int  # content words that the question does not hold


@lru_cache(maxsize=8)  # a yes and a no are judged by the same features
def features(sentences: tuple[Sentence, ...], question: str) -> PolarEvidence:
    """The features of a chain on a yes/no question."""
    bearings = [bearing(sentence, question) for sentence in sentences]
    relevant = [number for number, pair in enumerate(zip(sentences, bearings, strict=True)) if _is_relevant(*pair)]
    signed: dict[str, float] = {}
    unsigned: dict[str, float] = {
        "undecided_end": float(any(found.undecided for found in bearings[-2:])),
    }
    if relevant:
        number = relevant[-1]
        sentence, own, later = sentences[number], bearings[number], sentences[number + 1 :]
        distance = len(later)
        sign, kind = _evidence(own)
        if kind:
            signed[kind] = sign
        claims = bool(CLAIMING & sentence.phrases)
        if own.explicit is not None:
            signed["explicit_last"] = sign * (distance == 0)
            signed["explicit_claimed"] = sign * claims
        elif own.others <= 1 and not own.denies and not own.opposite:
            signed["nothing_else"] = sign
        signed["claimed"] = sign * claims
        signed["last"] = sign * (distance == 0)
        signed["second_last"] = sign * (distance == 1)
        unsigned["hedged"] = float(sentence.is_hedged and not sentence.concludes)
        unsigned["undecided_later"] = float(any(found.undecided for found in bearings[number + 1 :]))
        unsigned["retracted_later"] = float(any(s.retracts for s in later))
        unsigned["hedged_later"] = float(any(s.is_hedged and not s.concludes for s in later))
        unsigned["off_topic"] = float(own.covered == 0 and own.explicit is None)
        end = sentences[-1].text.rstrip("\"')*_ \u201d")
        unsigned["breaks_off"] = float(end[-1:] not in (".", "!", "?") and len(sentences) > 2)
    return PolarEvidence(signed, unsigned)


class _Question(NamedTuple):
    tokens: tuple[str, ...]
    content: tuple[str, ...]
    asked: tuple[str, ...]
    opposites: frozenset[str]
    stems: frozenset[str]  # of the content

    @classmethod
    @lru_cache(maxsize=512)
    def of(cls, question: str) -> "_Question":
        tokens = tuple(base_forms(words(ASIDE.sub("", question))))
        content = tuple(t for t in tokens if is_word(t) and t not in FUNCTION_WORDS and t not in ENDS)
        asked = tuple(dict.fromkeys(word for word in content if word not in _GENERIC)) or content
        opposites = {opposite for token in tokens for opposite in OPPOSITES.get(token, ())}
        opposites |= _DIFFERENCE if "same" in tokens else set()
        return cls(tokens, content, asked, frozenset(opposites - set(tokens)), all_stems(content))


def bearing(sentence: Sentence, asked: str) -> Bearing:
    """How a sentence bears on a question."""
    question = _Question.of(asked)
    tokens, denied = sentence.tokens, sentence.denied
    covered = [word for word in question.asked if not sentence.stems.isdisjoint(stems(word))]
    about = not _PRONOUNS.isdisjoint(tokens[:4])
    share = len(covered) / max(1, len(question.asked))
    if about and len(question.asked) > 1 and question.asked[0] not in covered:
        share = len(covered) / (len(question.asked) - 1)  # the pronoun stands for what is asked about
    if "same" in question.tokens and not _SAMENESS.isdisjoint(tokens):
        share = max(share, 2 / 3)
    if _repeats(tokens, question.tokens) or not _SEARCHING.isdisjoint(tokens):
        # "So, is there a dog in the picture." and "I look for a dog" find none.
        covered, share = [], 0.0
    denied_tokens = [token for token, no in zip(tokens, denied, strict=True) if no]
    denied_stems = all_stems(denied_tokens)
    # Whether a thing exists is decided by not seeing it; whether a door is open is not.
    not_seen = not _EXISTENCE.isdisjoint(question.tokens) and not _SEEING.isdisjoint(tokens)
    return Bearing(
        explicit=None if sentence.is_question else explicit_answer(tokens),
        covered=share,
        about=about,
        denies=_denies(sentence, question),
        denies_topic=any(not denied_stems.isdisjoint(stems(word)) for word in question.asked),
        denies_predicate=any(not denied_stems.isdisjoint(stems(word)) for word in question.asked[-1:]),
        opposite=not question.opposites.isdisjoint(tokens) or _is_swapped(tokens, question),
        opposite_denied=not question.opposites.isdisjoint(denied_tokens),
        undecided=not (not_seen and share > 0) and sentence.is_undecided,
        others=sum(question.stems.isdisjoint(stems(word)) for word in sentence.content),
    )


def _repeats(tokens: Sequence[str], question: Sequence[str]) -> bool:
    """Whether a sentence holds the whole question, word for word."""
    asked = tuple(token for token in question if is_word(token))
    said = tuple(token for token in tokens if is_word(token))
    return len(asked) > 2 and any(said[i : i + len(asked)] == asked for i in range(len(said) - len(asked) + 1))


def _is_relevant(sentence: Sentence, bearing: Bearing) -> bool:
    if sentence.is_question:
        return False
    denies = bearing.denies and (bearing.covered > 0 or bearing.about or sentence.concludes)
    return bearing.explicit is not None or bearing.covered >= 1 / 3 or bearing.opposite or denies


def _evidence(bearing: Bearing) -> tuple[float, str]:
    """1 for yes or -1 for no, and the kind of evidence; "" for kinds that weigh no more than their place does."""
    if bearing.explicit is not None:
        return (1.0 if bearing.explicit else -1.0), ""
    if bearing.opposite:
        is_denied = bearing.denies and (bearing.denies_topic or bearing.opposite_denied)
        return (1.0, "") if is_denied else (-1.0, "opposite")
    if bearing.denies:
        return -1.0, "denies_predicate" if bearing.denies_predicate else ""
    if bearing.covered >= 0.99:
        return 1.0, "states_all"
    return 1.0, "states_most" if bearing.covered >= 0.6 else ""


def explicit_answer(tokens: Sequence[str]) -> bool | None:
    """A yes or a no that stands for the answer: at a beginning, or behind "so", "is", "answer" or a mark.

    >>> explicit_answer(("so", "no", ",", "it", "is", "red")), explicit_answer(("no", "man", "is", "here"))
    (False, None)
    """
    answers: set[bool] = set()
    for i, token in enumerate(tokens):
        if token not in YES | NO:
            continue
        before, after = tokens[max(0, i - 12) : i], tokens[i + 1] if i + 1 < len(tokens) else "."
        stands = not before or "answer" in before or before[-1] in _BEFORE_AN_ANSWER or not is_word(before[-1])
        if stands and (not is_word(after) or token in YES or after in _BEHIND_AN_ANSWER):
            answers.add(token in YES)
    return answers.pop() if len(answers) == 1 else None


def _denies(sentence: Sentence, question: _Question) -> bool:
    tokens = sentence.tokens
    for i, token in enumerate(tokens):
        if token in _DENIALS and token not in question.content:
            alone = (not i or not is_word(tokens[i - 1])) and (i + 1 == len(tokens) or not is_word(tokens[i + 1]))
            if (token == "no" and alone) or (token == "without" and "doubt" in tokens):
                continue  # an answer, no denial; "without doubt"
            return True
    return not _DENYING_PHRASES.isdisjoint(sentence.phrases) or ("empty" in tokens and "empty" not in question.tokens)


def _is_swapped(tokens: Sequence[str], question: _Question) -> bool:
    """Whether a comparison stands the other way round: "more men than women" for "more women than men"."""
    if "than" not in question.tokens or "than" not in tokens:
        return False
    asked, said = question.tokens.index("than"), list(tokens).index("than")
    left = [word for word in question.tokens[:asked] if word in question.content]
    right = [word for word in question.tokens[asked:] if word in question.content]
    before, after = all_stems(tokens[:said]), all_stems(tokens[said:])
    return not all_stems(left).isdisjoint(after) and not all_stems(right).isdisjoint(before)
