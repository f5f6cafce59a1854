"""The base of every section of the configuration: strict types, no unknown key, no NaN, objects that do not change.

A section is a pydantic model in the room that reads it. Its fields give each key's type, default and bounds, and the
text below a field says what the key means; `workflow/schemas/generate.py` makes the JSON schema for editors and the
tables of docs/configuration.md from them. A stage script that reads its settings file gets the same classes.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A mapping of the configuration whose keys are this model's fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    def as_dict(self) -> dict[str, Any]:
        """The section as plain mappings and lists, under the keys that a user writes."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def taken_from(cls, other: "Section") -> Self:
        """This section with the values of ``other``, which has all of its fields and maybe more."""
        return cls(**{name: getattr(other, name) for name in cls.model_fields})


Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Switch = Literal["auto", "on", "off"]
