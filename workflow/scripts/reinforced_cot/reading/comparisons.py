"""What a sentence says about the two things that a question compares, in whatever order and words it says so.

"The cup is smaller than the plate" says that the plate is larger than the cup, and "the cat is to the right of the dog"
that the dog is to its left. The words of a sentence alone do not show that: the same words in another order say the
opposite. A sentence is read only where it names both things, or says which of the two is "the smaller one".
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from reinforced_cot.data.tokens import ARTICLES, is_word
from reinforced_cot.matching.options import listed_options
from reinforced_cot.matching.words import word_set, words
from reinforced_cot.reading.candidates import Candidate
from reinforced_cot.reading.cues import ASIDE
from reinforced_cot.reading.relations import BE, BEHIND_A_NOUN, Relation, agreement, relations, senses_of
from reinforced_cot.reading.sentences import Sentence, all_stems, base_forms, content_words
from reinforced_cot.reading.verdict import Verdict

_VERBS = BE | word_set("stands stand sits sit lies lie hangs hang")
_BREAKS = word_set(", ; : . ? ! but so and because since as while though although whereas -> = \u2192 or if")
_PRONOUNS = word_set("it he she they this that")
_OTHERS = _PRONOUNS | word_set("other others them him her")  # behind a "than": the other of the two
_ONES = word_set("1 ones")


class Comparison(NamedTuple):
    """What a question compares: ``first`` and ``second`` are stems that name either thing and not the other.

    Where the question calls the first "it" or "he", whatever is not the second is meant, and ``first`` is empty.

    Attributes:
        relation: of the first to the second that the question asks about, or that it names first.
        offers: what it lets choose: "things", "relations", or "" where it asks for a yes or a no.
    """

    first: frozenset[str]
    second: frozenset[str]
    relation: Relation
    offers: str


@lru_cache(maxsize=512)
def asked(question: str, is_polar: bool) -> Comparison | None:
    """What a question compares; None where it compares no two things that can be told apart by their names."""
    tokens = tuple(base_forms(words(ASIDE.sub("", question))))
    if ASIDE.match(question):  # "Do you think the man is older ...", "Do you see a dog to the left ..."
        verb = next((i for i, token in enumerate(tokens) if token in BE), len(tokens))
        tokens = ("is", *tokens[:verb], *tokens[verb + 1 :])
    found = relations(tokens)
    if not found:
        return None
    if is_polar:
        return _asked_whether(tokens, found[0])
    options = listed_options(question)
    if len(options) == 2 and len(found) == 1 and not found[0].has_object:
        return _named(options[0].text, options[1].text, found[0], "things")
    if tokens.count("or") != 1:
        return None
    place = tokens.index("or")
    offered = [r for r in found if r.place.stop <= place][-1:] + [r for r in found if r.place.start > place][:1]
    if len(offered) == 2 and agreement(*offered) == -1 and tokens[0] in BE and place in range(*_between(offered)):
        return _named(tokens[1 : offered[0].place.start], tokens[offered[1].place.stop :], offered[0], "relations")
    return _asked_which(tokens, found, place)


def _between(offered: Sequence[Relation]) -> tuple[int, int]:
    """The place of the "or" where it stands right between two relations."""
    start, stop = offered[0].place.stop, offered[1].place.start
    return (start, stop) if stop - start <= 2 else (0, 0)


def _asked_whether(tokens: Sequence[str], relation: Relation) -> Comparison | None:
    """ "Is the cup larger than the plate?"; not "Does the man to the left of the bus wear a hat?"."""
    start = relation.place.start
    is_predicate = tokens[0] in BE or tokens[max(0, start - 1)] in ("look", "seem", "appear", "be")
    if not relation.has_object or not is_predicate or "or" in tokens or start < 1:
        return None
    if tokens[start - 1] in BE and start > 1:
        return None  # "the people that are to the right of the man"
    behind = tokens[relation.place.stop :]
    if any(t.endswith("ing") and behind[i - 1] not in BE | ARTICLES for i, t in enumerate(behind) if i):
        return None  # "to the left of the woman wearing a hat"
    between = () if relation.is_place else tokens[start + 1 : relation.place.stop - 1]
    before = tokens[1:start]
    return _named(before if content_words(before) else between, behind, relation, "")


def _asked_which(tokens: Sequence[str], found: Sequence[Relation], place: int) -> Comparison | None:
    """ "Which is larger, the cup or the plate?", "Is the cup or the plate larger?"."""
    if len(found) != 1 or found[0].has_object:
        return None
    (relation,) = found
    start, stop = relation.place.start, relation.place.stop
    if relation.is_place and stop < len(tokens) and is_word(tokens[stop]):
        return None
    left, right = tokens[stop:place] if stop <= place else tokens[:place], tokens[place + 1 :]
    if start > place:
        right = tokens[place + 1 : start]
    marks = [i for i, token in enumerate(left) if token in (",", ":", "?") or token in BE]
    return _named(left[marks[-1] + 1 :] if marks else left, right, relation, "things")


def _named(first: Sequence[str], second: Sequence[str], relation: Relation, offers: str) -> Comparison | None:
    """A comparison of two things by their nouns, or by their other words where the noun is the same."""
    heads = [content_words(_head(thing)) for thing in (first, second)]
    if heads[1] and offers != "things" and not _PRONOUNS.isdisjoint(first) and not content_words(first):
        return Comparison(frozenset(), all_stems(heads[1][-1:]), relation, offers)
    if not all(heads):
        return None
    nouns = [head[-1] for head in heads]
    one, other = (all_stems([noun]) for noun in nouns)
    if not one.isdisjoint(other) or not _ONES.isdisjoint(nouns):  # "... than the one on the right"
        left, right = (
            all_stems(word for word in content_words(thing) if word not in nouns) for thing in (first, second)
        )
        one, other = left - right, right - left
    return Comparison(one, other, relation, offers) if one and other else None


def _head(thing: Sequence[str]) -> Sequence[str]:
    """The words up to a thing's noun: "the small dog" of "the small dog that is brown"."""
    start = next((i for i, token in enumerate(thing) if content_words([token])), len(thing))
    stop = next((i for i in range(start + 1, len(thing)) if thing[i] in BEHIND_A_NOUN), len(thing))
    return thing[:stop]


def reader(question: str, answered: bool | None, wanted: Candidate) -> Callable[[Sentence], Verdict | None] | None:
    """What reads a sentence's verdict on an answer; None where the question compares nothing.

    It gives None for a sentence that does not compare, and UNKNOWN for one whose comparison cannot be read.
    """
    compared = asked(question, answered is not None)
    if compared is None:
        return _reader_of_an_open_question(question, wanted) if answered is None else None
    if answered is None:
        end = _chosen(compared, wanted)
        if end == 0:
            return None
    else:
        end = 1 if answered else -1
    return lambda sentence: _read(sentence, compared, end)


def _chosen(compared: Comparison, wanted: Candidate) -> int:
    """1 for the answer that makes the comparison true, -1 for the other, 0 for any other answer."""
    if compared.offers == "relations":
        named = [senses for word in wanted.words if (senses := senses_of(word))]
        return agreement(compared.relation, Relation(range(0), named[0], False)) if len(named) == 1 else 0
    said = all_stems(wanted.words)
    is_first, is_second = not said.isdisjoint(compared.first), not said.isdisjoint(compared.second)
    return is_first - is_second


@lru_cache(maxsize=512)
def _asked_what(question: str) -> tuple[Relation, Sequence[str]] | None:
    """The relation of an open question, and the words of the thing behind it."""
    tokens = tuple(base_forms(words(question)))
    found = relations(tokens)
    if tokens[:1] not in (("what",), ("who",), ("which",)) or not found or not found[0].has_object or "or" in tokens:
        return None
    start, stop = found[0].place.start, found[0].place.stop
    if tokens[start - 1] not in BE or any(token in ARTICLES or token in BE for token in tokens[1 : start - 1]):
        return None
    return found[0], tokens[stop:]


def _reader_of_an_open_question(question: str, wanted: Candidate) -> Callable[[Sentence], Verdict | None] | None:
    """For "What is to the left of the cat?": the answer is the first thing."""
    asked_for = _asked_what(question)
    compared = asked_for and _named(wanted.words, asked_for[1], asked_for[0], "")
    return None if compared is None else lambda sentence: _read(sentence, compared, 1)


def _read(sentence: Sentence, compared: Comparison, end: int) -> Verdict | None:
    """The verdict of all comparisons in a sentence, which must agree, on the answer of this end."""
    found = [r for r in relations(sentence.tokens) if agreement(compared.relation, r)]
    if not found or sentence.is_question:
        return None
    if sentence.is_hedged or sentence.is_undecided:
        return Verdict.UNKNOWN
    values = {_value(sentence, r, compared) for r in found} - {None} or _value_of_two_places(sentence, found, compared)
    if len(values) != 1:
        named = [not sentence.stems.isdisjoint(stems) for stems in (compared.first, compared.second)]
        return Verdict.UNKNOWN if all(named) or values else None
    value = values.pop()
    if value == 0:
        return Verdict.UNKNOWN
    return Verdict.SUPPORT if value == end else Verdict.CONTRADICT


def _value(sentence: Sentence, relation: Relation, compared: Comparison) -> int | None:
    """1 where a comparison says what the question's does, -1 for the opposite, 0 for neither; None for other things."""
    order = _order(sentence.tokens, relation, compared)
    if order is None:
        return None
    value = order * agreement(compared.relation, relation)
    is_denied = sentence.denied[relation.place.start] or sentence.denied[relation.place.stop - 1]
    if compared.relation.is_equal:
        if relation.is_equal:
            return 1 if not is_denied else (-1 if value == 1 else 0)
        return -1 if value == -1 and not is_denied else 0
    if relation.is_equal:
        return -value if is_denied else (0 if compared.offers else -1)
    if is_denied:
        # What is not smaller may be as large.
        return -value if value == 1 or compared.offers else 0
    return value


def _value_of_two_places(sentence: Sentence, found: Sequence[Relation], compared: Comparison) -> set[int]:
    """The value of "the dog is on the left, the cat is on the right"."""
    values: dict[int, int] = {}
    for relation in found:
        start = relation.place.start
        subject = _names(sentence.tokens[_start(sentence.tokens, start) : start], compared)
        if relation.is_place and not relation.has_object and subject and not sentence.denied[start]:
            values[subject] = subject * agreement(compared.relation, relation)
    return set(values.values()) if len(values) == 2 else set()


def _order(tokens: Sequence[str], relation: Relation, compared: Comparison) -> int | None:
    """1 where a relation stands between the first and the second thing in this order, -1 for the other order."""
    start, stop = relation.place.start, relation.place.stop
    before, after = tokens[_start(tokens, start) : start], tokens[stop : _stop(tokens, stop)]
    if relation.has_object:
        if not relation.is_place:
            before = (*before, *tokens[start + 1 : stop - 1])
        verb = next((i for i, token in enumerate(after) if token in _VERBS), None)
        if not content_words(before) and not _PRONOUNS.intersection(before) and verb is not None:
            before, after = after[verb + 1 :], after[:verb]  # "To the left of the cat is a dog."
        one, other = _names(before, compared), _names(after, compared)
        if one == 0 and not content_words(before) and _PRONOUNS.intersection(before) and compared.offers != "things":
            one = 1 if other == -1 else 0
        if other == 0 and not relation.is_place and _OTHERS.intersection(after[:3]):
            other = -one
        return one if one and other == -one else None
    if relation.is_place:
        return None
    return _names(before, compared) or _names(after, compared) or None


def _names(tokens: Sequence[str], compared: Comparison) -> int:
    """1 where a text names the first thing alone, -1 for the second alone, else 0."""
    said = all_stems(tokens)
    is_second = not said.isdisjoint(compared.second)
    if not compared.first:
        return -1 if is_second else int(bool(content_words(tokens)))
    return (not said.isdisjoint(compared.first)) - is_second


def _start(tokens: Sequence[str], place: int) -> int:
    """Where the clause begins that ends at a place, with what comes before it if the clause has no subject."""
    for i in range(place, 0, -1):
        clause = tokens[i:place]
        if tokens[i - 1] in _BREAKS and (content_words(clause) or _PRONOUNS.intersection(clause)):
            return i
    return 0


def _stop(tokens: Sequence[str], place: int) -> int:
    return next((i for i in range(place, len(tokens)) if tokens[i] in _BREAKS), len(tokens))
