"""Conclusions behind a label: "It looks blue. Answer: red", or lines such as "- Shape: round" and "- Color: red"."""

import re

from reinforced_cot.data.tokens import ARTICLES
from reinforced_cot.matching.vocabulary import NO, YES
from reinforced_cot.matching.words import is_same_word, word_set, words
from reinforced_cot.reading.conclusions import MAX_CHAIN_CHARACTERS, conclusion_sentences, plain_text

# Every repetition is bounded: a policy may write any text.
_ANSWER = re.compile(
    r"(?:^|(?<=[.!?]\s))[^\w\n]{0,9}+(?:(?:so|my|the|final|correct),? ){0,3}"
    r"(?:answer|conclusion)\s?(?::|[-\u2013=](?=\s))",
    re.IGNORECASE | re.MULTILINE,
)
_LINE = re.compile(
    r"[^\w\n]{0,8}(?:\d{1,2}[.)][ \t]{1,4})?([^\W\d][\w' ]{0,40}?)[ \t]{0,4}"
    r"(?::|(?<=[ \t])(?:[-=]>|[-=\u2192\u2013]))[ \t]{1,4}(\S[^\n]{0,60})"
)
_BOXED = re.compile(r"\\boxed\{([^\n]{1,200}?)\}[^\w\n]{0,9}$")  # that ends the chain
_COMMAND = re.compile(r"\\text\w{0,8}\{")
_COUNTS = word_set("count number total amount")
_SMALL = ARTICLES | word_set("of in is its")
_INTERROGATIVES = word_set("what which who whose how where when")
_MAX_WORDS = 6
_ENDS = " \t.,;!\u2713\u2714\u2705"


def labelled_conclusion(think: str, question: str) -> list[str] | None:
    """What a chain says in a last box, behind its last "answer:", or behind the label that the question asks for."""
    boxed = _BOXED.search(think[-MAX_CHAIN_CHARACTERS:])
    value = _COMMAND.sub("", boxed[1]).strip("{} ") if boxed else ""
    if len(words(value)) <= _MAX_WORDS and (said := conclusion_sentences(value, question)):
        return said
    text = plain_text(think)[-MAX_CHAIN_CHARACTERS:]
    for match in reversed(list(_ANSWER.finditer(text))):
        if said := conclusion_sentences(text[match.end() :], question):
            return said
    labelled = labelled_value(text, question)
    return None if labelled is None else [labelled]


def labelled_value(text: str, question: str) -> str | None:
    """The value behind the label that the question asks for, in the lines that end a text; None where there is none.

    All words of the label are the question's: of "Box color: blue" and "Ball color: red", the second answers "What
    color is the ball?".

    >>> labelled_value("- Shape: round\\n- Color: red", "What color is the ball?")
    'red'
    """
    asked = words(question)
    values: dict[int, set[str]] = {}
    for line in reversed(text.rstrip().splitlines()):
        match = _LINE.fullmatch(line.rstrip())
        if match is None or len(words(match[2])) > _MAX_WORDS:
            break
        label = [word for word in words(match[1]) if word not in _SMALL]
        is_asked = all(any(is_same_word(word, other) for other in asked) or _is_count(word, asked) for word in label)
        if label and is_asked:
            values.setdefault(len(label), set()).add(match[2].rstrip(_ENDS))
    if not values:
        return None
    best = values[max(values)]
    value = best.pop() if len(best) == 1 else None
    is_fitting = value is not None and (not _INTERROGATIVES.isdisjoint(asked) or words(value)[:1] in _POLAR)
    return value if is_fitting else None


_POLAR = [(word,) for word in YES | NO]


def _is_count(word: str, asked: tuple[str, ...]) -> bool:
    return word in _COUNTS and "many" in asked
