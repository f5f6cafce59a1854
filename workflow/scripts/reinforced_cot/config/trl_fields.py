"""The fields of TRL's and PEFT's own configuration classes, read from ``trl_fields.json`` without importing either."""

import json
import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from reinforced_cot.config.messages import reserved_or_unknown, wrong_value
from reinforced_cot.paths import SCHEMAS

_TYPES: dict[str, Any] = {
    "boolean": bool,
    "integer": int,
    "number": Annotated[float, Field(allow_inf_nan=False)],
    "string": str,
    "object": dict[str, Any],
    "array": list,
    "null": None,
}
_BOUNDS = {"minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le"}


@cache
def trl_fields() -> dict[str, Any]:
    """The content of ``trl_fields.json``: by section, ``properties`` (JSON schema of each field) and ``reserved``."""
    fields: dict[str, Any] = json.loads((SCHEMAS / "trl_fields.json").read_text(encoding="utf-8"))
    return fields


def defaults(section: str) -> dict[str, Any]:
    """Each field's default.

    Args:
        section: of the file: a method's `Method.trl_config`, or ``lora``.
    """
    return {name: field["default"] for name, field in trl_fields()[section]["properties"].items()}


def field_problems(section: str, key: str, values: Mapping[str, Any]) -> Iterator[str]:
    """One line per field that the class does not have, that the pipeline sets, or whose value it would not take.

    Args:
        key: of the mapping in the configuration, such as ``policies.grpo.training``.
    """
    known = trl_fields()[section]
    for name, value in values.items():
        if name not in known["properties"]:
            yield reserved_or_unknown(key, str(name), known)
            continue
        if not _is_finite(value):
            yield f"`{key}.{name}` holds NaN or infinity; it must be a number"
            continue
        try:
            _adapter(section, name).validate_python(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = "".join(f"[{part}]" if isinstance(part, int) else "" for part in first["loc"])
            yield wrong_value(f"{key}.{name}{place}", first, known["properties"][name])


def _is_finite(value: Any) -> bool:
    """Whether a list or mapping holds neither NaN nor infinity, at any depth; a plain number is left to its type."""
    if isinstance(value, Mapping):
        return all(_is_finite(one) and not _is_not_finite_number(one) for one in value.values())
    if isinstance(value, list):
        return all(_is_finite(one) and not _is_not_finite_number(one) for one in value)
    return True


def _is_not_finite_number(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


@cache
def _adapter(section: str, name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_annotation(trl_fields()[section]["properties"][name]), config={"strict": True})


def _annotation(schema: Mapping[str, Any]) -> Any:
    """The type that a field's JSON schema describes."""
    if "enum" in schema:  # a Literal of true would take 1, too
        words = tuple(choice for choice in schema["enum"] if not isinstance(choice, bool))
        return Literal[words] | bool if len(words) < len(schema["enum"]) else Literal[words]
    if "type" not in schema:
        return Any
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    union = None
    for name in names:
        member = list[_annotation(schema["items"])] if name == "array" and "items" in schema else _TYPES[name]  # type: ignore[misc]
        if name in ("integer", "number"):
            member = Annotated[member, Field(**{_BOUNDS[b]: schema[b] for b in _BOUNDS if b in schema})]
        union = member if union is None else union | member
    return union
