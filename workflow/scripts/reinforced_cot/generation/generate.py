"""Completions of a policy for questions with images: greedy, or sampled at temperature 1."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import PreTrainedModel, ProcessorMixin

from reinforced_cot.data.examples import Example, ShownImages
from reinforced_cot.data.settings import Prompt
from reinforced_cot.generation.batching import Batch, Completion, batches, shown_images
from reinforced_cot.generation.decoding import complete, end_tokens
from reinforced_cot.generation.rendering import started_turn
from reinforced_cot.models.processors import vision_token_ids
from reinforced_cot.processes import rank
from reinforced_cot.seeds import mixed


def generate(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    examples: Sequence[Example],
    data: Path,
    prompt: Prompt,
    *,
    batch_size: int,
    images: Sequence[ShownImages] | None = None,
    **options: Any,
) -> list[list[Completion]]:
    """Ask ``model`` every question; further options are those of `generate_batch`.

    Args:
        images: as for `batches`.

    Returns:
        For each example, in order, its completions: one, or ``samples`` of them.
    """
    all_batches = batches(examples, batch_size, images)
    answered = generate_batches(model, processor, all_batches, data, prompt, **options)
    return [completions for _, batch_completions in answered for completions in batch_completions]


def generate_batches(
    model: PreTrainedModel, processor: ProcessorMixin, chosen: Sequence[Batch], *args: Any, **options: Any
) -> Iterator[tuple[Batch, list[list[Completion]]]]:
    """Yield each batch with its completions, as they come; further arguments are those of `generate_batch`."""
    name = "sample" if options.get("samples") else "generate"
    for batch in tqdm(chosen, desc=name, unit="batch", disable=rank() != 0):
        yield batch, generate_batch(model, processor, batch, *args, **options)


@torch.no_grad()
def generate_batch(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    batch: Batch,
    data: Path,
    prompt: Prompt,
    *,
    max_new_tokens: int,
    samples: int = 0,
    seed: int = 0,
    begin: str = "",
) -> list[list[Completion]]:
    """Ask ``model`` the questions of one batch; each batch draws from a random stream of its own.

    Args:
        data: the folder that image paths are relative to.
        samples: 0 for one greedy completion per question, else how many to draw per question at temperature 1, without
            top-k or top-p.
        seed: the sampling follows from it and from the batch's number.
        begin: text written for the policy at the start of its turn; completions do not include it.

    Returns:
        For each question its completions; without ``begin``, they include what the prompt has opened.
    """
    model.eval()
    sampling: dict[str, Any] = {"do_sample": False}
    if samples:
        sampling = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
    turns = [started_turn(processor, example, prompt, begin) for example in batch.examples]
    inputs = processor(
        text=[turn.text for turn in turns],
        images=shown_images(batch, data),
        padding=True,
        padding_side="left",
        add_special_tokens=False,
        return_tensors="pt",
    ).to(model.device)
    per_question, ends = samples or 1, end_tokens(model, processor.tokenizer)
    with torch.random.fork_rng():  # a trainer that asks questions in between keeps its own random state
        torch.manual_seed(mixed(seed, "generate", batch.number))
        sequences = complete(
            model,
            inputs,
            torch.arange(len(batch.examples), device=model.device).repeat_interleave(per_question),
            max_new_tokens,
            ends,
            eos_token_id=ends,
            suppress_tokens=vision_token_ids(processor),
            **sampling,
        )
    texts = processor.tokenizer.batch_decode(sequences, skip_special_tokens=True)
    written = [turn.written for turn in turns for _ in range(per_question)]
    completions = [
        Completion(beginning + text, ids[-1] not in ends)
        for beginning, text, ids in zip(written, texts, sequences, strict=True)
    ]
    return [completions[i : i + per_question] for i in range(0, len(completions), per_question)]
