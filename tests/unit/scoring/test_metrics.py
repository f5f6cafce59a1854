"""Shares of scored predictions: the numbers are written out."""

import pytest

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.scoring.metrics import sample_credits, shares
from reinforced_cot.scoring.prediction_rows import Prediction, unscored
from reinforced_cot.scoring.predictions import scored

RED = completion_text("SELECT(a): red 7\nQUERY(color): red", "red")


def row(completion: str, answer: str = "red", **further: object) -> Prediction:
    return scored(unscored(Example("q", ("a.png",), "What color?", (answer,), "color"), completion, **further))


def test_shares_of_four() -> None:
    rows = [row(RED), row(RED, "blue"), row(completion_text("I look.", "red")), row("red")]
    assert shares(rows) == {
        "n": 4,
        "n_correct": 2,
        "n_well_formed": 3,
        "accuracy": 0.5,
        "accuracy_well_formed": pytest.approx(2 / 3),
        "format_rate": 0.75,
        "consistency": 0.5,  # the first two follow from their chains, right or wrong
        "supported_accuracy": 0.25,  # only the first is right by its chain
    }


def test_a_share_of_no_rows_is_null() -> None:
    assert shares([row("red")])["accuracy_well_formed"] is None


def test_what_has_no_chain_has_no_share_of_consistent_ones() -> None:
    plain = scored({**row("red"), "answer_form": "plain"})
    assert (plain["is_correct"], plain["is_consist"], plain["chain_verdict"], plain["bare_chain"]) == (
        True,
        *3 * [None],
    )
    found = shares([plain])
    assert (found["accuracy"], found["consistency"], found["supported_accuracy"]) == (1.0, None, None)
    # Of a mixed file, the rows that may have a chain; a malformed one should have one.
    found = shares([plain, row(RED), row("red")])
    assert (found["consistency"], found["supported_accuracy"]) == (0.5, 0.5)


def test_a_chain_that_copies_its_answer_supports_nothing() -> None:
    copied = row(completion_text("The answer is red.", "red"))
    assert (copied["is_consist"], copied["bare_chain"]) == (True, True)
    assert shares([copied])["supported_accuracy"] == 0.0


def test_samples_are_scored_like_completions() -> None:
    assert sample_credits(row(RED, samples=[RED, "red", completion_text("x", "Red.")])) == [True, False, True]
