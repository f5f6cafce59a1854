"""Completions of a policy for questions with images: greedy, or sampled at temperature 1."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tqdm import tqdm
from transformers import PreTrainedModel, ProcessorMixin

from reinforced_cot.conversations import rendered_prompt
from reinforced_cot.examples import Example
from reinforced_cot.processors import vision_token_ids
from reinforced_cot.seeds import mixed


@torch.no_grad()
def generate(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    examples: Sequence[Example],
    data: Path,
    prompt: Mapping[str, Any],
    *,
    batch_size: int,
    max_new_tokens: int,
    samples: int = 0,
    seed: int = 0,
    images: Sequence[str] | None = None,
) -> list[list[str]]:
    """Ask ``model`` every question.

    Args:
        data: the folder that the examples' image paths are relative to.
        batch_size: questions a batch.
        samples: 0 for one greedy completion a question, else how many to draw at temperature 1, without top-k or top-p.
        seed: of the sampling; every batch draws from a stream of its own.
        images: in place of the examples' own images, one each (a policy that looks answers worse on another's image).

    Returns:
        For each example, in order, its completions without special tokens: 1 or ``samples`` of them.
    """
    model.eval()
    paths = images or [example.image for example in examples]
    sampling: dict[str, Any] = {"do_sample": False}
    if samples:
        sampling = {
            "do_sample": True,
            "temperature": 1.0,
            "top_k": 0,
            "top_p": 1.0,
            "num_return_sequences": samples,
        }
    completions: list[list[str]] = []
    starts = range(0, len(examples), batch_size)
    for number, start in enumerate(tqdm(starts, desc="sample" if samples else "generate", unit="batch")):
        batch = slice(start, start + batch_size)
        inputs = processor(
            text=[rendered_prompt(processor, example.question, prompt) for example in examples[batch]],
            images=[_open(data / path) for path in paths[batch]],
            padding=True,
            padding_side="left",
            add_special_tokens=False,
            return_tensors="pt",
        ).to(model.device)
        with torch.random.fork_rng():  # a trainer that asks questions in between keeps its own random state
            torch.manual_seed(mixed(seed, "generate", number))
            output = model.generate(
                **inputs,
                max_new_tokens=max_new_tokens,
                suppress_tokens=vision_token_ids(processor.tokenizer),
                **sampling,
            )
        texts = processor.tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        each = samples or 1
        completions += [texts[i : i + each] for i in range(0, len(texts), each)]
    return completions


def _open(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")
