"""The prompt's wording and form."""

from typing import Any

import pytest

from reinforced_cot.data.prompts import completion_messages, prompt_messages
from reinforced_cot.data.settings import Prompt

QUESTION = "What color is it?"
IMAGE = {"type": "image"}


def text(words: str) -> dict[str, str]:
    # the original wrote {"type": "text", "content": ...}, and Qwen's template, which reads `text`, dropped it
    return {"type": "text", "text": words}


def user(*parts: dict[str, str]) -> dict[str, Any]:
    return {"role": "user", "content": [*parts]}


BRIEF = {"role": "system", "content": [text("Be brief.")]}


@pytest.mark.parametrize(
    ("system", "instruction", "expected"),
    [
        (None, "", [user(IMAGE, text(QUESTION))]),
        ("", "", [user(IMAGE, text(QUESTION))]),
        (None, "Think first.", [user(IMAGE, text(f"{QUESTION}\nThink first."))]),
        ("Be brief.", "", [BRIEF, user(IMAGE, text(QUESTION))]),
        ("Be brief.", "Think first.", [BRIEF, user(IMAGE, text(f"{QUESTION}\nThink first."))]),
    ],
)
def test_prompt_messages(system: str | None, instruction: str, expected: list[dict[str, Any]]) -> None:
    assert prompt_messages(QUESTION, 1, Prompt(system=system, instruction=instruction, max_tokens=9)) == expected


@pytest.mark.parametrize(
    ("question", "instruction", "expected"),
    [
        ("Same?", "", [IMAGE, IMAGE, text("Same?")]),  # without places, all images come first
        ("Same?", "Think.", [IMAGE, IMAGE, text("Same?\nThink.")]),
        ("Is <image> as <image>?", "", [text("Is "), IMAGE, text(" as "), IMAGE, text("?")]),
        ("<image> and <image>", "", [IMAGE, text(" and "), IMAGE]),
        ("<image> and <image>", "Think.", [IMAGE, text(" and "), IMAGE, text("\nThink.")]),
        ("Same? <image><image>", "", [text("Same? "), IMAGE, IMAGE]),
    ],
)
def test_each_of_two_images_has_its_place(question: str, instruction: str, expected: list[dict[str, str]]) -> None:
    assert prompt_messages(question, 2, Prompt(instruction=instruction, max_tokens=9)) == [user(*expected)]


def test_parts_are_not_shared_between_messages() -> None:
    first, second = (prompt_messages(QUESTION, 2, Prompt(max_tokens=9)) for _ in range(2))
    first[0]["content"][0]["image"] = "x"
    assert second == [user(IMAGE, IMAGE, text(QUESTION))]


def test_completion_messages() -> None:
    assert completion_messages("QUERY(color): red", "red") == [
        {"role": "assistant", "content": "<think>\nQUERY(color): red\n</think>\n<answer>\nred\n</answer>"}
    ]
