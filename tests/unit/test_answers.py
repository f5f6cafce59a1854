"""The parser of completions and when an answer counts as right: tables, and linear cost on hostile text."""

import time

import pytest

from reinforced_cot.answers import Parsed, is_correct, normalised, parse_completion
from reinforced_cot.completions import completion_text

GOOD = "<think>it is red</think><answer>red</answer>"


@pytest.mark.parametrize(
    ("text", "think", "answer"),
    [
        (GOOD, "it is red", "red"),
        (
            completion_text("SELECT(top): red 7\nQUERY(color): red", "red"),
            "SELECT(top): red 7\nQUERY(color): red",
            "red",
        ),
        (f" \n{GOOD}\t\n", "it is red", "red"),
        ("<think> a < b </think>\n\n<answer> 3 > 2 </answer>", "a < b", "3 > 2"),
        ("<think><b>bold</b></think><answer>tennis racket</answer>", "<b>bold</b>", "tennis racket"),
    ],
)
def test_well_formed_completions(text: str, think: str, answer: str) -> None:
    assert parse_completion(text) == Parsed(think, answer, None)
    assert parse_completion(text).well_formed


# faults 25 - 30, pitfall 14
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no <think>"),
        ("red", "no <think>"),
        ("<answer>red</answer>", "no <think>"),
        ("<think>it is red</think>", "no <answer>"),
        ("<think>it is red<answer>red</answer>", "no </think>"),
        ("it is red</think><answer>red</answer>", "no <think>"),
        ("<think>it is red</think><answer>red", "no </answer>"),
        ("<think>it is red</think>red</answer>", "no <answer>"),
        ("<THINK>it is red</THINK><answer>red</answer>", "no <think>"),
        ("<answer>red</answer><think>it is red</think>", "tags in the wrong order"),
        ("</think>it is red<think><answer>red</answer>", "tags in the wrong order"),
        ("<think>it is red</think></answer>red<answer>", "tags in the wrong order"),
        ("<think>it is <answer>red</answer></think>", "tags in the wrong order"),
        ("<think>a<answer>b</think>c</answer>", "tags in the wrong order"),
        ("<think><think>it is red</think></think><answer>red</answer>", "2 times <think>"),
        (f"<think>it</think>{GOOD}", "2 times <think>"),
        (f"{GOOD}<answer>blue</answer>", "2 times <answer>"),
        (f"{GOOD}</answer>", "2 times </answer>"),
        (f"So: {GOOD}", "text outside the tags"),
        (f"{GOOD} That is all.", "text outside the tags"),
        ("<think>it is red</think>so<answer>red</answer>", "text outside the tags"),
        ("<think></think><answer>red</answer>", "empty chain of thought"),
        ("<think> \n</think><answer>red</answer>", "empty chain of thought"),
        ("<think>it is red</think><answer></answer>", "empty answer"),
        ("<think>it is red</think><answer>\u00a0\n</answer>", "empty answer"),
    ],
)
def test_malformed_completions(text: str, problem: str) -> None:
    assert parse_completion(text) == Parsed(None, None, problem)
    assert not parse_completion(text).well_formed


# faults 31 and 32, pitfall 15: the original's pattern took 0.4 s on 800 blanks, so hours on any of these
@pytest.mark.parametrize(
    "text",
    [
        " " * 1_000_000,
        "<think>" + " " * 1_000_000,
        "<think>" + " \n" * 500_000 + "x</think><answer>red</answer>",
        "<think>" * 100_000,
        "<think>" * 100_000 + "</think>" * 100_000,
        "<think>" + "<" * 1_000_000 + "</think><answer>red</answer>",
        "</think><answer>red</answer><think>" + " " * 1_000_000,
    ],
    ids=[
        "blanks",
        "blanks after a tag",
        "blanks within tags",
        "opening tags",
        "nested tags",
        "angle brackets",
        "blanks after swapped tags",
    ],
)
def test_hostile_text_costs_linear_time(text: str) -> None:
    started = time.process_time()
    parse_completion(text)
    assert time.process_time() - started < 0.5  # takes about 5 ms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Tennis  racket.", "tennis racket"),
        ("  YES!\n", "yes"),
        ("an apple, a pear", "apple pear"),
        ("\uff32\uff25\uff24", "red"),  # full-width letters
        ("Stra\u00dfe", "strasse"),
        ("Cafe\u0301", "caf\u00e9"),
        ("left-hand", "left hand"),
        ("...", ""),
        ("the", ""),
        ("", ""),
    ],
)
def test_normalised(text: str, expected: str) -> None:
    assert normalised(text) == expected


@pytest.mark.parametrize(
    ("answer", "truth", "expected"),
    [
        ("red", "red", True),
        ("Red.", "red", True),
        ("the red", "red", True),
        ("tennis racket", "tennis racket", True),  # fault 35
        ("A tennis racket.", "Tennis racket", True),
        ("7", "7", True),
        ("17", "7", False),
        ("7", "17", False),
        ("tennis", "tennis racket", False),
        # pitfall 12: "yes" matched any is / are / correct, "no" any not / none
        ("No, it is not", "yes", False),
        ("No, there are not", "yes", False),  # fault 34
        ("correct", "yes", False),
        ("none", "no", False),
        ("yes no", "yes", False),  # fault 30
        ("yes no", "no", False),
        ("is it not right, left?", "yes", False),  # the constant answer that scored 0.653
        ("is it not right, left?", "no", False),
        ("is it not right, left?", "left", False),
        ("is it not right, left?", "right", False),
        # pitfall 13
        ("not red but blue", "red", False),
        ("not red but blue", "blue", False),
        ("is not left right", "left", False),  # fault 33
        ("is not left right", "right", False),
        ("", "", False),
        ("a", "the", False),  # both normalise to nothing
        (".", "", False),
        ("red", "", False),
        ("", "red", False),
        (None, "red", False),
        (None, "", False),
    ],
)
def test_is_correct(answer: str | None, truth: str, expected: bool) -> None:
    assert is_correct(answer, truth) is expected
