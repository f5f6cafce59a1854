"""When an answer is right: an adversarial table written from the specification alone, and what hacks earn."""

import json
import time
from typing import Any

import pytest
from places import DATA, SHARED

from reinforced_cot.matching.answer_matching import core, is_correct, polarity

SAMPLE = SHARED / "data/gqa-cot-sample/train_data.jsonl"
CASES = [json.loads(line) for line in (DATA / "answer_cases.jsonl").read_text(encoding="utf-8").splitlines()]
PREFIX = "Please answer based on the image content: "


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['answer']!r} for {case['truth']!r}"[:70])
def test_the_adversarial_table(case: dict[str, Any]) -> None:
    correct = is_correct(case["answer"], case["truth"] or "", case["question"] or "")
    assert correct is case["expected"], case["reason"]


@pytest.mark.parametrize(
    ("answer", "truth", "expected"),
    [
        ("tennis racket", "tennis racket", True),  # two words, whole
        ("tennis", "tennis racket", False),
        ("17", "7", False),
        # in the original, "yes" matched any is / are / correct, "no" any not / none
        ("No, it is not", "yes", False),
        ("No, there are not", "yes", False),
        ("Incorrect.", "no", True),  # alone, and only alone
        ("it is correct", "yes", False),
        ("none", "no", False),
        ("yes no", "yes", False),  # both at once are neither
        ("yes no", "no", False),
        ("true false yes no left right", "yes", False),
        ("is it not right, left?", "left", False),  # the constant answer that scored 0.653
        ("not red but blue", "red", False),  # a denied word is no answer
        ("not red but blue", "blue", True),
        ("is not left right", "left", False),  # both choices at once
        ("is not left right", "right", False),
        ("a", "the", False),  # both say nothing
        (None, "red", False),
    ],
)
def test_answers_without_their_question(answer: str | None, truth: str, expected: bool) -> None:
    assert is_correct(answer, truth) is expected


@pytest.mark.parametrize(
    ("question", "truth", "both"),
    [
        ("Is the table made of wood or of metal?", "wood", "wood metal"),
        ("Is the cup on the table or on the shelf?", "table", "table shelf"),
        ("Is the food in the bowl or in the box?", "bowl", "bowl box"),
        ("Is the man wearing a hat or wearing a helmet?", "hat", "hat helmet"),
        ("Does the shirt look red or does it look blue?", "red", "red blue"),
        ("Is the shirt red, blue, or green?", "green", "red blue green"),
        ("Is the shirt light red, blue or green?", "blue", "red blue green"),
        ("Is that a cup or a can?", "Cup", "cup can"),
        ("Is it a tennis racket or a baseball bat?", "tennis racket", "tennis racket baseball bat"),
        ("Is the cat in or on the box?", "on", "in on the box"),
    ],
)
def test_naming_what_a_question_offers_is_no_choice(question: str, truth: str, both: str) -> None:
    assert not is_correct(both, truth, question)
    assert is_correct(truth, truth, question) and is_correct(f"It is {truth}.", truth, question)


def test_a_yes_before_another_answer_is_another_answer() -> None:
    assert not is_correct("yes, right", "right", "Is the cup on the right or on the left?")
    assert is_correct("yes, it is on the right", "yes", "Is the cup on the right?")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("Yes.", True), ("no", False), ("There is a cat.", True), ("There isn't one", False), ("it is not", None)],
)
def test_polarity(answer: str, expected: bool | None) -> None:
    assert polarity(answer) is expected


def test_core_keeps_what_stands_between_two_words_that_count() -> None:
    assert core("It is in front of the car.") == ["front", "of", "car"]
    assert core("it is") == ["it", "is"]


@pytest.fixture(scope="module")
def sample() -> list[tuple[str, str]]:
    """Questions and true answers of real data."""
    if not SAMPLE.is_file():
        pytest.skip("gqa-cot-sample is not beside the repository")
    rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    return [(row["instruction"].removeprefix(PREFIX), row["answer"]) for row in rows]


def test_every_true_answer_is_right(sample: list[tuple[str, str]]) -> None:
    for question, truth in sample:
        assert is_correct(truth, truth, question)
        assert is_correct(f"It is {truth.lower()}.", truth, question) or truth in ("Yes", "No")


@pytest.mark.parametrize(
    ("hack", "limit"),
    [
        ("is it not right, left?", 0.02),
        ("is it not right, left", 0.02),
        ("yes no", 0.02),
        ("left right", 0.02),
        ("is are correct", 0.02),
        ("not none", 0.02),
        ("", 0.02),
        ("yes, no, left, right, white, red, blue, black, top, bottom", 0.02),
        ("the answer is yes or no", 0.02),
        ("no", 0.30),  # the most frequent answer earns its frequency
        ("yes", 0.30),
        ("left", 0.30),
    ],
)
def test_a_constant_answer_earns_no_more_than_it_is_frequent(
    sample: list[tuple[str, str]], hack: str, limit: float
) -> None:  # the original gave 0.653 to the first
    assert sum(is_correct(hack, truth, question) for question, truth in sample) / len(sample) <= limit


def test_echoing_the_question_earns_nothing(sample: list[tuple[str, str]]) -> None:
    for echo in (str.lower, lambda question: question.rstrip("?"), lambda question: f"yes, {question}"):
        assert sum(is_correct(echo(question), truth, question) for question, truth in sample) / len(sample) <= 0.02


@pytest.mark.parametrize("text", ["red " * 20_000, "not " * 20_000, "a," * 40_000, "n't" * 20_000, "'s" * 40_000])
def test_hostile_text_costs_linear_time(text: str) -> None:
    def seconds(length: int) -> float:
        started = time.process_time()
        is_correct(text[:length], "red", "Is it red or blue?")
        return time.process_time() - started

    short, long = min(seconds(10_000) for _ in range(3)), min(seconds(60_000) for _ in range(3))
    assert long < 40 * max(short, 1e-3)  # six times the text; quadratic would be 36 times, over the floor
