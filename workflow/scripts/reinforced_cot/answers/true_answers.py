"""Whether a true answer is of the kind that its record names; checked when data is prepared, and by `score.py`.

This rests on `data.tokens` alone: a change of the matcher prepares no data again.
"""

import re
from collections.abc import Sequence

from reinforced_cot.answers.boxes import boxes_of, outside
from reinforced_cot.answers.items import MAX_ITEMS, items_of
from reinforced_cot.answers.specification import Settings, chosen
from reinforced_cot.answers.truth import Truth
from reinforced_cot.data.tokens import is_word, tokens

_POLAR = frozenset(["yes", "yeah", "yep", "yup", "no", "nope", "true", "false", "correct", "incorrect"])
_PARTS_OF_NUMBERS = frozenset(["x", "*", "^", "e"])
_NUMBER = re.compile(
    r"\d|\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|"
    r"sixty|seventy|eighty|ninety|hundred|thousand|million|half|none)\b",
    re.IGNORECASE,
)


def fault_of(truth: Truth) -> str | None:
    """Why the true answers of a question cannot be compared as their kind says; None where they can.

    Raises:
        DataError: the kind is unknown.
    """
    kind = chosen(truth.kind)
    return next((found for true in truth.answers if (found := _fault(true, truth, kind.name, kind.settings))), None)


def _fault(true: str, truth: Truth, kind: str, settings: Settings) -> str | None:
    said = [token for token in tokens(true) if is_word(token)]
    shown = repr(true[:80])
    if kind == "yes_no" and (len(said) != 1 or said[0] not in _POLAR):
        return f"{shown} is neither yes or true nor no or false"
    if kind == "letter" and not (len(said) == 1 and len(said[0]) == 1 and said[0].isalpha()):
        return f"{shown} is no single letter"
    if kind == "choice" and truth.choices and not _is_choice(true, truth):
        return f"{shown} is none of the choices"
    if kind == "number" and not _NUMBER.search(" ".join(said)):
        return f"{shown} is no number"
    if kind == "number" and _are_several(said):
        return f"{shown} is more than one number"
    if kind == "math" and "\n" in true.strip():
        return f"{shown} is no expression on one line"
    if kind in ("list", "set"):
        count = len(items_of(true))
        return f"{shown} has {count} things; 1 to {MAX_ITEMS} are read" if not 1 <= count <= MAX_ITEMS else None
    if kind == "box":
        found = boxes_of(true)
        if found is None:
            return f"{shown} holds no boxes [x1, y1, x2, y2] with x1 < x2 and y1 < y2"
        if not settings["range"] and all(max(box[:4]) <= 1 for box in found):
            return f"the sides of {shown} are shares of the image: write the kind as box range=1"
        return outside(found, settings["range"], settings["range"]) if settings["range"] else None
    return None


def _are_several(said: Sequence[str]) -> bool:
    """Whether words give several numbers in digits ("5 or 6"), and no power of ten, unit with a power, or 1 1/2."""
    numbers = {token for token in said if token.lstrip("+-")[:1].isdecimal()}
    is_one = len(numbers) < 2 or not _PARTS_OF_NUMBERS.isdisjoint(said) or any("/" in number for number in numbers)
    return "or" in said or not is_one


def _is_choice(true: str, truth: Truth) -> bool:
    letters = [chr(ord("A") + place) for place in range(len(truth.choices))]
    return true.casefold() in (choice.casefold() for choice in truth.choices) or true.strip("(). ").upper() in letters
