"""Words, phrases and negation, by which answers and chains are compared.

Two words are the same when one may be the plural of the other; numbers are the same in words and digits; case, articles
and Unicode's compatibility forms do not count. Plurals follow rules of spelling, which cover every regular plural
without a lexicon to load.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

_TOKEN = re.compile(r"[^\W_]+|[?!.;:,/\n]")
_CONTRACTED = re.compile(r"(?:\b(ca|wo|sha)|(\w))n't\b")  # can't, won't, shan't lose a letter or more
_CLITIC = re.compile(r"(?<=\w)'(?:s|re|m)\b")  # it's, they're, the man's
_IRREGULAR = {
    **{"men": "man", "women": "woman", "people": "person", "persons": "person", "children": "child"},
    **{"feet": "foot", "teeth": "tooth", "geese": "goose", "mice": "mouse", "oxen": "ox"},
}


def word_set(text: str) -> frozenset[str]:
    """The words of a list written as a line."""
    return frozenset(text.split())


_TO_TWENTY = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty"""
_TENS = "thirty forty fifty sixty seventy eighty ninety"
_NUMBERS = {word: str(number) for number, word in enumerate(_TO_TWENTY.split())}
_NUMBERS |= {word: str(10 * number) for number, word in enumerate(_TENS.split(), start=3)}

ARTICLES = frozenset(("a", "an", "the"))
ENDS = frozenset("?!.;\n")  # marks that end a sentence
_NEGATORS = word_set("not never neither nor without cannot no isnt arent lacks lack")
TURNS = frozenset(("but", "instead", "however", "rather"))  # words after these are asserted again
_SUBJECTS = word_set("it they he she this that these those there the its so")


def words(text: str) -> list[str]:
    """Lower-case words, numbers as digits, and marks of punctuation, in order; hyphens separate words.

    >>> words("It isn't the Two-door car.")
    ['it', 'is', 'not', 'the', '2', 'door', 'car', '.']
    """
    plain = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    plain = _CONTRACTED.sub(lambda m: {"ca": "can", "wo": "will", "sha": "shall"}.get(m[1], m[2] or "") + " not", plain)
    return [_NUMBERS.get(token, token) for token in _TOKEN.findall(_CLITIC.sub("", plain))]


def is_word(token: str) -> bool:
    """Whether a token is a word or a number, not a mark of punctuation."""
    return token[0].isalnum()


@lru_cache(maxsize=4096)  # bounded, since a policy may write any number of different words
def forms(word: str) -> frozenset[str]:
    """The word itself and all words that it may be the plural of.

    >>> sorted(forms("leaves"))
    ['leaf', 'leafe', 'leave', 'leaves']
    """
    singulars = {word, _IRREGULAR.get(word, word)}
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        singulars.add(word[:-1])
        if word.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):
            singulars.add(word[:-2])
        if word.endswith("ies"):
            singulars.add(word[:-3] + "y")
        if word.endswith("ves"):
            singulars |= {word[:-3] + "f", word[:-3] + "fe"}
    return frozenset(singulars)


def is_same_word(one: str, other: str) -> bool:
    """Whether two words are the same, in singular or plural."""
    return one == other or bool(forms(one) & forms(other))


def phrase(text: str) -> list[str]:
    """The words of an answer without articles and punctuation."""
    return [token for token in words(text) if is_word(token) and token not in ARTICLES]


def occurrences(wanted: Sequence[str], tokens: Sequence[str]) -> list[range]:
    """The ranges of ``tokens`` that hold ``wanted``, word for word; articles in between do not count."""
    positions = [i for i, token in enumerate(tokens) if token not in ARTICLES]
    ranges = []
    for start in range(len(positions) - len(wanted) + 1):
        window = positions[start : start + len(wanted)]
        if wanted and all(is_same_word(tokens[i], word) for i, word in zip(window, wanted, strict=True)):
            ranges.append(range(window[0], window[-1] + 1))
    return ranges


def negated(tokens: Sequence[str]) -> list[bool]:
    """Whether each token is denied: from a "not" or another negator to the end of the clause.

    >>> [w for w, no in zip(words("not red but blue"), negated(words("not red but blue"))) if no]
    ['not', 'red']
    """
    result, denied = [], False
    for i, token in enumerate(tokens):
        after = tokens[i + 1] if i + 1 < len(tokens) else "."
        turns = token in TURNS and after not in ("than", "of")
        if token in ENDS or turns or (token == "," and after in _SUBJECTS | TURNS):
            denied = False
        elif token == "no" and not is_word(after):
            pass  # "No, ...": an answer to the question, not a word of the sentence
        elif token in _NEGATORS or (token, after) in (("rather", "than"), ("instead", "of"), ("opposed", "to")):
            denied = True
        result.append(denied)
    return result
