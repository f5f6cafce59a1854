"""Asking a checkpoint questions: one greedy completion each, and what tells how much of it is looking and thinking."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, ProcessorMixin

from reinforced_cot.cheats import other_images
from reinforced_cot.completions import ANSWER_OPEN, completion_text
from reinforced_cot.conversations import prompt_lengths
from reinforced_cot.examples import Example
from reinforced_cot.generation import Completion, generate
from reinforced_cot.models import context_length, load_model
from reinforced_cot.predictions import Prediction, unscored
from reinforced_cot.processors import load_processor
from reinforced_cot.seeds import subset

NO_CHAIN = completion_text("", "").partition(ANSWER_OPEN)[0] + ANSWER_OPEN + "\n"  # the answer comes next
DIRECT_TOKENS = 16  # as lmms-eval's GQA


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
) -> list[Prediction]:
    """A row of `predictions.jsonl` for every question, unscored, in the order of ``examples``.

    Besides the greedy completion, as the settings ask: samples at temperature 1, the answer without a chain, and the
    completions for a blank and for another question's image.

    Args:
        settings: sections seed, prompt and evaluation.
        data: the folder that the examples' images are relative to.
    """
    evaluation, seed = settings["evaluation"], settings["seed"]

    def asked(examples: Sequence[Example], **options: Any) -> list[list[Completion]]:
        tokens = {"batch_size": evaluation["batch_size"], "max_new_tokens": evaluation["max_new_tokens"]}
        return generate(policy, processor, examples, data, settings["prompt"], **{**tokens, **options})

    rows = [
        unscored(example, completion.text, truncated=completion.truncated)
        for example, [completion] in zip(examples, asked(examples), strict=True)
    ]
    if evaluation["samples"]:
        drawn = asked(examples, samples=evaluation["samples"], seed=seed)
        for row, completions in zip(rows, drawn, strict=True):
            row["samples"] = [completion.text for completion in completions]
    if evaluation["direct"]:
        for row, [completion] in zip(rows, asked(examples, begin=NO_CHAIN, max_new_tokens=DIRECT_TOKENS), strict=True):
            row["direct_raw"] = completion.text
    probed = subset(examples, evaluation["probes"], seed)
    if probed:
        by_id = {row["id"]: row for row in rows}
        looks = {"blank_image_raw": [None] * len(probed), "shuffled_image_raw": other_images(probed, seed)}
        for key, images in looks.items():
            for example, [completion] in zip(probed, asked(probed, images=images), strict=True):
                by_id[example.id][key] = completion.text
    return rows
