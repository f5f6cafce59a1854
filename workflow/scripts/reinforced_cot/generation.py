"""Completions of a policy for questions with images: greedy, or sampled at temperature 1."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from tqdm import tqdm
from transformers import PreTrainedModel, ProcessorMixin

from reinforced_cot.conversations import rendered_prompt
from reinforced_cot.examples import Example
from reinforced_cot.launching import rank
from reinforced_cot.processors import vision_token_ids
from reinforced_cot.seeds import mixed
from reinforced_cot.shared_rollouts import complete, end_tokens


class Completion(NamedTuple):
    """What a policy wrote, without special tokens, and whether it was cut off before it ended."""

    text: str
    truncated: bool


class Batch(NamedTuple):
    """Questions that are answered at once, and what is shown with each: an image's path, or None for a blank one."""

    number: int
    examples: Sequence[Example]
    images: Sequence[str | None]


def batches(examples: Sequence[Example], size: int, images: Sequence[str | None] | None = None) -> list[Batch]:
    """The batches of a list of questions, whoever answers which of them.

    The same questions always stand together, so that padding, and every rounding with it, is the same on one process
    and on many.

    Args:
        images: in place of the examples' own images, one each; None for a blank one of the same size.
    """
    shown = images if images is not None else [example.image for example in examples]
    starts = range(0, len(examples), size)
    return [
        Batch(number, examples[start : start + size], shown[start : start + size])
        for number, start in enumerate(starts)
    ]


def batches_of_like_length(
    examples: Sequence[Example], budget: int, tokens: Sequence[int], images: Sequence[str | None]
) -> list[Batch]:
    """Batches of questions of like length, the longest first, but those about an image together.

    Hardly anything is padded, and what questions about an image begin with is computed once (prefill.py).

    Args:
        budget: how many tokens a batch may have, padding included.
        tokens: of each question, with what is to be written.
        images: as for `batches`.
    """
    about = [image or example.image for image, example in zip(images, examples, strict=True)]
    longest: dict[str, int] = {}
    for image, length in zip(about, tokens, strict=True):
        longest[image] = max(length, longest.get(image, 0))
    order = sorted(range(len(examples)), key=lambda at: (-longest[about[at]], about[at], -tokens[at], at))
    found: list[list[int]] = []
    width = 0
    for place in order:
        width = max(width, tokens[place])
        if not found or (len(found[-1]) + 1) * width > budget:
            found.append([])
            width = tokens[place]
        found[-1].append(place)
    return [
        Batch(number, [examples[place] for place in places], [images[place] for place in places])
        for number, places in enumerate(found)
    ]


def generate(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    examples: Sequence[Example],
    data: Path,
    prompt: Mapping[str, Any],
    *,
    batch_size: int,
    images: Sequence[str | None] | None = None,
    **options: Any,
) -> list[list[Completion]]:
    """Ask ``model`` every question; further options are those of `generate_batch`.

    Returns:
        For each example, in order, its completions: one, or ``samples`` of them.
    """
    asked = batches(examples, batch_size, images)
    answered = generate_batches(model, processor, asked, data, prompt, **options)
    return [completions for _, found in answered for completions in found]


def generate_batches(
    model: PreTrainedModel, processor: ProcessorMixin, asked: Sequence[Batch], *args: Any, **options: Any
) -> Iterator[tuple[Batch, list[list[Completion]]]]:
    """Each batch with its completions, as they come; the arguments are those of `generate_batch`."""
    name = "sample" if options.get("samples") else "generate"
    for batch in tqdm(asked, desc=name, unit="batch", disable=rank() != 0):
        yield batch, generate_batch(model, processor, batch, *args, **options)


@torch.no_grad()
def generate_batch(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    batch: Batch,
    data: Path,
    prompt: Mapping[str, Any],
    *,
    max_new_tokens: int,
    samples: int = 0,
    seed: int = 0,
    begin: str = "",
) -> list[list[Completion]]:
    """Ask ``model`` the questions of one batch; each batch draws from a stream of its own.

    Args:
        data: the folder that image paths are relative to.
        samples: 0 for one greedy completion a question, else how many to draw at temperature 1, without top-k or top-p.
        seed: of the sampling.
        begin: what is written for the policy at the start of its turn, and not returned.
    """
    model.eval()
    sampling: dict[str, Any] = {"do_sample": False}
    if samples:
        sampling = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
    inputs = processor(
        text=[rendered_prompt(processor, example.question, prompt) + begin for example in batch.examples],
        images=shown_images(batch, data),
        padding=True,
        padding_side="left",
        add_special_tokens=False,
        return_tensors="pt",
    ).to(model.device)
    each, ends = samples or 1, end_tokens(model, processor.tokenizer)
    with torch.random.fork_rng():  # a trainer that asks questions in between keeps its own random state
        torch.manual_seed(mixed(seed, "generate", batch.number))
        written = complete(
            model,
            inputs,
            torch.arange(len(batch.examples), device=model.device).repeat_interleave(each),
            max_new_tokens,
            ends,
            eos_token_id=ends,
            suppress_tokens=vision_token_ids(processor),
            **sampling,
        )
    texts = processor.tokenizer.batch_decode(written, skip_special_tokens=True)
    found = [Completion(text, ids[-1] not in ends) for text, ids in zip(texts, written, strict=True)]
    return [found[i : i + each] for i in range(0, len(found), each)]


def shown_images(batch: Batch, data: Path) -> list[Image.Image]:
    """The images of a batch, RGB."""
    shown = list(zip(batch.images, batch.examples, strict=True))
    own = {path: opened(data / path) for path in {*batch.images} if path is not None}
    return [_blank(data / example.image) if path is None else own[path] for path, example in shown]


def _blank(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return Image.new("RGB", image.size, (127, 127, 127))


def opened(path: Path) -> Image.Image:
    """An image as the processor takes it: RGB."""
    with Image.open(path) as image:
        return image.convert("RGB")
