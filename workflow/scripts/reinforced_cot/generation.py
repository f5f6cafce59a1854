"""Completions of a policy for questions with images: greedy, or sampled at temperature 1."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from tqdm import tqdm
from transformers import PreTrainedModel, ProcessorMixin

from reinforced_cot.conversations import rendered_prompt
from reinforced_cot.examples import Example
from reinforced_cot.processors import vision_token_ids
from reinforced_cot.seeds import mixed


class Completion(NamedTuple):
    """What a policy wrote, without special tokens, and whether it was cut off before it ended."""

    text: str
    truncated: bool


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
    images: Sequence[str | None] | None = None,
    begin: str = "",
) -> list[list[Completion]]:
    """Ask ``model`` every question.

    Args:
        data: the folder that the examples' image paths are relative to.
        batch_size: questions a batch.
        samples: 0 for one greedy completion a question, else how many to draw at temperature 1, without top-k or top-p.
        seed: of the sampling; every batch draws from a stream of its own.
        images: in place of the examples' own images, one each; None for a blank one of the same size. A policy that
            looks answers worse.
        begin: what is written for the policy at the start of its turn, and not returned.

    Returns:
        For each example, in order, its completions: 1 or ``samples`` of them.
    """
    model.eval()
    paths = images or [example.image for example in examples]
    ends = _end_ids(model)
    sampling: dict[str, Any] = {"do_sample": False}
    if samples:
        sampling = {
            "do_sample": True,
            "temperature": 1.0,
            "top_k": 0,
            "top_p": 1.0,
            "num_return_sequences": samples,
        }
    completions: list[list[Completion]] = []
    starts = range(0, len(examples), batch_size)
    for number, start in enumerate(tqdm(starts, desc="sample" if samples else "generate", unit="batch")):
        batch = slice(start, start + batch_size)
        inputs = processor(
            text=[rendered_prompt(processor, example.question, prompt) + begin for example in examples[batch]],
            images=[
                opened(data / path) if path is not None else _blank(data / example.image)
                for path, example in zip(paths[batch], examples[batch], strict=True)
            ],
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
        written = output[:, inputs["input_ids"].shape[1] :]
        texts = processor.tokenizer.batch_decode(written, skip_special_tokens=True)
        ended = torch.isin(written, ends.to(written.device)).any(dim=1).tolist()
        found = [Completion(text, not end) for text, end in zip(texts, ended, strict=True)]
        each = samples or 1
        completions += [found[i : i + each] for i in range(0, len(found), each)]
    return completions


def _end_ids(model: PreTrainedModel) -> torch.Tensor:
    ends = model.generation_config.eos_token_id
    return torch.tensor([ends] if isinstance(ends, int) else ends or [])


def _blank(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return Image.new("RGB", image.size, (127, 127, 127))


def opened(path: Path) -> Image.Image:
    """An image as the processor takes it: RGB."""
    with Image.open(path) as image:
        return image.convert("RGB")
