"""What a prompt has opened, and the rest of the completion: together they are the completion, as a parser reads it."""

import pytest

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.opened_chains import after_opening, opened_by
from reinforced_cot.data.parsing import parse_completion

HEADER = "<|im_start|>assistant\n"


@pytest.mark.parametrize("opened", ["", "<think>", "<think>\n", "<think>\n\n", "<think> ", "<think> \n"])
def test_both_parts_make_a_well_formed_completion(opened: str) -> None:
    completion = completion_text("I look.\n\nIt is red.", "red")
    assert opened_by(HEADER + opened) == opened
    whole = opened + after_opening(completion, opened)
    assert parse_completion(whole) == parse_completion(completion)
    if completion.startswith(opened):
        assert whole == completion
    assert after_opening(whole, opened) == after_opening(completion, opened)


@pytest.mark.parametrize(
    "end", ["<think></think>\n", "<think>\n\n</think>\n\n", "<thinking>\n", "<think>\nI", "think>", "<|think|>\n"]
)
def test_other_ends_open_nothing(end: str) -> None:
    assert opened_by(HEADER + end) == ""


def test_a_tag_within_the_prompt_opens_nothing() -> None:
    assert opened_by("Write <think> first.<|im_end|>\n" + HEADER) == ""


def test_an_empty_chain_is_written_behind_what_is_opened() -> None:
    empty = completion_text("", "")
    assert after_opening(empty, "<think>\n") == "\n</think>\n<answer>\n\n</answer>"
    assert after_opening("", "<think>\n") == ""
