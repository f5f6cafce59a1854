"""Answers that are boxes: each must lie over a true one of its own, and there must be as many."""

import json
from collections.abc import Mapping, Sequence

from reinforced_cot.answers.boxes import Box, boxes_of, iou
from reinforced_cot.answers.truth import Truth


def is_right(answer: str, true: str, truth: Truth, settings: Mapping[str, float]) -> bool:
    """Whether each box of an answer can be given a true one of its own that it lies over, and none is left."""
    said, wanted = boxes_of(answer), boxes_of(true)
    if said is None or wanted is None or len(said) != len(wanted):
        return False
    return _can_be_paired(
        [[_fits(box, other, settings["iou"]) for other in wanted] for box in said],
    )


def _fits(box: Box, true: Box, least: float) -> bool:
    is_same_thing = not box.label or not true.label or box.label == true.label
    return is_same_thing and iou(box, true) >= least


def _can_be_paired(fits: Sequence[Sequence[bool]]) -> bool:
    """Whether each row can have a column of its own that fits (augmenting paths, Kuhn's algorithm)."""
    row_of: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column, is_fit in enumerate(fits[row]):
            if is_fit and column not in tried:
                tried.add(column)
                if column not in row_of or place(row_of[column], tried):
                    row_of[column] = row
                    return True
        return False

    return all(place(row, set()) for row in range(len(fits)))


def cheats(truths: Sequence[Truth]) -> list[str]:
    """The middle of all true boxes, the whole of the image as far as boxes reach, and many boxes at once."""
    found = [box for truth in truths for answer in truth.answers for box in boxes_of(answer) or ()]
    if not found:
        return []
    sides = [[*side] for side in zip(*((box.left, box.top, box.right, box.bottom) for box in found), strict=True)]
    middle = [sum(values) / len(values) for values in sides]
    around = [0.0, 0.0, max(sides[2]), max(sides[3])]
    halves = [[0.0, 0.0, around[2] / 2, around[3]], [around[2] / 2, 0.0, around[2], around[3]]]
    return [_text(middle), _text(around), json.dumps([[round(side, 1) for side in half] for half in halves])]


def _text(sides: Sequence[float]) -> str:
    return json.dumps([round(side, 1) for side in sides])
