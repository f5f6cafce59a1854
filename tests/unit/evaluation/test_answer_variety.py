"""A policy that gives one answer is seen, however often it is right."""

import pytest

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.evaluation.answer_variety import by_true_answer, variety
from reinforced_cot.report.flags import lost_variety
from reinforced_cot.report.tables import true_answers
from reinforced_cot.scoring.prediction_rows import Prediction, unscored
from reinforced_cot.scoring.predictions import scored


def rows(pairs: list[tuple[str, str]], question: str = "Is there a cat?") -> list[Prediction]:
    """Scored rows of (truth, answer)."""
    return [
        scored(
            unscored(
                Example(f"q{n}", ("a.png",), question, (truth,), "verify", group=f"g{n}"),
                completion_text("I look.", answer),
            )
        )
        for n, (truth, answer) in enumerate(pairs)
    ]


@pytest.mark.parametrize(("counts", "effective"), [([5, 5], 2.0), ([7], 1.0), ([1] * 8, 8.0), ([0, 3], 1.0)])
def test_variety_is_the_effective_number_of_answers(counts: list[int], effective: float) -> None:
    assert variety(counts) == pytest.approx(effective)


def test_a_policy_that_learned_to_say_no() -> None:
    """The reported run: of 88 present things SFT had 16 right and RL none, and yet accuracy rose."""
    present, absent = [("yes", "no")] * 88, [("no", "no")] * 112
    [(kind, part)] = by_true_answer(rows([*present, *absent])).items()
    assert kind == "yes/no" and part["n"] == 200
    assert part["truths"] == {"no": {"n": 112, "accuracy": 1.0}, "yes": {"n": 88, "accuracy": 0.0}}
    assert part["balanced_accuracy"] == 0.5
    assert (part["most_frequent"], part["most_frequent_share"], part["lost_variety"]) == ("no", 1.0, True)


@pytest.mark.parametrize(
    ("pairs", "lost"),
    [
        ([("yes", "yes")] * 15 + [("no", "no")] * 15, False),
        ([("yes", "no")] * 15 + [("no", "yes")] * 15, False),  # wrong, but it says both
        ([("yes", "no")] * 9 + [("yes", "yes")] * 6 + [("no", "no")] * 15, False),
        ([("yes", "no")] * 14 + [("yes", "yes")] * 1 + [("no", "no")] * 15, True),
        ([("no", "no")] * 40, False),  # all truths are one: nothing else was to be said
        ([("yes", "no")] * 5 + [("no", "no")] * 5, False),  # too few to say
    ],
)
def test_variety_is_measured_against_the_truths(pairs: list[tuple[str, str]], lost: bool) -> None:
    assert by_true_answer(rows(pairs))["yes/no"]["lost_variety"] is lost


def test_open_answers_count_by_their_words() -> None:
    colors = ["red", "blue", "green", "white", "black"] * 6
    part = by_true_answer(rows([(color, "It is red.") for color in colors], "What color is it?"))["color"]
    assert part["lost_variety"] and part["most_frequent"] == "red"
    assert part["balanced_accuracy"] == pytest.approx(0.2)
    assert by_true_answer(rows([(color, color) for color in colors], "What color is it?"))["color"]["variety"] == 1.0


def test_the_report_shows_it() -> None:
    evaluations = {
        "sft": {"by_true_answer": by_true_answer(rows([("yes", "yes")] * 15 + [("no", "no")] * 15))},
        "grpo": {"by_true_answer": by_true_answer(rows([("yes", "no")] * 15 + [("no", "no")] * 15))},
    }
    [(policy, line)] = lost_variety(evaluations)
    assert policy == "grpo"
    assert line == "100% of its answers to questions of type yes/no are “no”; balanced accuracy is 0.500."
    table = true_answers(evaluations)
    assert table.loc[("yes/no", "yes"), "grpo"] == 0.0 and table.loc[("yes/no", "balanced"), "sft"] == 1.0
