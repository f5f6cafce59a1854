"""VQAv2's soft score: an answer that three annotators gave gets full credit (visualqa.org/evaluation.html).

Each annotator is left out in turn, and the score is the mean of ``min(1, others with this answer / 3)``. Answers are
normalised as the published code does it (github.com/GT-Vision-Lab/VQA, `vqaEval.py`), with one difference: it leaves
them as they are where all annotators agree, and "Yes." would be wrong there.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

from reinforced_cot.answers.truth import Truth

_FULL = 3  # annotators
_DIGITS = "zero one two three four five six seven eight nine ten"
_NUMBERS = {"none": "0", **{word: str(number) for number, word in enumerate(_DIGITS.split())}}
_ARTICLES = frozenset(("a", "an", "the"))
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")
# Contractions that are also recognised with one of their apostrophes left out.
_CONTRACTED = """
ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's isn't it'd
it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've shouldn't somebody'll
somebody's someone'd someone'll someone's something'd something'll that's there'd there're there's they'd they'll
they're they've 'twas wasn't we've weren't what'll what're what's what've when's where'd where's where've who'd who'll
who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've couldn't've hadn't've he'd've
it'd've mightn't've she'd've shouldn't've somebody'd've someone'd've something'd've there'd've they'd've we'd've
who'd've wouldn't've you'd've y'all'd've y'all'll 'ow's'at
"""
_CONTRACTIONS = {
    word[:place] + word[place + 1 :]: word
    for word in _CONTRACTED.split()
    for place, character in enumerate(word)
    if character == "'"
}


def credit(answer: str, truth: Truth, settings: Mapping[str, float]) -> float:
    """The soft score of an answer, in 0..1.

    With fewer than four annotators, none is left out, and an answer that all of them gave gets full credit.

    >>> given = [Truth(("net",) * times + ("racket",) * (10 - times)) for times in (0, 1, 2, 3, 4)]
    >>> [round(credit("a net", truth, {}), 2) for truth in given]
    [0.0, 0.3, 0.6, 0.9, 1.0]
    """
    given, said = _normalised_answers(truth.answers), normalised(answer)
    same, n = given[said], given.total()
    if n <= _FULL:
        return same / n
    # Where a matching annotator is left out, one match fewer is left.
    without, among = min(1.0, (same - 1) / _FULL), min(1.0, same / _FULL)
    return round((same * without + (n - same) * among) / n, 10) if same else 0.0


@lru_cache(maxsize=512)
def _normalised_answers(answers: tuple[str, ...]) -> Counter[str]:
    return Counter(map(normalised, answers))


def normalised(answer: str) -> str:
    """An answer as VQAv2's evaluation compares it.

    >>> normalised("The Two cats."), normalised("dont walk"), normalised("1,000"), normalised("left-handed")
    ('2 cats', "don't walk", '1000', 'left handed')
    """
    text = answer.replace("\n", " ").replace("\t", " ").strip()
    has_number = _COMMA_IN_NUMBER.search(text) is not None
    plain = text
    for mark in _PUNCTUATION:
        is_apart = f"{mark} " in text or f" {mark}" in text or has_number
        plain = plain.replace(mark, "" if is_apart else " ")
    words = (_NUMBERS.get(word, word) for word in _PERIOD.sub("", plain).lower().split())
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


def cheats(truths: Sequence[Truth]) -> list[str]:
    """Answers that the normalisation shortens to nothing or next to nothing."""
    return ["the", "none", "yes", "no", "unanswerable"]
