"""Whether the boxes of a record's answers fit its image as it is stored."""

from collections.abc import Sequence

from reinforced_cot.answers.boxes import boxes_of, outside
from reinforced_cot.answers.specification import chosen
from reinforced_cot.data.examples import Example

Sizes = tuple[tuple[int, int], tuple[int, int]]  # width and height in pixels, of the source's image and the stored one


def box_fault(example: Example, sizes: Sequence[Sizes]) -> tuple[str, str] | None:
    """The kind and the detail of what is wrong with boxes in pixels; None where nothing is, or where there are none.

    A policy sees the stored image: boxes of an image that was scaled would lie elsewhere in it.

    Args:
        example: a record.
        sizes: of its images; a box may lie in any of them.
    """
    kind = chosen(example.answer_kind)
    if kind.name != "box" or kind.settings["range"] or not sizes:
        return None
    for before, after in sizes:
        if before != after:
            return (
                "boxes of a scaled image",
                f"the image has {before[0]}x{before[1]} pixels, and is stored with {after[0]}x{after[1]}: scale both "
                "images and boxes before, change image.min_pixels or image.max_pixels, or write boxes in thousandths "
                "of the image (answer_kind: box range=1000)",
            )
    for answer in example.answers:
        faults = [outside(boxes_of(answer) or (), *stored) for _, stored in sizes]
        if all(faults):
            return "box outside the image", str(faults[0])
    return None
