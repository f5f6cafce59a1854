"""Boxes in an image: read from texts, and compared with each other.

A box is its left, top, right and bottom side. It is read from ``[x1, y1, x2, y2]``, from a list of such lists, from
the pairs ``(x1,y1),(x2,y2)``, and from the JSON that Qwen2.5-VL writes:
``[{"bbox_2d": [x1, y1, x2, y2], "label": "dog"}]``.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from reinforced_cot.data.tokens import is_word, tokens

MAX_BOXES = 50
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w.]*\w)")
_TAGS = re.compile(r"</?(?:box|quad)>|<\|box_(?:start|end)\|>|```(?:json)?|`")
_KEYS = ("bbox_2d", "bbox", "box_2d", "box")
# Words of doubt and denial, and shares of the image.
_NO_BOX = frozenset(
    ["or", "maybe", "perhaps", "either", "unless", "not", "no", "never", "cannot", "neither", "nor", "none"]
    + ["except", "outside", "?", "percent"]
)
# Names of sides, such as "x1": their digit is no coordinate.
_SIDES = re.compile(r"\b[xy](?:_?(?:[12]|min|max))\b\s*[:=]?", re.IGNORECASE)


class Box(NamedTuple):
    """A box: left, top, right and bottom side; and the words of its label, empty where it has none."""

    left: float
    top: float
    right: float
    bottom: float
    label: tuple[str, ...] = ()


@lru_cache(maxsize=512)
def boxes_of(text: str) -> tuple[Box, ...] | None:
    """The boxes of a text, in order; None where it holds none, a box without area, or other numbers.

    >>> boxes_of("[10, 20, 30, 40]")
    (Box(left=10.0, top=20.0, right=30.0, bottom=40.0, label=()),)
    >>> boxes_of("(1,2),(3,4)") == boxes_of("[[1, 2, 3, 4]]"), boxes_of("[3, 2, 1, 4]"), boxes_of("[1, 2, 3]")
    (True, None, None)
    """
    plain = _TAGS.sub(" ", text).strip()
    try:
        found = list(_of_json(json.loads(plain, parse_constant=_no_number)))
    except (ValueError, TypeError, RecursionError):
        found = _of_text(plain)
    if not 1 <= len(found) <= MAX_BOXES or not all(_has_area(box) for box in found):
        return None
    return tuple(found)


def _no_number(text: str) -> float:
    raise ValueError(text)


def _of_json(value: Any, label: str = "") -> Iterator[Box]:
    if isinstance(value, dict):
        keys = [key for key in _KEYS if key in value]
        if len(keys) != 1:
            raise ValueError
        yield from _of_json(value[keys[0]], str(value.get("label", "")))
    elif isinstance(value, list) and len(value) == 4 and all(map(_is_number, value)):
        left, top, right, bottom = map(float, value)
        yield Box(left, top, right, bottom, tuple(filter(is_word, tokens(label))))
    elif isinstance(value, list) and value:
        for part in value:
            yield from _of_json(part)
    else:
        raise ValueError


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _of_text(text: str) -> list[Box]:
    said = set(tokens(text))
    if said & _NO_BOX:
        return []
    plain = _SIDES.sub(" ", text)
    numbers = [float(number) for number in _NUMBER.findall(plain)]
    if len(numbers) % 4 or re.search(r"\d", _NUMBER.sub(" ", plain)):
        return []
    sides = iter(numbers)
    return [Box(*four) for four in zip(sides, sides, sides, sides, strict=True)]


def _has_area(box: Box) -> bool:
    return all(map(math.isfinite, box[:4])) and box.left < box.right and box.top < box.bottom


def scaled(text: str, width: float, height: float) -> str:
    """A text of boxes with all sides scaled, as JSON; labels stay.

    >>> scaled("[10, 20, 30, 40]", 0.5, 0.25), scaled('[{"bbox_2d": [10, 20, 30, 40], "label": "dog"}]', 2, 2)
    ('[5, 5, 15, 10]', '[{"bbox_2d": [20, 40, 60, 80], "label": "dog"}]')

    Args:
        text: of which `boxes_of` reads boxes.
        width, height: the factors.
    """
    try:
        value = json.loads(_TAGS.sub(" ", text).strip())
        list(_of_json(value))
    except (ValueError, TypeError, RecursionError):
        value = [list(box[:4]) for box in boxes_of(text) or ()]
        value = value[0] if len(value) == 1 else value
    return json.dumps(_scaled(value, (width, height, width, height)), ensure_ascii=False)


def _scaled(value: Any, factors: tuple[float, ...]) -> Any:
    if isinstance(value, dict):
        return {key: _scaled(part, factors) if key in _KEYS else part for key, part in value.items()}
    if len(value) == len(factors) and all(map(_is_number, value)):
        return [round(side * factor) for side, factor in zip(value, factors, strict=True)]
    return [_scaled(part, factors) for part in value]


def iou(one: Box, other: Box) -> float:
    """The area that two boxes share, as a share of the area that they cover together.

    >>> iou(Box(0, 0, 2, 2), Box(1, 0, 3, 2)) == 1 / 3
    True
    """
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(one) + _area(other) - shared)


def _area(box: Box) -> float:
    return (box.right - box.left) * (box.bottom - box.top)


def outside(found: Sequence[Box], width: float, height: float) -> str | None:
    """Which box leaves an image of this size, in words; None where all lie within."""
    for box in found:
        if box.left < 0 or box.top < 0 or box.right > width or box.bottom > height:
            sides = ", ".join(f"{side:g}" for side in box[:4])
            return f"the box [{sides}] leaves the image, which is {width:g} wide and {height:g} high"
    return None
