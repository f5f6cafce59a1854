"""Asking a checkpoint questions: one greedy completion each and, as an option, samples at temperature 1."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, ProcessorMixin

from reinforced_cot.conversations import prompt_lengths
from reinforced_cot.examples import Example
from reinforced_cot.generation import generate
from reinforced_cot.models import context_length, load_model
from reinforced_cot.processors import load_processor


def load_policy(
    settings: Mapping[str, Any], examples: Sequence[Example], data: Path, model: Path
) -> tuple[PreTrainedModel, ProcessorMixin]:
    """A checkpoint and its processor, loaded after every prompt was found to fit.

    Args:
        settings: sections prompt, base_model and evaluation.
        data: the folder that the examples' images are relative to.
        model: a checkpoint folder.

    Raises:
        DataError: a prompt is too long, or the checkpoint is damaged.
    """
    trusted, new_tokens = settings["base_model"]["trust_remote_code"], settings["evaluation"]["max_new_tokens"]
    processor = load_processor(model, trust_remote_code=trusted)
    prompt_lengths(processor, examples, data, settings["prompt"], context_length(model, trusted), new_tokens)
    return load_model(model, settings["base_model"]), processor


def ask(
    settings: Mapping[str, Any],
    examples: Sequence[Example],
    data: Path,
    policy: PreTrainedModel,
    processor: ProcessorMixin,
) -> list[tuple[str, list[str]]]:
    """The greedy completion and the samples of every question, in the order of ``examples``.

    Args:
        settings: sections seed, prompt and evaluation.
        data: the folder that the examples' images are relative to.
    """
    prompt, evaluation = settings["prompt"], settings["evaluation"]
    options = {"batch_size": evaluation["batch_size"], "max_new_tokens": evaluation["max_new_tokens"]}
    greedy = generate(policy, processor, examples, data, prompt, **options)
    if not evaluation["samples"]:
        return [(texts[0], []) for texts in greedy]
    sampled = generate(
        policy, processor, examples, data, prompt, **options, samples=evaluation["samples"], seed=settings["seed"]
    )
    return [(texts[0], samples) for texts, samples in zip(greedy, sampled, strict=True)]
