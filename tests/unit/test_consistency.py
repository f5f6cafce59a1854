"""Whether a chain leads to its answer: steps conclude after their colon, sentences by whole words."""

import pytest

from reinforced_cot.consistency import Verdict, judge

STEPS = "SELECT(top left): red 7\nQUERY(color): "


@pytest.mark.parametrize(
    ("think", "answer", "verdict"),
    [
        (STEPS + "red", "red", Verdict.SUPPORT),
        (STEPS + "Red.", "the red", Verdict.SUPPORT),
        (STEPS + "red\n \n", "red", Verdict.SUPPORT),
        (STEPS + "red", "blue", Verdict.CONTRADICT),
        (STEPS + "red blue", "red", Verdict.CONTRADICT),
        (STEPS, "red", Verdict.CONTRADICT),  # a step without a result leads to no answer
        ("QUERY(color): red\nSELECT(top left): blue 7", "red", Verdict.CONTRADICT),  # the last step counts
        ("LARGER(3, 17): 17", "7", Verdict.CONTRADICT),
        ("The man holds a tennis racket.", "tennis racket", Verdict.SUPPORT),
        ("Therefore: the answer is blue", "blue", Verdict.SUPPORT),  # a colon, but no step
        ("It is red.\nI look at the picture.", "red", Verdict.UNKNOWN),
        ("I look at the picture.", "blue", Verdict.UNKNOWN),
        ("There are seventeen.", "seven", Verdict.UNKNOWN),  # whole words only
        # pitfall 12: every chain whose answer was "no" also supported "yes"
        ("No, there is not, so it is not correct.", "no", Verdict.SUPPORT),
        ("No, there is not, so it is not correct.", "yes", Verdict.UNKNOWN),
        ("None of them are.", "no", Verdict.UNKNOWN),
        ("", "red", Verdict.UNKNOWN),
        (" \n ", "red", Verdict.UNKNOWN),
        ("QUERY(color): red", "", Verdict.UNKNOWN),
        ("QUERY(color):", ".", Verdict.UNKNOWN),
    ],
)
def test_judge(think: str, answer: str, verdict: Verdict) -> None:
    assert judge(think, answer) is verdict
