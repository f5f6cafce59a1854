"""What a sentence says where a question asks about both, all or every one: "one is black, the other is white"."""

from collections.abc import Callable, Sequence
from functools import lru_cache

from reinforced_cot.data.tokens import ARTICLES, is_word
from reinforced_cot.matching.numbers import is_number
from reinforced_cot.matching.vocabulary import COLORS
from reinforced_cot.matching.words import word_set, words
from reinforced_cot.reading.sentences import Sentence, all_stems, base_forms, content_words
from reinforced_cot.reading.verdict import Verdict

_WHOLE = word_set("both all every each")
_ALIKE = word_set("same identical alike")
_OTHERS = word_set("other others another rest remaining second some few")
_SIDES = {"right": "left", "left": "right"}
_SOME = word_set("some most many few several half")
_JOINTS = word_set(", ; and but while whereas though although")
_AGAIN = word_set("too also likewise same both well similarly")
_EXCEPTING = word_set("except but besides save")
_NONE = word_set("not no none neither without lacks never")


@lru_cache(maxsize=512)
def asked(question: str) -> tuple[frozenset[str], bool] | None:
    """The stems of what a question asks of all its things, and whether it asks if they are alike; else None.

    "Are both cats black?" asks for "black"; "Are there both cats and dogs?" asks about no common property.
    """
    tokens = tuple(base_forms(words(question)))
    if (_WHOLE | _ALIKE).isdisjoint(tokens):
        return None
    is_alike = not _ALIKE.isdisjoint(tokens)
    whole = next((i for i, token in enumerate(tokens) if token in _WHOLE), None)
    if whole is None and not is_alike:
        return None
    content = content_words(tokens if whole is None else tokens[whole + 1 :])
    if len(content) < 2 or (whole is not None and "and" in tokens[whole:]) or "or" in tokens:
        return None
    return all_stems(content[-1:]), is_alike


def reader(question: str, answered: bool) -> Callable[[Sentence], Verdict | None] | None:
    """What reads a sentence's verdict on a yes or a no; None where the question asks about no whole."""
    found = asked(question)
    if found is None:
        return None
    predicate, is_alike = found

    def read(sentence: Sentence) -> Verdict | None:
        holds = _alike(sentence) if is_alike else _of_all(sentence, predicate)
        if holds is None or sentence.is_question:
            return None
        if sentence.is_hedged or sentence.is_undecided:
            return Verdict.UNKNOWN
        return Verdict.SUPPORT if holds == answered else Verdict.CONTRADICT

    return read


def _of_all(sentence: Sentence, predicate: frozenset[str]) -> bool | None:
    """Whether a sentence says of all things what is asked; None where it speaks of no share of them."""
    tokens = sentence.tokens
    if _is_short_of_all(tokens) and not sentence.stems.isdisjoint(predicate):
        return False
    parts = _parts(tokens)
    if parts is None:
        return None
    one, other = (_holds(part, predicate) for part in parts)
    if other is False and not _AGAIN.isdisjoint(parts[1]) and _NONE.isdisjoint(parts[1]):
        other = one  # "and so is the other, too"
    return None if not one and not other else one and other


def _is_short_of_all(tokens: Sequence[str]) -> bool:
    """ "Only one", "not both", "all but one", "every cup except the blue one"."""
    for i, token in enumerate(tokens):
        after = [t for t in tokens[i + 1 : i + 5] if t not in ARTICLES]
        if token in ("only", "just") and after and (is_number(after[0]) or after[0] in _SOME):
            return True
        if token == "not" and after and after[0] in _WHOLE:
            return True
        if token in ("all", "every", "each") and not _EXCEPTING.isdisjoint(tokens[i + 1 :]):
            behind = tokens[next(j for j in range(i + 1, len(tokens)) if tokens[j] in _EXCEPTING) + 1 :]
            return bool(content_words(behind) or any(map(is_number, behind)))
    return False


def _parts(tokens: Sequence[str]) -> tuple[Sequence[str], Sequence[str]] | None:
    """The parts of "one ..., the other ...", "two ... and one ...", "some ... but the rest ..."; None for others."""
    for i, token in enumerate(tokens):
        first = [t for t in tokens[:i] if t not in ARTICLES]
        if token not in _JOINTS or not first:
            continue
        second = [t for t in tokens[i + 1 : i + 5] if t not in ARTICLES and is_word(t) and t not in _JOINTS]
        if not second:
            continue
        is_share = is_number(first[0]) or first[0] in _SOME or any(is_number(t) or t in _SOME for t in first)
        is_other = second[0] in _OTHERS or (is_number(second[0]) and is_share)
        if (is_other and is_share) or second[0] == "other" or _SIDES.get(second[0], "-") in first:
            return tokens[:i], tokens[i + 1 :]
    return None


def _holds(part: Sequence[str], predicate: frozenset[str]) -> bool:
    return not all_stems(part).isdisjoint(predicate) and _NONE.isdisjoint(part)


def _alike(sentence: Sentence) -> bool | None:
    """Whether the parts of a sentence give both things one colour; None where they do not tell."""
    parts = _parts(sentence.tokens)
    if parts is None:
        return None
    one, other = (COLORS.intersection(part) for part in parts)
    return one == other if one and other else None
