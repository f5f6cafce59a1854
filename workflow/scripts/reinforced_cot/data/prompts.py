"""The one place where prompts and completions are written: SFT, RL and evaluation all call it.

A prompt is a conversation whose user message holds text. `with_image` inserts the image before that text; in TRL's
trainers, ``prepare_multimodal_messages`` does so. Both give the same tokens (tests/unit/training/test_grpo.py).
"""

from typing import Any

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.settings import Prompt

Message = dict[str, Any]


def prompt_messages(question: str, prompt: Prompt) -> list[Message]:
    """The conversation that asks ``question``.

    Args:
        question: the question alone.
        prompt: the configuration's section.
    """
    system = [{"role": "system", "content": prompt.system}] if prompt.system else []
    text = f"{question}\n{prompt.instruction}" if prompt.instruction else question
    return [*system, {"role": "user", "content": text}]


def completion_messages(cot: str, answer: str) -> list[Message]:
    """The assistant's turn that SFT learns: the chain of thought and the answer, each in its tags."""
    return [{"role": "assistant", "content": completion_text(cot, answer)}]


def with_image(messages: list[Message]) -> list[Message]:
    """Turn each content into a list of parts, with an image part before the user's text, as chat templates expect."""
    return [
        {
            **message,
            "content": [
                *([{"type": "image"}] if message["role"] == "user" else []),
                {"type": "text", "text": message["content"]},
            ],
        }
        for message in messages
    ]
