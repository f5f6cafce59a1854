"""Boxes in a record's answers, in pixels of its image as it is stored."""

import re
from collections.abc import Sequence
from dataclasses import replace

from reinforced_cot.answers.boxes import boxes_of, outside, scaled
from reinforced_cot.answers.specification import chosen
from reinforced_cot.data.examples import Example

Sizes = tuple[tuple[int, int], tuple[int, int]]  # width and height in pixels, of the source's image and the stored one
Fault = tuple[str, str]  # its kind, and its detail

_SIDE = r"[-+]?\d+(?:\.\d+)?"
_BOX = re.compile(rf"{_SIDE}(?:\s*\)?\s*,\s*\(?\s*{_SIDE}){{3}}")


def with_fitting_boxes(example: Example, sizes: Sequence[Sizes]) -> Example | Fault:
    """The record with the boxes of its answers in the stored image, where they are in pixels.

    A policy sees the stored image: where that is smaller or larger than the source's, the boxes are scaled with it.

    Args:
        example: a record of any kind of answer.
        sizes: of its images; a box may lie in any of them.

    Returns:
        The record, or what is wrong with its boxes.
    """
    kind = chosen(example.answer_kind)
    if kind.name != "box" or kind.settings["range"] or not sizes:
        return example
    for answer in example.answers:
        faults = [outside(boxes_of(answer) or (), *before) for before, _ in sizes]
        if all(faults):
            return "box outside the image", str(faults[0])
    if all(before == after for before, after in sizes):
        return example
    before, after = sizes[0]
    if len(sizes) > 1 or _BOX.search(example.chain) or _BOX.search(example.question):
        return (
            "boxes of a scaled image",
            f"the image has {before[0]}x{before[1]} pixels, and is stored with {after[0]}x{after[1]}; boxes in chains, "
            "in questions and of several images are not scaled with it: scale both before, change image.min_pixels or "
            "image.max_pixels, or write boxes in thousandths of the image (answer_kind: box range=1000)",
        )
    factors = after[0] / before[0], after[1] / before[1]
    answers = tuple(scaled(answer, *factors) for answer in example.answers)
    led_to = scaled(example.chain_answer, *factors) if boxes_of(example.chain_answer) else example.chain_answer
    if not all(map(boxes_of, answers)):
        return "box too small for the stored image", f"{example.answers[0]} has no area in {after[0]}x{after[1]} pixels"
    return replace(example, answers=answers, chain_answer=led_to)
