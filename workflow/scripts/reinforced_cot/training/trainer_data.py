"""The trainers' data: records as `datasets.Dataset` of conversations with images, and the order of training rows."""

from collections.abc import Sequence
from pathlib import Path

import torch
from datasets import Dataset, Features, Image, List, Value
from transformers.trainer_pt_utils import LengthGroupedSampler
from trl.trainer.utils import RepeatSampler

from reinforced_cot.data.examples import Example
from reinforced_cot.data.prompts import completion_messages, prompt_messages
from reinforced_cot.data.settings import Prompt
from reinforced_cot.seeds import mixed

_MESSAGES = [{"role": Value("string"), "content": Value("string")}]
_PARTS = [{"role": Value("string"), "content": [{"type": Value("string"), "text": Value("string")}]}]


def sft_dataset(examples: Sequence[Example], data: Path, prompt: Prompt, lengths: Sequence[int]) -> Dataset:
    """Prompt/completion conversations with their images; batches are grouped by ``length``, in tokens."""
    return _dataset(
        examples,
        data,
        prompt,
        {"completion": _MESSAGES, "length": Value("int32")},
        lambda i, example: {
            "completion": completion_messages(example.chain, example.taught_answer),
            "length": lengths[i],
        },
    )


def rl_dataset(examples: Sequence[Example], data: Path, prompt: Prompt) -> Dataset:
    """Prompts with images, and the `reward_columns`."""
    columns = dict.fromkeys(reward_columns(examples[0]), Value("string"))
    return _dataset(examples, data, prompt, columns, lambda i, example: reward_columns(example))


def reward_columns(example: Example) -> dict[str, str]:
    """What reward functions receive of a record; they get lists and other values by its id (`reward_loading`)."""
    return {
        "id": example.id,
        "question": example.question_text,
        "answer": example.answer,
        "question_type": example.question_type,
    }


def _dataset(examples, data, prompt, columns, row) -> Dataset:  # type: ignore[no-untyped-def]
    features = Features({"prompt": _PARTS, "images": List(Image()), **columns})
    rows = [
        {
            "prompt": prompt_messages(example.question, len(example.images), prompt),
            "images": [
                str(data / name) for name in example.images
            ],  # decoded when a batch is built: images never sit in memory
            **row(i, example),
        }
        for i, example in enumerate(examples)
    ]
    return Dataset.from_list(rows, features=features)


class LengthEpochSampler(LengthGroupedSampler):
    """Batches of like length in an order that follows from seed and epoch alone.

    The stock sampler draws from torch's global state: a run that resumes within an epoch would see some rows twice and
    others never.
    """

    def __init__(self, batch_size: int, lengths: list[int], seed: int) -> None:
        super().__init__(batch_size, lengths=lengths, generator=torch.Generator())
        self._seed = seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch; the data loader calls this."""
        self.generator.manual_seed(mixed(self._seed, "sft epoch", epoch))


class GroupEpochSampler(RepeatSampler):
    """TRL's sampler of groups in an order that follows from seed and epoch alone.

    The stock sampler goes on drawing from one generator: a run that resumes in its second epoch would see the order of
    the first one again.
    """

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch; the data loader calls this."""
        if self.shuffle:
            self.generator.manual_seed(mixed(self.seed, "rl epoch", epoch))
