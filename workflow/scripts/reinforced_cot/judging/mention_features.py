"""What speaks for and against a chain's settling on an answer: features of the place where it names it last.

The weights of the features are fitted to labelled chains (`weights`).
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from reinforced_cot.data.tokens import ARTICLES, is_word
from reinforced_cot.matching.numbers import is_number
from reinforced_cot.matching.options import mentions
from reinforced_cot.matching.vocabulary import COLORS
from reinforced_cot.matching.words import NEGATORS, forms, occurrences, phrase, word_set
from reinforced_cot.reading.candidates import Candidate
from reinforced_cot.reading.cues import (
    CLAIMING,
    CONTRASTS,
    FIRST_THOUGHTS,
    HEDGES,
    LOOKALIKES,
    POINTING,
    SETTLING,
    phrases_in,
)
from reinforced_cot.reading.opposites import OPPOSITES
from reinforced_cot.reading.sentences import CLAUSE_BREAKS, Sentence, all_stems, base_forms, content_words, stems

_JOINERS = frozenset((",", ";", ":", ".", "but", "so", "and"))
_BEFORE_A_VALUE = word_set(
    "is are was were be : = -> \u2192 says reads shows show called named with of wears holds has have a an"
)
_ORDINALS = {"first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "1": 0, "2": 1, "3": 2, "4": 3, "5": 4}
ASSERTED, WEAK, LISTED, DENIED = "asserted", "weak", "listed", "denied"


class _Mention(NamedTuple):
    sentence: int
    place: range
    kind: str


def features(sentences: Sequence[Sentence], candidate: Candidate, bold: Sequence[str]) -> dict[str, float] | None:
    """Features of the last place where a chain asserts or weighs an answer; None where there is none.

    Args:
        bold: the chain's phrases in bold, in order.
    """
    last = _last(sentences, candidate)
    if last is None:
        return None
    number, place, kind = last
    if _is_in_series(sentences, number):
        return None
    sentence, later = sentences[number], sentences[number + 1 :]
    tokens = sentence.tokens
    before, after = tokens[: place.start], tokens[place.stop :]
    start = next((i for i in range(place.start, 0, -1) if tokens[i - 1] in CLAUSE_BREAKS), 0)
    stop = next((i for i in range(place.stop, len(tokens)) if tokens[i] in CLAUSE_BREAKS), len(tokens))
    clause_before, clause_after = tokens[start : place.start], tokens[place.stop : stop]
    previous = tokens[start - 1] if start else ""
    subject = content_words(clause_before)[:1]
    distance = len(sentences) - 1 - number
    topic = _topic(candidate.question_words)
    with_answer, without_answer = _best_matches(sentences, candidate, topic)
    stated_later = [s for s in later if not s.is_question]
    rivals_later = [s for s in stated_later if _names_rival(s, candidate)]
    last_bold = tuple(base_forms(phrase(bold[-1]))) if bold else ()
    names_bold = any(last_bold == variant for variant in candidate.variants) or (
        candidate.option is not None and last_bold[:1] == (candidate.options[candidate.option].label,)
    )
    said: dict[str, float | bool] = {
        "bias": True,
        "weighed": kind == WEAK,
        "second_last": distance == 1,
        "third_last": distance == 2,
        "early": distance > 2,
        "first": number == 0 and len(sentences) > 1,
        "cue_in_clause": bool(CLAIMING & phrases_in(clause_before)) or previous in ("so", "->", "=", "\u2192"),
        "settling_after": bool(SETTLING & phrases_in(after[:6])),
        "bare": len(sentence.content) <= 3,
        "pointed_at": bool(POINTING & phrases_in(clause_before[:4])),
        "predicate": bool(_BEFORE_A_VALUE.intersection(before[-3:])),
        "ends_sentence": not _is_new(content_words(after), candidate),
        "ends_clause": not _is_new(content_words(clause_after), candidate),
        "topic_in_clause": _share(topic, all_stems(tokens[start:stop])),
        "topic_with": with_answer,
        "topic_without": without_answer,
        "known_subject": bool(subject) and not _is_new(subject, candidate),
        "opposite": not _opposites(candidate).isdisjoint(tokens),
        "bold": names_bold,
        "other_bold": bool(last_bold) and not names_bold and not _names(candidate, last_bold),
        "rival_before": previous != "=" and _has_rival(tokens, sentence.denied, range(place.start), candidate),
        "rival_concluded": any(len(s.content) <= 3 or CLAIMING & s.phrases for s in rivals_later),
        "turn_after": bool(CONTRASTS.intersection(after)),
        "denial_after": any(sentence.denied[place.stop :]),
        "undecided_later": any(s.is_undecided for s in later),
        "retracted_later": any(s.retracts for s in later),
        "cue_later": any(CLAIMING & s.phrases for s in later),
        "claim_later": any(_claims(s, candidate) for s in later),
        "topic_claim_later": any(_share(topic, s.stems) >= 0.5 and _is_new(s.content, candidate) for s in stated_later),
        "question_later": any(s.is_question for s in later),
    }
    return {name: float(value) for name, value in said.items()}


def is_named(sentences: Sequence[Sentence], candidate: Candidate) -> bool:
    """Whether a chain names an answer at all."""
    return any(_names(candidate, sentence.tokens) for sentence in sentences)


def repeats_question(sentence: Sentence, candidate: Candidate) -> bool:
    """Whether a sentence holds all content words of the question, as "The color of the cup is red" does."""
    return _share(_topic(candidate.question_words), sentence.stems) == 1


def is_denied_last(sentences: Sequence[Sentence], candidate: Candidate) -> bool:
    """Whether the last sentence that names an answer denies it, and none behind it leaves the question open."""
    for number, sentence in reversed(list(enumerate(sentences))):
        places = _places(sentence, candidate)
        if places:
            is_denied_there = all(_kind(sentence, place, candidate) == DENIED for place in places)
            return is_denied_there and not any(s.is_undecided for s in sentences[number:])
    return False


def _places(sentence: Sentence, candidate: Candidate) -> list[range]:
    """Where a sentence names an answer, the last place first."""
    places = [place for variant in candidate.variants for place in places_of(variant, sentence.tokens)]
    return sorted(places, key=lambda place: -place.start)


@lru_cache(maxsize=1024)
def places_of(wanted: tuple[str, ...], tokens: tuple[str, ...]) -> Sequence[range]:
    """Where an answer stands; commas may part the items of a long one ("a jacket, gloves, and boots")."""
    marks = dict.fromkeys(range(1, len(wanted)), ",") if len(wanted) > 2 else {}
    places = occurrences(wanted, tokens, marks)
    if tuple(wanted) == ("a",):  # before a word it is an article
        places = [p for p in places if p.stop == len(tokens) or not is_word(tokens[p.stop]) or tokens[p.stop] == "is"]
    if not places and len(wanted) == 3 and wanted[1] == "and":  # "white and black"
        places = occurrences(wanted[::-1], tokens)
    if not places and len(wanted) == 1 and len(wanted[0]) > 5:  # "cell phone" for "cellphone"
        places = [range(i, i + 2) for i, pair in enumerate(pairwise(tokens)) if "".join(pair) == wanted[0]]
    if not places and len(wanted) == 2:
        places = [range(i, i + 1) for i, token in enumerate(tokens) if token == "".join(wanted)]
    return places


def _kind(sentence: Sentence, place: range, candidate: Candidate) -> str:
    """Whether a place asserts the answer, denies it, lists it among others, or weighs it."""
    tokens = sentence.tokens
    before = [token for token in tokens[max(0, place.start - 8) : place.start] if token not in ARTICLES]
    if is_denied(sentence, place) or before[-1:] in (["than"], ["beats"], ["unlike"]):
        return DENIED
    start = next((i for i in range(place.start, 0, -1) if tokens[i - 1] in _JOINERS), 0)
    weighs = (
        sentence.is_question
        or not HEDGES.isdisjoint(tokens[start : place.start])
        or not FIRST_THOUGHTS.isdisjoint(phrases_in(tokens[max(0, place.start - 8) : place.start]))
        or "would" in tokens[place.stop : place.stop + 2]
        or _is_counterfactual(sentence, place)
    )
    if is_listed(sentence, place, candidate):
        return LISTED
    return WEAK if weighs else ASSERTED


def is_denied(sentence: Sentence, place: range) -> bool:
    """Whether a phrase is denied from outside: "no parking" does not deny itself; "rattan imitation" denies rattan."""
    if LOOKALIKES.intersection(sentence.tokens[place.stop : place.stop + 1]):
        return True
    if not NEGATORS.isdisjoint(sentence.tokens[place.start : place.stop]):
        return place.start > 0 and sentence.denied[place.start - 1]
    return any(sentence.denied[i] for i in place)


def is_listed(sentence: Sentence, place: range, candidate: Candidate) -> bool:
    """Whether an answer is one of several that a sentence names without choosing: "red, blue or green", "red blue"."""
    tokens = sentence.tokens
    around = tokens[max(0, place.start - 4) : place.stop + 2]
    near = (*tokens[max(0, place.start - 6) : place.start], *tokens[place.stop : place.stop + 6])
    beside = {*tokens[max(0, place.start - 2) : place.start], *tokens[place.stop : place.stop + 2]} - {*candidate.words}
    same_kind = (candidate.is_color and len(beside & COLORS) > 1) or (
        candidate.is_number and sum(map(is_number, beside)) > 1 and not {"=", "+"} & {*near}
    )
    return "or" in around or "/" in around or sum(token in (",", "and") for token in near) >= 3 or same_kind


def _is_counterfactual(sentence: Sentence, place: range) -> bool:
    """Whether a place tells what would be: "Had it been longer, it would be 4"."""
    before = sentence.tokens[: place.start]
    return "would" in before[-3:] or before[:1] == ("had",) or ("would", "have") in phrases_in(before[-4:])


def _label_mentions(sentences: Sequence[Sentence], candidate: Candidate) -> list[_Mention]:
    """Where a chain takes an option by its letter or its place: "C it is", "the third option"."""
    if candidate.option is None:
        return []
    label = candidate.options[candidate.option].label
    taken: list[_Mention] = []
    for number, sentence in enumerate(sentences):
        tokens, denied = sentence.tokens, sentence.denied
        if sentence.is_question:
            continue
        for option, place in mentions(candidate.options, tokens):
            if (
                option == candidate.option
                and len(place) == 1
                and tokens[place.start] == label
                and not denied[place.start]
            ):
                taken.append(_Mention(number, place, _kind(sentence, place, candidate)))
        for i, token in enumerate(tokens[:-1]):
            if tokens[i + 1] in ("option", "choice", "answer") and _ORDINALS.get(token) == candidate.option:
                taken.append(_Mention(number, range(i, i + 2), ASSERTED))
    return taken


def _last(sentences: Sequence[Sentence], candidate: Candidate) -> _Mention | None:
    """The last place that asserts the answer, or else the last that weighs it: to list candidates settles nothing."""
    best = None
    for number, sentence in reversed(list(enumerate(sentences))):
        for place in _places(sentence, candidate):
            kind = _kind(sentence, place, candidate)
            if kind == ASSERTED or (kind == WEAK and best is None):
                best = _Mention(number, place, kind)
            if kind == ASSERTED:
                break
        if best is not None and best.kind == ASSERTED:
            break
    taken = [mention for mention in _label_mentions(sentences, candidate) if mention.kind == ASSERTED]
    if taken and (best is None or best.kind != ASSERTED or taken[-1].sentence >= best.sentence):
        return taken[-1]
    return best


def _is_in_series(sentences: Sequence[Sentence], number: int) -> bool:
    """Whether a sentence is one of three or more of a single word: "Red. Blue. Green."."""
    near = sentences[max(0, number - 2) : number + 3]
    return len(sentences[number].content) <= 1 and sum(len(s.content) <= 1 and not s.is_question for s in near) > 2


@lru_cache(maxsize=512)
def _topic(question_words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(content_words(question_words))


@lru_cache(maxsize=512)
def _share(topic: tuple[str, ...], said: frozenset[str]) -> float:
    """The share of the question's content words that stand in a text with these stems; "the answer" stands for all."""
    if "answer" in said:
        return 1.0
    return sum(not said.isdisjoint(stems(word)) for word in topic) / max(1, len(topic))


def _best_matches(sentences: Sequence[Sentence], candidate: Candidate, topic: tuple[str, ...]) -> tuple[float, float]:
    """The largest share of the question in a clause that names the answer, and in a clause that does not.

    In "the girl holds a kite, the boy holds a ball", the second clause answers what the boy holds.
    """
    best = {True: 0.0, False: 0.0}
    for sentence in sentences:
        if sentence.is_question:
            continue
        is_named = _names(candidate, sentence.tokens)
        for clause, said in sentence.clauses:
            named = is_named and _names(candidate, clause)
            best[named] = max(best[named], _share(topic, said))
    return best[True], best[False]


def _names(candidate: Candidate, tokens: tuple[str, ...]) -> bool:
    return any(places_of(variant, tokens) for variant in candidate.variants)


def _opposites(candidate: Candidate) -> set[str]:
    """What the question's words deny: a sentence on "the left one" is none on the right one."""
    known = {*candidate.question_words, *candidate.words}
    return {opposite for word in candidate.question_words for opposite in OPPOSITES.get(word, ())} - known


def _is_new(words: Iterable[str], candidate: Candidate) -> bool:
    """Whether any word stands neither in the question nor in the answer."""
    return any(candidate.known_forms.isdisjoint(forms(word)) for word in words)


def _claims(sentence: Sentence, candidate: Candidate) -> bool:
    """Whether a sentence states something new: "It is X", or a few words."""
    return (
        not sentence.is_question
        and (len(sentence.content) <= 3 or not POINTING.isdisjoint(sentence.phrases))
        and _is_new(sentence.content, candidate)
    )


def _has_rival(tokens: tuple[str, ...], denied: Sequence[bool], within: range, candidate: Candidate) -> bool:
    """Whether a part of a sentence asserts a rival of the answer: one that the question offers, or one of its kind."""
    known = {*candidate.question_words, *candidate.words}
    for i in within:
        token = tokens[i]
        if denied[i] or token in known:
            continue
        # A "one" is mostly a pronoun.
        if candidate.is_number and is_number(token) and token != "1":
            return True
        if candidate.is_color and token in COLORS:
            return True
    for rival in candidate.rivals:
        for place in places_of(rival, tokens):
            before = [token for token in tokens[max(0, place.start - 3) : place.start] if token not in ARTICLES]
            if place.start in within and not any(denied[i] for i in place) and before[-1:] not in (["than"], ["beats"]):
                return True
    return False


def _names_rival(sentence: Sentence, candidate: Candidate) -> bool:
    tokens, denied = sentence.tokens, sentence.denied
    return _has_rival(tokens, denied, range(len(tokens)), candidate) or any(
        option != candidate.option and not any(denied[i] for i in place)
        for option, place in mentions(candidate.options, tokens)
    )
