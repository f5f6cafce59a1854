"""The prompt's wording and form."""

from typing import Any

import pytest

from reinforced_cot.data.prompts import completion_messages, prompt_messages, with_image
from reinforced_cot.data.settings import Prompt

QUESTION = "What color is it?"


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


@pytest.mark.parametrize(
    ("system", "instruction", "expected"),
    [
        (None, "", [user(QUESTION)]),
        ("", "", [user(QUESTION)]),
        (None, "Think first.", [user(f"{QUESTION}\nThink first.")]),
        ("Be brief.", "", [{"role": "system", "content": "Be brief."}, user(QUESTION)]),
        (
            "Be brief.",
            "Think first.",
            [{"role": "system", "content": "Be brief."}, user(f"{QUESTION}\nThink first.")],
        ),
    ],
)
def test_prompt_messages(system: str | None, instruction: str, expected: list[dict[str, Any]]) -> None:
    assert prompt_messages(QUESTION, Prompt(system=system, instruction=instruction, max_tokens=9)) == expected


def test_completion_messages() -> None:
    assert completion_messages("QUERY(color): red", "red") == [
        {"role": "assistant", "content": "<think>\nQUERY(color): red\n</think>\n<answer>\nred\n</answer>"}
    ]


# the original wrote {"type": "text", "content": ...}, and Qwen's template, which reads `text`, dropped it
def test_one_image_part_before_the_users_text() -> None:
    messages = [{"role": "system", "content": "Be brief."}, user(QUESTION)]
    assert with_image(messages) == [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]},
    ]
    assert messages[1]["content"] == QUESTION  # the argument stays as it was
