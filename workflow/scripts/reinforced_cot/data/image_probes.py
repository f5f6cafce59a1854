"""Image probes: a question is asked about another image, which shows whether a policy looks at images.

They stand apart from scoring: a change of how answers are scored asks no question again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reinforced_cot.data.examples import Example, ShownImages, other_images


def blank_images(examples: Sequence[Example], seed: int) -> list[ShownImages]:
    """None for each example: blank images of the same sizes."""
    return [None] * len(examples)


@dataclass(frozen=True)
class ImageProbe:
    """One way to show another image.

    Attributes:
        key: the completion's key in a row of predictions.
        images: takes the examples and the run's seed; returns for each example the paths of the images to show, or None
            for blank ones.
    """

    key: str
    images: Callable[[Sequence[Example], int], list[ShownImages]]


BLANK_IMAGE, SHUFFLED_IMAGE = "blank_image", "shuffled_images"
IMAGE_PROBES = {
    BLANK_IMAGE: ImageProbe("blank_image_raw", blank_images),
    SHUFFLED_IMAGE: ImageProbe("shuffled_image_raw", other_images),
}
