"""Whether a chain leads to an answer, where the answer's kind says how to compare what the chain ends with.

Boxes, lists and sets, and mathematics are looked for at the end of the chain; every other answer is judged by its words
(`consistency`).
"""

import re

from reinforced_cot.answers import box_answers, boxes, items, mathematics, number_answers
from reinforced_cot.answers.specification import chosen
from reinforced_cot.answers.truth import Truth
from reinforced_cot.judging.consistency import judge
from reinforced_cot.matching.vocabulary import FRAME
from reinforced_cot.matching.words import NEGATORS, negated, occurrences, phrase, words
from reinforced_cot.reading.verdict import Verdict

_END = 1_000  # characters of a chain that are searched
_GROUP = re.compile(r"(?:\[\s*)?[\[({<](?:[^\[\](){}<>]|\),\s*\(){3,200}[\])}>](?:\s*\])?")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n")
_FORMULA = re.compile(
    r"\${1,2}([^$\n]{1,200})\${1,2}|\\boxed\{([^{}]{1,200})\}|=\s*([^=,;\n]{1,80}?)(?=[,;\n]|\.\s|\.?$)"
)
_EXACTLY = {"absolute": 0.0, "relative": 0.0}
_DOUBTS = frozenset(("or", "maybe", "perhaps", "may", "might", "could", "?"))
_JOINTS = frozenset((",", "and", "&"))


def judged(chain: str, answer: str, truth: Truth) -> Verdict:
    """Compare the chain's end with the answer, whether it is right or wrong.

    >>> box = Truth(("[1, 2, 3, 4]",), kind="box")
    >>> [judged(f"It is here: {said}.", "[1, 2, 3, 4]", box).value for said in ("[1, 2, 3, 4]", "[5, 6, 7, 8]")]
    ['support', 'contradict']
    >>> colors = Truth(("red, blue",), kind="set")
    >>> judged("I see a cup and a plate. They are red and blue.", "blue, red", colors).value
    'support'
    """
    name, settings = chosen(truth.kind)[:2]
    if name == "box":
        return _judge_boxes(chain, answer, dict(settings))
    if name in ("list", "set"):
        return _judge_items(chain, answer, in_order=name == "list")
    verdict = judge(chain, answer, truth.question)
    if name == "math" and verdict is not Verdict.SUPPORT:
        return _judge_formula(chain, answer, truth, verdict)
    if name == "number" and verdict is not Verdict.SUPPORT:
        return _judge_number(chain, answer, truth, verdict)
    return verdict


def _judge_boxes(chain: str, answer: str, settings: dict[str, float]) -> Verdict:
    """The chain's last boxes must match the answer's. Their sentence names no further box, and expresses no doubt."""
    said = boxes.boxes_of(answer)
    parts = [(part, _boxes_in(part)) for part in _SENTENCE.split(chain[-_END:])]
    found = [box for _, named in parts for box in named]
    if said is None or len(found) < len(said):
        return Verdict.UNKNOWN
    last, named = next(part for part in reversed(parts) if part[1])
    if len(named) > len(said) or _leaves_open(last):
        return Verdict.UNKNOWN
    concluded = str([list(box[:4]) for box in found[-len(said) :]])
    if box_answers.is_right(concluded, answer, Truth((answer,)), settings):
        return Verdict.SUPPORT
    # A sentence behind them may say where the thing is in words.
    ends_with_it = last == next(part for part, _ in reversed(parts) if part.strip())
    return Verdict.CONTRADICT if ends_with_it else Verdict.UNKNOWN


def _boxes_in(text: str) -> list[boxes.Box]:
    found = [box for group in _GROUP.findall(text) for box in boxes.boxes_of(group) or ()]
    return found or list(boxes.boxes_of(text) or ())  # "left 10, top 20, right 30, bottom 40"


def _leaves_open(sentence: str) -> bool:
    said = words(sentence)
    return any(negated(said)) or not _DOUBTS.isdisjoint(said)


def _judge_items(chain: str, answer: str, in_order: bool) -> Verdict:
    """The last sentence must name the answer's things, no other beside them, and in their order where it counts."""
    named = [phrase(item) for item in items.items_of(answer)]
    last = next((part for part in reversed(_SENTENCE.split(chain[-_END:])) if phrase(part)), "")
    tokens = words(last)
    if not named or not all(named) or NEGATORS & set(tokens) or "or" in tokens:
        return Verdict.UNKNOWN
    places = [occurrences(item, tokens, {}) for item in named]
    if not all(places):
        return Verdict.UNKNOWN
    spans = [found[-1] for found in places]
    if in_order and [span.start for span in spans] != sorted(span.start for span in spans):
        return Verdict.CONTRADICT
    first, stop = min(span.start for span in spans), max(span.stop for span in spans)
    inside = {place for span in spans for place in span}
    between = [tokens[place] for place in range(first, stop) if place not in inside]
    goes_on = stop < len(tokens) - 1 and tokens[stop] in _JOINTS
    before = [token for token in tokens[:first] if token not in FRAME][-1:]
    if goes_on or before in ([","], ["and"]) or not all(token in FRAME | _JOINTS for token in between):
        return Verdict.UNKNOWN
    return Verdict.SUPPORT


def _judge_number(chain: str, answer: str, truth: Truth, verdict: Verdict) -> Verdict:
    """Whether the last sentence gives the answer's number, perhaps in another unit."""
    last = next((part for part in reversed(_SENTENCE.split(chain[-_END:])) if phrase(part)), "")
    same = not _leaves_open(last) and number_answers.is_right(last, answer, truth._replace(answers=(answer,)), _EXACTLY)
    return Verdict.SUPPORT if same else verdict


def _judge_formula(chain: str, answer: str, truth: Truth, verdict: Verdict) -> Verdict:
    """Whether the last formula of a chain is the answer in another form."""
    found = [next(filter(None, groups)) for groups in _FORMULA.findall(chain[-_END:])]
    if not found:
        return verdict
    is_same = mathematics.is_right(found[-1].strip(), answer, Truth((answer,)), {})
    return Verdict.SUPPORT if is_same else verdict
