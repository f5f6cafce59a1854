"""What a policy's settings say of chains and questions.

It stands apart from `chains.settings`: a new maker of chains makes no policy stale.
"""

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from reinforced_cot.section import Section, Share, Text

DATA = "data"  # the chains that came with the data, in place of a set


def _is_range(bounds: tuple[float, float], info: ValidationInfo) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise PydanticCustomError("explained", "it must be [least, most], with the least first")
    samples = info.data.get("samples", 0)
    if samples and not any(bounds[0] <= right / samples <= bounds[1] for right in range(samples + 1)):
        raise PydanticCustomError(
            "explained", "no number of right samples out of {samples} lies in it", {"samples": samples}
        )
    return bounds


class PassRate(Section):
    """Which training questions RL asks: those that a policy answers right neither too seldom nor too often."""

    of: Text
    """The policy whose samples are scored; `base`, or a name under `policies`."""

    samples: Annotated[int, Field(ge=2)] = 8
    """How many samples of each question are scored."""

    keep: Annotated[tuple[Share, Share], Field(strict=False), AfterValidator(_is_range)] = (0.1, 0.9)
    """[least, most]: the share of right samples that a question may have, both bounds included."""
