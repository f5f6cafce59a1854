"""Prompts as a model's chat template renders them, what SFT teaches behind them, and how long both are."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from transformers import ProcessorMixin

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.data.image_places import parted
from reinforced_cot.data.opened_chains import after_opening, opened_by
from reinforced_cot.data.prompts import prompt_messages
from reinforced_cot.data.settings import Prompt
from reinforced_cot.errors import DataError
from reinforced_cot.models.processors import prompt_length


def rendered_prompt(processor: ProcessorMixin, example: Example, prompt: Prompt) -> str:
    """Render the prompt of a question by the chat template, up to and with the assistant's header.

    Raises:
        DataError: the template drops the question (the original trained without it).
    """
    messages = prompt_messages(example.question, len(example.images), prompt)
    text: str = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    for stretch in parted(example.question):
        if stretch not in text:
            raise DataError(f"the chat template drops the question: {stretch!r} is not in {text!r}")
    return text


class StartedTurn(NamedTuple):
    """What a policy goes on from.

    Attributes:
        text: the rendered prompt, and what is written for the policy behind it.
        written: the part of ``text`` that its completion begins with.
    """

    text: str
    written: str


def started_turn(processor: ProcessorMixin, example: Example, prompt: Prompt, begin: str = "") -> StartedTurn:
    """Render the prompt of a question, and begin the policy's turn.

    Args:
        begin: the beginning of a completion that is written for the policy, which its completion does not include;
            without it, the completion begins with what the prompt has opened.
    """
    text = rendered_prompt(processor, example, prompt)
    opened = opened_by(text)
    return StartedTurn(text + after_opening(begin, opened), "" if begin else opened)


def taught_text(processor: ProcessorMixin, prompt: str, completion: str) -> str:
    """What SFT teaches behind a rendered prompt: the completion without what the prompt has opened, and its end.

    The template does not render it: templates of models that think by themselves leave chains out of turns.
    """
    end = processor.tokenizer.eos_token + "\n"  # chat templates end a turn with these two
    return after_opening(completion, opened_by(prompt)) + end


def completion_lengths(processor: ProcessorMixin, examples: Sequence[Example], prompt: Prompt) -> list[int]:
    """Count the tokens that SFT teaches of each example's completion, with its end."""
    texts = [
        taught_text(
            processor,
            rendered_prompt(processor, example, prompt),
            completion_text(example.chain, example.taught_answer),
        )
        for example in examples
    ]
    return [len(ids) for ids in processor.tokenizer(texts, add_special_tokens=False)["input_ids"]]


def _check_assistant_header(processor: ProcessorMixin, prompt: Prompt) -> None:
    messages = prompt_messages("?", 1, prompt)
    texts = {
        processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=add) for add in (True, False)
    }
    if len(texts) == 1:
        raise DataError("the chat template has no assistant header: add_generation_prompt changes nothing")


def prompt_lengths(
    processor: ProcessorMixin,
    examples: Sequence[Example],
    data: Path,
    prompt: Prompt,
    context: int,
    new_tokens: int | Sequence[int],
) -> list[int]:
    """Count each prompt's tokens and refuse a prompt that does not fit, since none is ever truncated (trl#4289).

    This is done before a model is loaded.

    Args:
        context: how many positions the model has.
        new_tokens: how many tokens follow each prompt: one limit for all, or the length of each prompt's completion.

    Raises:
        DataError: the template drops the question or the assistant's header; or a prompt is longer than
            ``prompt.max_tokens``, or does not fit into the context together with its completion.
    """
    _check_assistant_header(processor, prompt)
    following = [new_tokens] * len(examples) if isinstance(new_tokens, int) else new_tokens
    lengths = unchecked_lengths(processor, examples, data, prompt)
    for example, length, after in zip(examples, lengths, following, strict=True):
        if length > prompt.max_tokens:
            raise DataError(
                f"{_named(example)} has {length} tokens, more than prompt.max_tokens {prompt.max_tokens}: raise it, or "
                "lower image.max_pixels"
            )
        if length + after > context:
            raise DataError(
                f"{_named(example)} has {length} tokens, which with {after} more do not fit into the model's {context} "
                "positions: lower image.max_pixels or the number of new tokens"
            )
    return lengths


def _named(example: Example) -> str:
    return f"the prompt of {example.id} ({', '.join(example.images)})"


def unchecked_lengths(processor: ProcessorMixin, examples: Sequence[Example], data: Path, prompt: Prompt) -> list[int]:
    """Count the tokens of each prompt with its images."""
    sizes: dict[str, tuple[int, int]] = {}
    for name in {name for example in examples for name in example.images}:
        with Image.open(data / name) as image:
            sizes[name] = image.size
    return [
        prompt_length(processor, rendered_prompt(processor, example, prompt), [sizes[name] for name in example.images])
        for example in examples
    ]
