"""Sentences without the numbers and colours that are no answer: parts of a sum, and what belongs to other things."""

from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import pairwise

from reinforced_cot.data.tokens import is_word
from reinforced_cot.matching.numbers import is_number
from reinforced_cot.matching.vocabulary import COLORS
from reinforced_cot.matching.words import word_set
from reinforced_cot.reading.candidates import Candidate
from reinforced_cot.reading.sentences import FUNCTION_WORDS, Sentence, all_stems, content_words

# What a total stands behind, within a few words, and what stands behind it.
_BEFORE_A_TOTAL = (
    *(("equals",), ("make",), ("makes",), ("making",), ("give",), ("gives",), ("giving",), ("total", "of")),
    *(
        ("leaves",),
        ("leave",),
        ("leaving",),
        ("left", "with"),
        ("totals",),
        ("totaling",),
        ("up", "to"),
        ("comes", "to"),
    ),
    *(("so",), ("therefore",), ("thus",), ("hence",), ("sum", "of"), ("sum", "is"), ("total", "is"), ("result", "is")),
)
_BEHIND_A_TOTAL = (("in", "total"), ("altogether",), ("in", "all"), ("all", "together"), ("overall",), ("all", "told"))
_LEFT_OVER = (("remain",), ("remains",), ("remaining",), ("are", "left"), ("is", "left"))
_PREPOSITIONS = word_set("under above below behind beside near between around inside outside over next across along")
_LINKS, _BE = word_set("on in by at of"), word_set("is are was were looks appears seems")
_OPERATORS = word_set("plus minus times cdot + - *")
_SIDES = word_set("left right")
_ZERO = word_set("no any")
_REACH = 5  # words between a total's cue and the total
_PARTING = frozenset((",", ";", "and", "while", "whereas", "but"))
_FULL, _PART = 2, 1  # a number's noun weighs more than any other word of the question


def without_other_things(read: Sequence[Sentence], wanted: Candidate) -> Sequence[Sentence]:
    """Sentences without the numbers (for a number) or colours (for a colour) that do not answer the question.

    What a later sentence adds to other numbers is no total where it stands alone, either: "4 things. 4 - 1 = 3 keys."
    """
    if wanted.is_number:
        read = [_with_zero(sentence, wanted.question_words) for sentence in read]
        return _without_other_numbers(read, next(filter(is_number, wanted.words)), wanted.question_words)
    if "color" in wanted.question_words and len(COLORS.intersection(wanted.words)) == 1:
        return [_without(sentence, other_colors(sentence.tokens, wanted.question_words)) for sentence in read]
    if not _SIDES.isdisjoint(wanted.words) and (head := all_stems(_thing(wanted.question_words))):
        return [_without(sentence, _other_sides(sentence.tokens, head)) for sentence in read]
    return read


def _other_sides(tokens: tuple[str, ...], head: frozenset[str]) -> frozenset[int]:
    """The places of sides of other things: of the sofa in "the lamp is on the left, the sofa on the right"."""
    places = [i for i, token in enumerate(tokens) if token in _SIDES]
    return _of_others(tokens, places, head, frozenset()) if len(places) > 1 else frozenset()


def _with_zero(sentence: Sentence, question_words: tuple[str, ...]) -> Sentence:
    """ "There are no dogs" as "there are 0 dogs", where dogs are counted; "not any dogs", too."""
    asked, tokens = _counted(question_words), sentence.tokens
    if not asked or _ZERO.isdisjoint(tokens):
        return sentence
    for i in range(len(tokens) - 1):
        if asked.isdisjoint(all_stems(tokens[i + 1 : i + 2])):
            continue
        if tokens[i] == "no":
            return Sentence(sentence.text, (*tokens[:i], "0", *tokens[i + 1 :]))
        if tokens[i] == "any" and "not" in tokens[:i]:
            return Sentence(sentence.text, (*(t for t in tokens[:i] if t != "not"), "0", *tokens[i + 1 :]))
    return sentence


def _without_other_numbers(
    read: Sequence[Sentence], number: str, question_words: tuple[str, ...]
) -> Sequence[Sentence]:
    """Sentences without a number where it is no answer, and the last one without the others where it is the one."""
    result: list[Sentence] = []
    is_added, is_last = False, True
    fitting = [fits(sentence.tokens, question_words) for sentence in read]
    is_counted = any(fit >= _FULL for found in fitting for fit in found.values())
    for sentence, found in zip(reversed(read), reversed(fitting), strict=True):
        tokens = sentence.tokens
        places = {i for i, token in enumerate(tokens) if is_number(token)}
        own = {i for i in places if tokens[i] == number}
        if (place := total(tokens)) is not None:
            others = (places - own if is_last else set()) if place in own else own
            is_added = is_added or (bool(own) and place not in own)
        else:
            best = max(found.values(), default=0)
            others = {i for i, fit in found.items() if fit < best >= _FULL or (is_counted and not fit)}
            others = (others - own if is_last else set()) if own - others else others & own
        is_last = is_last and not places
        result.append(_without(sentence, others | own if is_added else others))
    return result[::-1]


def _without(sentence: Sentence, places: Collection[int]) -> Sentence:
    if not places:
        return sentence
    return Sentence(sentence.text, tuple(token for i, token in enumerate(sentence.tokens) if i not in places))


@lru_cache(maxsize=1024)
def total(tokens: tuple[str, ...]) -> int | None:
    """The place of the number in which a sentence's other numbers result; None where there is none, or one number.

    >>> total(("4", "and", "2", ",", "6", "in", "total")), total(("4", "cups", "and", "2", "plates"))
    (4, None)
    """
    places = [i for i, token in enumerate(tokens) if is_number(token)]
    if len(places) < 2:
        return None
    for i in reversed(places):
        behind = _run(tokens, i + 1, 1)
        if any(_begins(behind, cue) for cue in _BEHIND_A_TOTAL) or (
            i > places[0] and any(_begins(behind, cue) for cue in _LEFT_OVER)
        ):
            return i
    results = [i for i in places if _OPERATORS.isdisjoint(tokens[i + 1 : i + 2]) and tokens[i + 1 : i + 2] != ("=",)]
    for i in reversed(results):
        before = _run(tokens, i - 1, -1)[::-1]
        is_result = tokens[i - 1] == "=" and not _OPERATORS.isdisjoint(tokens[:i])
        if (is_result or any(_ends(before, cue) for cue in _BEFORE_A_TOTAL)) and (
            i > places[0] or _ends(before, ("total", "of"))
        ):
            return i
    last = places[-1]
    is_sum = any(tokens[i - 1] in _OPERATORS or tokens[i][0] in "+-" for i in places[1:])  # "minus 1" is "-1"
    return last if is_sum and tokens[last - 1] == "is" else None


def _run(tokens: Sequence[str], place: int, step: int) -> list[str]:
    """The words from a place on, up to a mark or another number, in one direction."""
    run: list[str] = []
    while 0 <= place < len(tokens) and len(run) < _REACH and is_word(tokens[place]) and not is_number(tokens[place]):
        run.append(tokens[place])
        place += step
    return run


def _begins(run: Sequence[str], cue: tuple[str, ...]) -> bool:
    """Whether a cue stands in a run behind no more than two other words ("6 cups in total")."""
    return any(tuple(run[i : i + len(cue)]) == cue for i in range(3))


def _ends(run: Sequence[str], cue: tuple[str, ...]) -> bool:
    return any(tuple(run[i : i + len(cue)]) == cue for i in range(len(run)))


@lru_cache(maxsize=1024)
def fits(tokens: tuple[str, ...], question_words: tuple[str, ...]) -> dict[int, int]:
    """How well each number of a sentence fits what the question counts, by its place; nothing where it counts nothing.

    >>> fits(("3", "cats", "and", "2", "dogs"), ("how", "many", "dogs", "are", "there"))
    {0: 0, 3: 3}
    """
    places = [i for i, token in enumerate(tokens) if is_number(token)]
    asked = _counted(question_words)
    if not places or not asked:
        return {}
    ends = [*places[1:], len(tokens)]
    return {i: _fit(tokens[i + 1 : end], asked, question_words) for i, end in zip(places, ends, strict=True)}


@lru_cache(maxsize=512)
def _counted(question_words: tuple[str, ...]) -> frozenset[str]:
    """The stems of the nouns that a question counts: "animals" and "kinds" of "how many kinds of animals are there"."""
    if question_words[:2] != ("how", "many"):
        return frozenset()
    end = next((i for i in range(2, len(question_words)) if question_words[i] in _VERBS), None)
    if end is None:  # "How many keys hang on the board": no telling where the noun ends
        return all_stems(content_words(question_words[2:]))
    nouns = {end - 1, *(i - 1 for i in range(3, end) if question_words[i] == "of")}
    return all_stems(question_words[i] for i in nouns)


_VERBS = word_set("is are was were do does did can could have has")


def _fit(behind: Sequence[str], asked: frozenset[str], question_words: tuple[str, ...]) -> int:
    """How well the words behind a number fit what is counted, by its noun and by the question's other words."""
    noun: list[str] = []
    for token in behind:
        is_noun = is_word(token) and token not in FUNCTION_WORDS | _PREPOSITIONS and not token.endswith("ing")
        if not is_noun or len(noun) == 3:
            break
        noun.append(token)
    clause = all_stems(behind[: next((i for i, token in enumerate(behind) if not is_word(token)), len(behind))])
    others = _PART * sum(not all_stems([word]).isdisjoint(clause) for word in content_words(question_words))
    if not noun or noun[-1] in ("ones", "1"):
        return _FULL + 1 + others  # "two are standing": of what was named before
    return (_FULL if not all_stems(noun).isdisjoint(asked) else 0) + others


def _parts(tokens: Sequence[str], marks: Sequence[int]) -> list[tuple[range, bool]]:
    """The parts of a sentence between marks, and whether each says something of the sentence's subject.

    In "the bag next to the green chair is brown", the verb parts the chair from what is said of the bag.
    """
    parts: list[tuple[range, bool]] = []
    for start, stop in pairwise(marks):
        is_adjunct = start >= 0 and tokens[start] not in _PARTING
        verb = next((i for i in range(start + 1, stop) if tokens[i] in _BE), None) if is_adjunct else None
        if verb is None:
            parts.append((range(start + 1, stop), False))
        else:
            parts += [(range(start + 1, verb), False), (range(verb, stop), True)]
    return parts


@lru_cache(maxsize=1024)
def other_colors(tokens: tuple[str, ...], question_words: tuple[str, ...]) -> frozenset[int]:
    """The places of another thing's colours, in a sentence that gives the colour of what is asked about, too.

    >>> sorted(other_colors(("a", "black", "cat", "and", "a", "white", "dog"), ("what", "color", "is", "the", "dog")))
    [1]
    """
    places = [i for i, token in enumerate(tokens) if token in COLORS]
    if len(places) < 2:
        return frozenset()
    head = all_stems(_thing(question_words))
    behind = {i: all_stems(content_words(tokens[i + 1 : i + 2])) for i in places}
    repeated_pairs = set(pairwise(question_words))
    repeated = {i for i in places if tokens[i : i + 2] in repeated_pairs}  # "in the white vase"
    if repeated and len(repeated) < len(places):
        return frozenset(repeated)
    if any(head & noun for noun in behind.values()):
        others = frozenset(i for i in places if behind[i] and tokens[i + 1] not in COLORS and not head & behind[i])
        if others:
            return others
    asked = all_stems(word for word in content_words(question_words) if word not in COLORS)
    return _of_others(tokens, places, head, _LINKS | {"with"}) or _of_others(tokens, places, asked, _LINKS)


def _thing(question_words: Sequence[str]) -> list[str]:
    """The noun of the thing whose colour is asked for: "collar" of "what color is the dog's collar"."""
    verb = next((i for i, token in enumerate(question_words) if token in _BE), len(question_words))
    thing = question_words[verb + 1 :]
    end = next((i for i, token in enumerate(thing) if token in _PREPOSITIONS | _LINKS or token == "that"), len(thing))
    return [token for token in content_words(thing[:end]) if token not in COLORS][-1:]


def _of_others(
    tokens: Sequence[str], places: Sequence[int], asked: frozenset[str], links: frozenset[str]
) -> frozenset[int]:
    """The places of colours in parts of a sentence that name other things, where a part names what is asked about.

    Args:
        links: prepositions that part a sentence, too.
    """
    if not asked:
        return frozenset()
    marks = [-1, *(i for i, token in enumerate(tokens) if token in _PARTING | _PREPOSITIONS | links), len(tokens)]
    about: set[int] = set()
    other: set[int] = set()
    subject: list[str] = []
    for part, is_predicate in _parts(tokens, marks):
        named = [token for token in content_words(tokens[part.start : part.stop]) if token not in COLORS]
        if is_predicate:
            named = [*subject, *named] if part.start > 0 else named
        elif part.start == 0 or tokens[part.start - 1] in _PARTING:
            subject = named
        if not all_stems(named).isdisjoint(asked):
            about.update(i for i in places if i in part)
        elif [token for token in named if token != "color"]:
            other.update(i for i in places if i in part)
    return frozenset(other) if about else frozenset()
