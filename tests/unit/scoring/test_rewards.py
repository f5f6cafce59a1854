"""Rewards: tables of valid, invalid and mixed completions in TRL's calling form."""

from collections.abc import Callable
from typing import Any

import pytest

from reinforced_cot.data.completions import completion_text
from reinforced_cot.scoring.rewards import (
    REWARDS,
    brevity_reward,
    consistency_reward,
    correctness_reward,
    format_reward,
    overlong_reward,
    tag_count_reward,
)

SELECT = "SELECT(top left): red 7\n"
RIGHT = completion_text(SELECT + "QUERY(color): red", "red")
WRONG = completion_text("QUERY(color): blue", "blue")
RIGHT_INCONSISTENT = completion_text("QUERY(color): blue", "red")
WRONG_INCONSISTENT = completion_text("QUERY(color): red", "blue")
UNDECIDED = completion_text("I look.", "red")
LONG = completion_text(SELECT + "QUERY(color): red", "it is the red")
THREE_WORDS = completion_text(SELECT + "QUERY(color): red", "it is red")
NO_ANSWER = "<think>QUERY(color): red</think>"
NO_THINKING = "<answer>red</answer>"
SWAPPED = "<answer>red</answer><think>QUERY(color): red</think>"
TWO_ANSWERS = RIGHT + "<answer>blue</answer>"


def call(reward: Callable[..., list[float]], *texts: str, truth: str = "red") -> list[float]:
    """As TRL's trainer calls a reward: everything by keyword, each data set column as a list."""
    return reward(
        prompts=[[{"role": "user", "content": "What color?"}]] * len(texts),
        completions=[[{"role": "assistant", "content": text}] for text in texts],
        completion_ids=[[1, 2]] * len(texts),
        question=["What color is it?"] * len(texts),
        answer=[truth] * len(texts),
        id=["q"] * len(texts),
        question_type=["color"] * len(texts),
        images=[None] * len(texts),
        trainer_state=None,
        log_extra=None,
        log_metric=None,
        environments=None,
        max_completion_length=64,  # what `load_rewards` adds
    )


@pytest.mark.parametrize(
    ("text", "form", "correct", "consistent", "brief", "tags"),
    [
        (RIGHT, 1, 1, 1, 0, 1),
        (WRONG, 1, 0, 0, 0, 1),
        (RIGHT_INCONSISTENT, 1, 1, -1, 0, 1),
        (WRONG_INCONSISTENT, 1, 0, -1, 0, 1),
        (UNDECIDED, 1, 1, 0, 0, 1),
        (THREE_WORDS, 1, 1, 1, 0, 1),
        (LONG, 1, 1, 1, -1, 1),
        (NO_ANSWER, 0, 0, -1, -1, 0.5),
        (NO_THINKING, 0, 0, -1, -1, 0.5),
        (SWAPPED, 0, 0, -1, -1, 1),
        (TWO_ANSWERS, 0, 0, -1, -1, 0.5),
        ("text " + RIGHT, 0, 0, -1, -1, 1),  # text before the tags
        ("red", 0, 0, -1, -1, 0),
        ("", 0, 0, -1, -1, 0),  # an empty text
    ],
)
def test_each_reward(text: str, form: float, correct: float, consistent: float, brief: float, tags: float) -> None:
    assert call(format_reward, text) == [form]
    assert call(correctness_reward, text) == [correct]
    assert call(consistency_reward, text) == [consistent]
    assert call(brevity_reward, text) == [brief]
    assert call(tag_count_reward, text) == [tags]


def test_mixed_batches_keep_their_order() -> None:
    texts = (RIGHT, "", WRONG, RIGHT_INCONSISTENT, NO_ANSWER)
    assert call(format_reward, *texts) == [1, 0, 1, 1, 0]
    assert call(correctness_reward, *texts) == [1, 0, 0, 1, 0]
    assert call(consistency_reward, *texts) == [1, -1, 0, -1, -1]


def test_each_completion_is_compared_with_its_own_answer() -> None:
    completions = [[{"role": "assistant", "content": text}] for text in (RIGHT, RIGHT, WRONG)]
    columns: dict[str, Any] = {"question": ["?"] * 3, "answer": ["red", "blue", "blue"]}
    assert correctness_reward(completions, **columns) == [1, 0, 1]
    assert consistency_reward(completions, **columns) == [1, 0, 0]  # blue by a chain of one step, which only copies


@pytest.mark.parametrize(
    ("answers", "paid"),
    [
        (["red"], 1),
        (["blue", "red"], 1),  # each was given once: both count
        (["blue", "blue", "red"], 0),
        (["blue"] * 4 + ["red"] * 3, 1),  # three annotators are enough
        (["blue"] * 4 + ["red"] * 2, 0),
        (["blue", "green"], 0),
    ],
)
def test_an_answer_is_right_if_it_is_one_of_those_that_count(answers: list[str], paid: int) -> None:
    completions: Any = [[{"role": "assistant", "content": text}] for text in (RIGHT, RIGHT_INCONSISTENT)]
    columns: dict[str, Any] = {"answer": answers[:1] * 2, "answers": [answers] * 2}
    columns["question"] = ["What color is it?"] * 2
    assert correctness_reward(completions, **columns) == [paid, paid]
    assert consistency_reward(completions, **columns) == [paid, -1]


def test_answers_that_do_not_match_the_completions_are_an_error() -> None:
    completions = [[{"role": "assistant", "content": RIGHT}]]
    for reward in (correctness_reward, consistency_reward):
        with pytest.raises(ValueError, match="zip"):
            reward(completions, question=["?"], answer=["red", "red"])


@pytest.mark.parametrize("name", REWARDS)
def test_rewards_take_trls_calling_form(name: str) -> None:
    values: list[Any] = call(REWARDS[name], RIGHT, WRONG, "")
    assert [type(value) for value in values] == [float] * 3
    assert call(REWARDS[name]) == []


# in the original, leaving the answer out was worth 0.4, a wrong answer -0.2; no thinking 2.0, inconsistent thinking 1.5
def test_leaving_a_part_out_never_pays() -> None:
    def total(text: str) -> float:
        weights = {"format": 0.5, "correctness": 2.0, "consistency": 0.5, "brevity": 0.5}
        return sum(weight * call(REWARDS[name], text)[0] for name, weight in weights.items())

    assert call(correctness_reward, NO_ANSWER) == call(correctness_reward, WRONG)
    assert total(NO_ANSWER) < total(WRONG)
    assert total(NO_THINKING) < total(RIGHT_INCONSISTENT) < total(RIGHT)
    wordy = completion_text(SELECT + "QUERY(color): red", "blue as the deep sea")
    assert total(NO_ANSWER) < total(WRONG_INCONSISTENT) and total(NO_ANSWER) <= total(wordy)
    for name in REWARDS.keys() - {"tag_count", "original"}:  # hence at any weights
        assert call(REWARDS[name], NO_ANSWER) <= min(call(REWARDS[name], text) for text in (WRONG, wordy))
    assert total(WRONG) < total(RIGHT_INCONSISTENT)


def test_overlong_completions_are_punished_softly() -> None:
    """DAPO, eq. 13: 0 up to 16384 of 20480 tokens, then linearly to -1."""
    lengths = [0, 80, 81, 90, 100, 120]
    ids = [[7] * length for length in lengths]
    rewards = overlong_reward([], completion_ids=ids, max_completion_length=100)
    assert rewards == pytest.approx([0.0, 0.0, -0.05, -0.5, -1.0, -1.0])
