"""Exclusions in plain words: "anything but blue" as "not blue", "nothing but blue" as "blue"; and no "no doubt"."""

from reinforced_cot.data.tokens import ARTICLES, is_word
from reinforced_cot.matching.words import NEGATORS, word_set
from reinforced_cot.reading.sentences import Sentence

_WHOLE = word_set("anything everything any every all anyone everyone each")
_NONE = word_set("no nothing none nobody")
_EXCLUDING = word_set("except besides barring")
_EXCLUDING_PAIRS = frozenset((("other", "than"), ("apart", "from"), ("aside", "from")))
_DOUBTS = word_set("doubt question")
_FAR = frozenset((("far", "from"), ("nowhere", "near"), ("nothing", "like")))
_VERBS = word_set("is are was were would could can may might has have had do does did")
_REACH = 4  # tokens from "any" to its "except"
_SIGNS = _EXCLUDING | word_set("but other apart aside far nowhere nothing")


def in_plain_words(sentence: Sentence, is_polar: bool = False) -> Sentence:
    """A sentence without exclusions; for a yes/no question, "nothing but blue" stays, since it denies all else.

    >>> in_plain_words(Sentence("", ("it", "is", "any", "color", "but", "blue", "."))).tokens
    ('it', 'is', 'not', 'blue', '.')
    >>> in_plain_words(Sentence("", ("it", "is", "nothing", "but", "blue", "."))).tokens
    ('it', 'is', 'blue', '.')
    """
    tokens = sentence.tokens
    if not _DOUBTS.isdisjoint(tokens):
        tokens = _without_doubts(tokens)
        sentence = Sentence(sentence.text, tokens)
    if _SIGNS.isdisjoint(tokens):
        return sentence
    for i in range(1, len(tokens) - 1):
        if (tokens[i - 1], tokens[i]) in _FAR and tokens[i + 1] not in ARTICLES:  # "far from the tree" is a place
            return Sentence(sentence.text, (*tokens[: i - 1], "not", *tokens[i + 1 :]))
        if tokens[i] == "but" or tokens[i] in _EXCLUDING or (tokens[i], tokens[i + 1]) in _EXCLUDING_PAIRS:
            plain = _without(tokens, i, is_polar)
            if plain is not None:
                return Sentence(sentence.text, plain)
    return sentence


def _without_doubts(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """Tokens without "there is no doubt that" and "no question", which deny nothing."""
    for i in range(1, len(tokens)):
        if tokens[i] in _DOUBTS and tokens[i - 1] == "no":
            start, stop = i - 1, i + 1
            start -= 2 * (tokens[max(0, start - 2) : start] == ("there", "is"))
            stop += tokens[stop : stop + 1] == ("that",)
            return (*tokens[:start], *tokens[stop:])
    return tokens


def _without(tokens: tuple[str, ...], i: int, is_polar: bool) -> tuple[str, ...] | None:
    """Tokens without the exclusion at a place; None for a "but" that turns, and for "besides the dog, ..."."""
    is_pair = (tokens[i], tokens[i + 1]) in _EXCLUDING_PAIRS
    behind = tokens[i + 1 + (is_pair or tokens[i + 1] == "for") :]
    reach = 2 if tokens[i] == "but" else _REACH
    scope = next((j for j in range(i - 1, max(-1, i - 1 - reach), -1) if tokens[j] in _WHOLE | _NONE), None)
    if scope is None:
        return (*tokens[:i], "not", *behind) if tokens[i] == "other" and is_pair else None
    before = tokens[:scope]
    if tokens[scope] in _NONE:
        return None if is_polar else (*before, *behind)
    clause = next((j for j in range(scope, 0, -1) if not is_word(tokens[j - 1])), 0)
    negator = next((j for j in range(scope - 1, clause - 1, -1) if tokens[j] in NEGATORS), None)
    if negator is not None:  # "I do not see anything but a cat"
        return (*tokens[:negator], *tokens[negator + 1 : scope], *behind)
    if scope > clause:
        return (*before, "not", *behind)
    verb = next((j for j, token in enumerate(behind) if token in _VERBS), None)  # "All but blue would fit."
    return None if verb is None else (*before, "not", *behind[:verb], ",", *behind[verb:])
