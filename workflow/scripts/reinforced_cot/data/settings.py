"""Sections of the configuration that all stages share: the prompt and the pixel budget."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from reinforced_cot.section import Count, Section

Pixels = Annotated[int, Field(ge=28 * 28)]


class Prompt(Section):
    """SFT, RL and evaluation ask with the same prompt."""

    system: str | None = None
    """The system message; null for none."""

    instruction: str = ""
    """Text appended to each question on a line of its own."""

    max_tokens: Count = 512
    """A longer prompt (visual tokens included) is refused before training; no prompt is ever truncated."""


class PixelBudget(Section):
    """Area of an image. It is applied when data is prepared, and saved in the processor of every checkpoint."""

    min_pixels: Pixels = 28 * 28
    """A smaller image is enlarged to this many pixels (784 make one visual token of Qwen2.5-VL)."""

    max_pixels: Pixels = 64 * 28 * 28
    """A larger image is shrunk to this many pixels."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_pixels > self.max_pixels:
            raise PydanticCustomError("explained", "min_pixels must not be above max_pixels")
        return self
