"""Records as `datasets.Dataset` of conversations with images, in the form that TRL's trainers take."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Image, Value

from reinforced_cot.data.examples import Example
from reinforced_cot.data.prompts import completion_messages, prompt_messages

REWARD_COLUMNS = ("id", "question", "answer", "question_type")  # what reward functions receive
_MESSAGES = [{"role": Value("string"), "content": Value("string")}]


def sft_dataset(examples: Sequence[Example], data: Path, prompt: Mapping[str, Any], lengths: Sequence[int]) -> Dataset:
    """Prompt/completion conversations, image beside; ``length`` (tokens) is what batches are grouped by."""
    return _dataset(
        examples,
        data,
        prompt,
        {"completion": _MESSAGES, "length": Value("int32")},
        lambda i, example: {
            "completion": completion_messages(example.cot, example.taught_answer),
            "length": lengths[i],
        },
    )


def rl_dataset(examples: Sequence[Example], data: Path, prompt: Mapping[str, Any]) -> Dataset:
    """Prompts with images, and the `REWARD_COLUMNS`."""
    return _dataset(
        examples,
        data,
        prompt,
        dict.fromkeys(REWARD_COLUMNS, Value("string")),
        lambda i, example: {column: getattr(example, column) for column in REWARD_COLUMNS},
    )


def _dataset(examples, data, prompt, columns, row) -> Dataset:  # type: ignore[no-untyped-def]
    features = Features({"prompt": _MESSAGES, "image": Image(), **columns})
    rows = [
        {
            "prompt": prompt_messages(example.question, prompt),
            "image": str(data / example.image),  # decoded when a batch is built: images never sit in memory
            **row(i, example),
        }
        for i, example in enumerate(examples)
    ]
    return Dataset.from_list(rows, features=features)
