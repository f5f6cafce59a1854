"""Questions in batches, the images that are shown with them, and the completions that come back."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from reinforced_cot.data.examples import Example, ShownImages
from reinforced_cot.errors import DataError
from reinforced_cot.result_files import made_again


class Completion(NamedTuple):
    """What the prompt opened (`opened_chains`), then what the policy wrote, without special tokens; and whether it was
    cut off.
    """

    text: str
    truncated: bool


class Batch(NamedTuple):
    """Questions that are answered together, and the images shown with each: their paths, or None for blank images."""

    number: int
    examples: Sequence[Example]
    images: Sequence[ShownImages]


def batches(examples: Sequence[Example], size: int, images: Sequence[ShownImages] | None = None) -> list[Batch]:
    """Split questions into batches, in their order.

    The batches do not depend on the number of processes, so that padding, and the rounding that follows from it, is the
    same on one process and on many.

    Args:
        size: questions per batch.
        images: shown in place of the examples' own images, as many per example; None stands for blank images of the
            sizes of the example's own.
    """
    shown = images if images is not None else [example.images for example in examples]
    starts = range(0, len(examples), size)
    return [
        Batch(number, examples[start : start + size], shown[start : start + size])
        for number, start in enumerate(starts)
    ]


def batches_of_like_length(
    examples: Sequence[Example], budget: int, tokens: Sequence[int], images: Sequence[ShownImages]
) -> list[Batch]:
    """Split questions into batches of like length, the longest first; those about the same images follow each other.

    Hardly any padding is needed, and the beginning that questions about one image share is computed once (`prefill`).

    Args:
        budget: the most tokens per batch, padding included.
        tokens: the length of each question, with the tokens that are to be generated.
        images: as for `batches`.
    """
    images_of = [shown or example.images for shown, example in zip(images, examples, strict=True)]
    longest: dict[tuple[str, ...], int] = {}
    for shown, length in zip(images_of, tokens, strict=True):
        longest[shown] = max(length, longest.get(shown, 0))
    order = sorted(range(len(examples)), key=lambda i: (-longest[images_of[i]], images_of[i], -tokens[i], i))
    groups: list[list[int]] = []
    width = 0
    for i in order:
        width = max(width, tokens[i])
        if not groups or (len(groups[-1]) + 1) * width > budget:
            groups.append([])
            width = tokens[i]
        groups[-1].append(i)
    return [
        Batch(number, [examples[i] for i in group], [images[i] for i in group]) for number, group in enumerate(groups)
    ]


def shown_images(batch: Batch, data: Path) -> list[list[Image.Image]]:
    """Open the images of each question of a batch, RGB; one that is shown with several questions is opened once.

    Args:
        data: the folder that image paths are relative to.
    """
    by_path = {path: opened(data / path) for path in {path for shown in batch.images for path in shown or ()}}
    return [
        [_blank(data / path) for path in example.images] if shown is None else [by_path[path] for path in shown]
        for shown, example in zip(batch.images, batch.examples, strict=True)
    ]


def _blank(path: Path) -> Image.Image:
    """A grey image of the size of the one under ``path``."""
    with Image.open(path) as image:
        return Image.new("RGB", image.size, (127, 127, 127))


def opened(path: Path) -> Image.Image:
    """Open an image in the mode that processors take: RGB.

    Raises:
        DataError: it cannot be read to its end; the message names the file.
    """
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError) as error:  # Pillow's errors about damage do not name the file
        raise DataError(f"{path} is damaged ({error}): {made_again(path.parent)}") from None
