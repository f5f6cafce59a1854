"""The one place where prompts and completions are written: SFT, RL and evaluation all call it.

A message's content is a list of parts, as chat templates and TRL's trainers take it. Image parts are placeholders: the
images themselves are passed beside the conversation, in the same order.
"""

from typing import Any

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.image_places import parted
from reinforced_cot.data.settings import Prompt

Message = dict[str, Any]
Part = dict[str, str]
_IMAGE: Part = {"type": "image"}


def prompt_messages(question: str, images: int, prompt: Prompt) -> list[Message]:
    """The conversation that asks ``question``.

    Args:
        question: the question alone. Each ``<image>`` in it becomes an image; without such places, all images come
            before the text.
        images: how many images the question shows.
        prompt: the configuration's section.
    """
    system = [{"role": "system", "content": [_text(prompt.system)]}] if prompt.system else []
    text = f"{question}\n{prompt.instruction}" if prompt.instruction else question
    return [*system, {"role": "user", "content": _parts(text, images)}]


def _parts(text: str, images: int) -> list[Part]:
    first, *others = parted(text)
    if not others:
        return [*[dict(_IMAGE)] * images, _text(text)]
    parts = [_text(first)] if first else []
    for following in others:
        parts += [dict(_IMAGE), *([_text(following)] if following else [])]
    return parts


def _text(text: str) -> Part:
    return {"type": "text", "text": text}


def completion_messages(chain: str, answer: str) -> list[Message]:
    """The assistant's turn that SFT learns: the chain of thought and the answer, each in its tags."""
    return [{"role": "assistant", "content": completion_text(chain, answer)}]
