"""Questions in batches, the images that are shown with them, and what comes back."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from reinforced_cot.data.examples import Example


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

    Hardly anything is padded, and what questions about an image begin with is computed once (`prefill`).

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
