"""Image probes: other images that a question is asked about, to see whether a policy looks.

Apart from scoring, so that no change of how answers are scored asks a question again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reinforced_cot.data.examples import Example, other_images


def blank_images(examples: Sequence[Example], seed: int) -> list[str | None]:
    """None for each: a blank image of the same size."""
    return [None] * len(examples)


@dataclass(frozen=True)
class ImageProbe:
    """One way to show another image.

    Attributes:
        key: of the completion in a row of predictions.
        images: for examples and the run's seed, what is shown with each: the path of an image, or None for a blank one.
    """

    key: str
    images: Callable[[Sequence[Example], int], list[str | None]]


BLANK_IMAGE, SHUFFLED_IMAGE = "blank_image", "shuffled_images"
IMAGE_PROBES = {
    BLANK_IMAGE: ImageProbe("blank_image_raw", blank_images),
    SHUFFLED_IMAGE: ImageProbe("shuffled_image_raw", other_images),
}
