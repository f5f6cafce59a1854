"""The kinds of answers by name, each with its settings, as a record's ``answer_kind`` names them.

It stands apart from how answers are compared (`kinds`): a change of a rule prepares no data again.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from typing import NamedTuple

from reinforced_cot.errors import DataError

Settings = Mapping[str, float]


class Setting(NamedTuple):
    """A setting of a kind: its default, and the bounds that it must not leave."""

    default: float
    low: float
    high: float


@dataclass(frozen=True)
class Specification:
    """What is known of a kind without comparing answers.

    Attributes:
        settings: by name.
        is_worded: whether answers are words, or a number with its unit, so that the judge of chains can read them.
        has_parts: whether an answer may get a part of the credit.
    """

    settings: Mapping[str, Setting] = field(default_factory=dict)
    is_worded: bool = True
    has_parts: bool = False


KINDS: dict[str, Specification] = {
    "yes_no": Specification(),
    "choice": Specification(),
    "letter": Specification(),
    "text": Specification(),
    "number": Specification({"absolute": Setting(0.0, 0.0, math.inf), "relative": Setting(0.0, 0.0, 1.0)}),
    "math": Specification(is_worded=False),
    "box": Specification({"iou": Setting(0.5, 0.05, 1.0), "range": Setting(0.0, 0.0, 1e6)}, is_worded=False),
    "list": Specification(is_worded=False),
    "set": Specification(is_worded=False),
    "vqa": Specification(has_parts=True),
}
_OPEN = Specification()


class Chosen(NamedTuple):
    """A kind, and its settings with their defaults; the name is empty where the kind follows from the true answer."""

    name: str
    settings: Settings
    is_worded: bool
    has_parts: bool


@lru_cache(maxsize=256)
def chosen(text: str) -> Chosen:
    """The kind that a record's ``answer_kind`` names, and its settings; an empty text leaves the kind open.

    >>> found = chosen("number relative=0.05")
    >>> found.name, found.settings["relative"], found.settings["absolute"]
    ('number', 0.05, 0.0)

    Raises:
        DataError: there is no such kind or setting, or a value is out of bounds.
    """
    name, *given = text.split() or [""]
    if not name:
        return Chosen("", {}, _OPEN.is_worded, _OPEN.has_parts)
    if name not in KINDS:
        near = get_close_matches(name.casefold(), KINDS, 1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(KINDS)}"
        raise DataError(f"the answer kind {text!r} is unknown; {hint}")
    kind = KINDS[name]
    settings = {key: setting.default for key, setting in kind.settings.items()}
    for part in given:
        key, _, value = part.partition("=")
        if key not in kind.settings:
            known = ", ".join(f"{key}=..." for key in kind.settings) or "no settings"
            raise DataError(f"the answer kind {text!r}: {name} has no setting {key!r}; it has {known}")
        if [other.partition("=")[0] for other in given].count(key) > 1:
            raise DataError(f"the answer kind {text!r} sets {key} twice; leave one")
        setting, number = kind.settings[key], _number(value)
        if number is None or not setting.low <= number <= setting.high:
            bounds = f"from {setting.low:g} to {setting.high:g}"
            raise DataError(f"the answer kind {text!r}: {key} is {value!r}; it must be a number {bounds}")
        settings[key] = number
    return Chosen(name, settings, kind.is_worded, kind.has_parts)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
