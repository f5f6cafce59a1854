"""The parser of completions: well-formed ones, the problems of malformed ones, and linear cost on hostile text."""

import time

import pytest

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.parsing import MAX_ANSWER_CHARACTERS, MAX_CHARACTERS, Parsed, parse_completion

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


# texts that a policy may write to earn a reward, and texts with missing parts
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
        (GOOD.replace("red<", "r" * 501 + "<"), f"an answer of more than {MAX_ANSWER_CHARACTERS} characters"),
        ("<think>" + "x" * MAX_CHARACTERS, f"longer than {MAX_CHARACTERS} characters"),
    ],
)
def test_malformed_completions(text: str, problem: str) -> None:
    assert parse_completion(text) == Parsed(None, None, problem)
    assert not parse_completion(text).well_formed


# the original's pattern took 0.4 s on 800 blanks, so hours on any of these
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
