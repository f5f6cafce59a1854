"""The verdict on a chain of thought in free words, from features of its last sentences and fitted weights."""

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from itertools import islice
from math import exp

from reinforced_cot.data.tokens import is_word
from reinforced_cot.judging import mention_features, polar_features
from reinforced_cot.judging.weights import MENTION, POLAR_SIGNED, POLAR_UNSIGNED
from reinforced_cot.matching.numbers import is_number
from reinforced_cot.matching.vocabulary import COLORS
from reinforced_cot.matching.words import new_words, words
from reinforced_cot.reading.candidates import Candidate, another, rivals_of
from reinforced_cot.reading.sentences import Sentence
from reinforced_cot.reading.verdict import Verdict

# Probabilities. A contradiction costs a policy its reward, right or wrong, so that it must be surer: most of all where
# the other answer is none that the question offers, since it may name the same thing in other words.
SUPPORTED, CONTRADICTED, UNOFFERED, UNLIKELY = 0.5, 0.75, 0.9, 0.15
MAX_OTHERS = 12


def judge_polar(read: tuple[Sentence, ...], answered: bool, question: str) -> Verdict:
    """The verdict on a yes (``answered`` is True) or a no."""
    evidence = polar_features.features(read, question)
    if polar_probability(evidence, answered) >= SUPPORTED:
        return Verdict.SUPPORT
    return Verdict.CONTRADICT if polar_probability(evidence, not answered) >= CONTRADICTED else Verdict.UNKNOWN


def polar_probability(evidence: polar_features.PolarEvidence, answered: bool) -> float:
    """The probability that a chain concludes a yes (``answered`` is True) or a no."""
    sign = 1 if answered else -1
    score = sign * _weighted({**evidence.signed, "yes": 1.0}, POLAR_SIGNED)
    return _probability(score + _weighted({**evidence.unsigned, "bias": 1.0}, POLAR_UNSIGNED))


def judge_mentions(read: Sequence[Sentence], wanted: Candidate, bold: Sequence[str], is_named: bool = False) -> Verdict:
    """The verdict on any other answer.

    Args:
        bold: the chain's phrases in bold. is_named: whether the chain names the answer outside of these sentences.
    """
    own = mention_probability(read, wanted, bold)
    if own >= SUPPORTED:
        return Verdict.SUPPORT
    if any(mention_probability(read, rival, bold) >= CONTRADICTED for rival in rivals_of(wanted)):
        return Verdict.CONTRADICT
    if own > UNLIKELY:
        return Verdict.UNKNOWN
    others = [] if wanted.rivals else _others(read, wanted, is_named)
    if any(mention_probability(read, other, bold) >= UNOFFERED for other in others):
        return Verdict.CONTRADICT
    return Verdict.CONTRADICT if mention_features.is_denied_last(read, wanted) else Verdict.UNKNOWN


def _others(read: Sequence[Sentence], wanted: Candidate, is_named: bool) -> list[Candidate]:
    """What the last two sentences may settle on instead: their words that neither question nor answer holds.

    Nothing where they leave the question open, hedge, or break off. Nothing, either, where the chain may name the
    answer in other words: it never uses the answer's own, and its last sentence does not repeat the whole question.
    Words that begin as the answer does are left out, too ("sun glasses", "hippopotamus").
    """
    last = read[-2:]
    breaks_off = len(read) > 2 and not read[-1].text.rstrip("\"')*_ \u201d").endswith((".", "!"))
    if breaks_off or any(sentence.is_undecided or sentence.is_hedged or sentence.is_question for sentence in last):
        return []
    is_named = is_named or wanted.is_color or wanted.is_number or mention_features.is_named(read, wanted)
    if not is_named and not mention_features.repeats_question(read[-1], wanted):
        return []
    known = (*wanted.question_words, *wanted.words)
    said = dict.fromkeys(word for sentence in last for word in new_words(sentence.content, known))
    beginnings = {word[:3] for word in wanted.words}
    others = (word for word in said if word[:3] not in beginnings and _is_of_kind(word, wanted))
    return [another(wanted, word) for word in islice(others, MAX_OTHERS)]


def _is_of_kind(word: str, wanted: Candidate) -> bool:
    """Whether a word may stand in an answer's place: only a colour for a colour, only a number for a number."""
    if wanted.is_color or wanted.is_number:
        return (wanted.is_color and word in COLORS) or (wanted.is_number and is_number(word))
    return True


def mention_probability(read: Sequence[Sentence], wanted: Candidate, bold: Sequence[str]) -> float:
    """The probability that a chain settles on an answer; 0 where it never names it."""
    said = mention_features.features(read, wanted, bold)
    return 0.0 if said is None else _probability(_weighted(said, MENTION))


def _weighted(values: Mapping[str, float], weights: Mapping[str, float]) -> float:
    return sum(weights.get(name, 0.0) * value for name, value in values.items())


def _probability(score: float) -> float:
    return 1 / (1 + exp(-score)) if score > -500 else 0.0


def without_question(read: Sequence[Sentence], question: str, wanted: Candidate) -> Sequence[Sentence]:
    """Sentences without the question's own words behind the choice that it offers.

    In "the van is to the left of the car on the right", the second side belongs to the question.
    """
    if not wanted.rivals or wanted.option is not None:
        return read
    choices = [*wanted.words, *(word for rival in wanted.rivals for word in rival)]
    return [Sentence(s.text, tuple(_without_question_tail(s.tokens, question, choices))) for s in read]


def _without_question_tail(tokens: Sequence[str], question: str, choices: Sequence[str]) -> list[str]:
    """A sentence without a repetition of the question's words after the choice: "... of the man on the right"."""
    question_words = [token for token in words(question) if is_word(token)]
    named = [i for i, token in enumerate(question_words) if token in choices]
    last = max((i for i in named if "or" in question_words[:i]), default=len(question_words))
    # The choice named last may be part of the description ("of the man on the right"): the one next to "or" counts.
    beside = [i for i in named if "or" in question_words[max(0, i - 5) : i]]
    tail = question_words[(beside[0] if beside else last) + 1 :]
    match = SequenceMatcher(None, tail, list(tokens), autojunk=False).find_longest_match()
    if match.size < 3 or match.a + match.size != len(tail):
        return list(tokens)
    return [*tokens[: match.b], *tokens[match.b + match.size :]]
