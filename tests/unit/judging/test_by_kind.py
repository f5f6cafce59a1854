"""Chains that lead to boxes, lists, sets and formulas, and cheap chains that only seem to."""

import pytest

from reinforced_cot.answers.truth import Truth
from reinforced_cot.judging.by_kind import judged

WHERE = "Where is the dog?"
COLORS = "Which colors do the cups have?"
SUM = "What is half of one half?"
CASES = [
    # boxes: what the chain ends with
    ("box", WHERE, "The dog lies on the grass at [10, 20, 110, 220].", "[10, 20, 110, 220]", "support"),
    ("box", WHERE, "The dog fills [12, 22, 108, 218].", "[10, 20, 110, 220]", "support"),
    (
        "box",
        WHERE,
        "The cat is at [300, 300, 400, 400]. The dog is at [10, 20, 110, 220].",
        "[10, 20, 110, 220]",
        "support",
    ),
    ("box", WHERE, "The dog is at [300, 300, 400, 400].", "[10, 20, 110, 220]", "contradict"),
    (
        "box",
        WHERE,
        "The dog is at [10, 20, 110, 220]. No, it is at [300, 300, 400, 400].",
        "[10, 20, 110, 220]",
        "contradict",
    ),
    ("box", WHERE, "The dog lies on the grass.", "[10, 20, 110, 220]", "unknown"),
    ("box", WHERE, "The dogs are at [0, 0, 9, 9] and [20, 20, 30, 30].", "[[20, 20, 30, 30], [0, 0, 9, 9]]", "support"),
    (
        "box",
        WHERE,
        "One is at [0, 0, 9, 9]. The other is at [20, 20, 30, 30].",
        "[[0, 0, 9, 9], [20, 20, 30, 30]]",
        "support",
    ),
    ("box", WHERE, "One dog is at [0, 0, 9, 9].", "[[0, 0, 9, 9], [20, 20, 30, 30]]", "unknown"),
    (
        "box",
        WHERE,
        "It may be [0, 0, 9, 9], [300, 300, 400, 400] or [10, 20, 110, 220].",
        "[10, 20, 110, 220]",
        "unknown",
    ),
    ("box", WHERE, "I see [0, 0, 9, 9], [300, 300, 400, 400], [10, 20, 110, 220].", "[10, 20, 110, 220]", "unknown"),
    ("box", WHERE, "The dog is not at [10, 20, 110, 220].", "[10, 20, 110, 220]", "unknown"),
    ("box", WHERE, "The dog is at [10, 20, 110, 220].", "no box", "unknown"),
    # sets and lists: the things of the last sentence
    ("set", COLORS, "I look at the cups. They are red, blue and green.", "green, blue, red", "support"),
    ("set", COLORS, "There are three cups.\nThe colors are green and red.", "red, green", "support"),
    ("set", COLORS, "They are red, blue and green.", "red, blue", "unknown"),
    ("set", COLORS, "They are yellow, red and blue.", "red, blue", "unknown"),
    ("set", COLORS, "There is red, blue, green, black, white, pink and brown.", "red, green", "unknown"),
    ("set", COLORS, "They are red or blue.", "red, blue", "unknown"),
    ("set", COLORS, "They are not red and blue.", "red, blue", "unknown"),
    ("set", COLORS, "They are red and blue. No, they are pink and black.", "red, blue", "unknown"),
    ("set", COLORS, "I look at the cups.", "red, blue", "unknown"),
    ("set", COLORS, "", "red, blue", "unknown"),
    ("list", COLORS, "From left to right they are red, blue and green.", "red, blue, green", "support"),
    ("list", COLORS, "From left to right they are green, blue and red.", "red, blue, green", "contradict"),
    ("list", COLORS, "They are red, blue, green and pink.", "red, blue, green", "unknown"),
    # numbers: the words, or the last sentence's number in another unit
    ("number", "How long is it?", "The ruler starts at 0 and it ends at 50 mm. It is 50 mm long.", "5 cm", "support"),
    ("number", "How long is it?", "It is 0.05 m long.", "5 cm", "support"),
    ("number", "How long is it?", "It is not 50 mm long.", "5 cm", "unknown"),
    # boxes in words, and boxes of other things
    ("box", WHERE, "The dog is at left 10, top 20, right 30, bottom 40.", "[10, 20, 30, 40]", "support"),
    ("box", WHERE, "The image is [0, 0, 100, 100]. It stands in its left upper part.", "[1, 2, 30, 40]", "unknown"),
    # mathematics: the words, or the last formula
    ("math", SUM, "Half of it is $\\frac{1}{2} \\cdot \\frac{1}{2} = \\frac{1}{4}$.", "0.25", "support"),
    ("math", SUM, "I halve it again: 0.5 / 2 = 0.25.", "\\frac{1}{4}", "support"),
    ("math", SUM, "So it is \\boxed{1/4}.", "\\frac{2}{8}", "support"),
    ("math", SUM, "First $\\frac{1}{4}$ comes up, but then $\\frac{1}{8}$.", "0.25", "unknown"),
    ("math", SUM, "One gets x = 1/4, x = 1/8, x = 1/16.", "\\frac{2}{8}", "contradict"),
    ("math", SUM, "I look at the halves.", "\\frac{1}{4}", "unknown"),
]


@pytest.mark.parametrize(("kind", "question", "chain", "answer", "verdict"), CASES)
def test_verdict(kind: str, question: str, chain: str, answer: str, verdict: str) -> None:
    assert judged(chain, answer, Truth((answer,), question, kind)).value == verdict


@pytest.mark.parametrize("kind", ["box", "list", "set", "math"])
def test_long_chains_take_no_long_time(kind: str) -> None:
    for chain in ("[" * 20_000, "[1, 2, 3, 4], " * 5_000, "$1$ = 2, " * 5_000, "red, " * 5_000, "\\boxed{" * 5_000):
        assert judged(chain, "[1, 2, 3, 4]", Truth(("[1, 2, 3, 4]",), WHERE, kind)).value in (
            "support",
            "contradict",
            "unknown",
        )
