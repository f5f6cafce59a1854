"""What a user is told about a mistake in a key or a value: one line with the key, the value and what to do."""

import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from reinforced_cot.chains.settings import BY
from reinforced_cot.endpoints.settings import URL, VARIABLE
from reinforced_cot.sources.settings import HUB_ID, OWN_FUNCTION

Schema = Mapping[str, Any]
_TYPE_NAMES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "a mapping of keys to values",
}
TAGS = ("<word>", "<weights>", "<one>", "<several>")  # of a union's members, which pydantic puts into the path
_IN_WORDS = {  # rules that a type alone does not express
    OWN_FUNCTION: "write it as module:function",
    HUB_ID: "write it as owner/name",
    BY: "write policy, endpoint, gqa_programs, or a function of yours as module:function",
    URL: "begin with http:// or https://",
    r"^[0-9a-f]{40}$": "give the full commit hash (40 hexadecimal digits); a branch or a tag can move",
}

_ELSEWHERE = {  # names that users of TRL know, and what stands for them here
    "max_prompt_length": "prompts are bounded by `prompt.max_tokens`, and none is truncated",
    "max_seq_length": "rows are as long as prompt and completion: see `prompt.max_tokens`; none is truncated",
    "model_name_or_path": "it is `base_model.path`",
    "deepspeed": "DeepSpeed is a topology: see `launch.<stage>.topology`",
    "per_device_batch_size": "it is `policies.<policy>.training.per_device_train_batch_size`",
}
_REMEDIES = {  # for required keys, by the key's last part
    "from": "write base, or the name of the policy that it starts from",
    "lora": "give the adapter's settings, or null to train every weight",
    "target_modules": "name the modules, for instance [q_proj, k_proj, v_proj]",
}


def explained(error: ValidationError, key: str, root: Schema) -> Iterator[str]:
    """The lines that tell a user about one section's mistakes.

    Args:
        key: of the section.
        root: the section's JSON schema.
    """
    errors = error.errors(include_url=False)
    wrong = {one["loc"] for one in errors}
    for one in errors:
        if one["type"] == "too_short" and any(other and other[:-1] == one["loc"] for other in wrong):
            continue  # entries that are wrong were not counted
        path = tuple(part for part in one["loc"] if part not in TAGS)
        place = dotted((key, *path))
        if one["type"] == "invalid_key" or path[-1:] == ("[key]",):
            yield f"`{dotted((key, *path)).removesuffix('.[key]')}`: a key must be text; write it in quotes"
        elif one["type"] == "missing":
            yield missing(place)
        elif one["type"] == "extra_forbidden":
            yield reserved_or_unknown(dotted((key, *path[:-1])), str(path[-1]), schema_at(root, path[:-1]), root)
        else:
            yield wrong_value(place, one, schema_at(root, path))


def missing(key: str, remedy: str = "") -> str:
    """The line for a required key that the user left out."""
    remedy = remedy or _REMEDIES.get(key.rpartition(".")[2], "docs/configuration.md says what it means")
    return f"`{key}` is missing; {remedy}"


def wrong_value(key: str, error: Mapping[str, Any], schema: Schema) -> str:
    """The line for a value of another type, out of bounds, or not among the choices.

    Args:
        error: one entry of ``ValidationError.errors()``.
        schema: JSON schema of the value.
    """
    value, context = error["input"], error.get("ctx", {})
    written, members = shown(value), alternatives(schema)
    choices = [choice for member in members for choice in _choices(member)]
    if any(member.get("type") == "null" for member in members) and choices:
        choices = [None, *choices]
    match error["type"]:
        case "greater_than_equal":
            return f"`{key}` is {written}; it must be at least {_plain(context['ge'])}"
        case "greater_than":
            return f"`{key}` is {written}; it must be above {_plain(context['gt'])}"
        case "less_than_equal":
            return f"`{key}` is {written}; it must be at most {_plain(context['le'])}"
        case "string_too_short":
            return f"`{key}` is empty; give a text or remove the key"
        case "too_short" | "too_long":
            return f"`{key}` is {written}; it must have {_entries(context)}"
        case "string_pattern_mismatch" if context["pattern"] == VARIABLE:  # a key must not be printed
            return (
                f"`{key}` must be the name of an environment variable in capitals, such as TEACHER_KEY, and not the "
                "key itself"
            )
        case "string_pattern_mismatch":
            return f"`{key}` is {written}; {_IN_WORDS.get(context['pattern'], error['msg'])}"
        case "finite_number":
            return f"`{key}` is {written}; it must be a number"
        case "explained":
            return f"`{key}` is {written}; {error['msg']}"
    names = [name for member in members if not _choices(member) for name in _types(member)]
    if choices and (isinstance(value, str) or not set(names) - {"null"}):
        return f"`{key}` is {written}; {_enum_hint(value, choices)}"
    hint = _number_hint(value, names) or f"it must be {' or '.join(_TYPE_NAMES[name] for name in names)}"
    return f"`{key}` is {written}; {hint}{_command_line_hint(value, names)}"


def reserved_or_unknown(key: str, name: str, schema: Schema, root: Schema | None = None) -> str:
    """The line for a key that its section does not have: reserved, misspelt, or at the wrong depth.

    Args:
        key: of the section, empty for the top level.
        schema: of the section: ``properties``, and ``reserved`` with the reason of each.
        root: what the references of ``schema`` are resolved in.
    """
    place = f"{key}.{name}" if key else name
    reserved = schema.get("reserved", {})
    properties = {key: entry for member in alternatives(schema, root) for key, entry in _properties(member).items()}
    if name in reserved:
        return f"`{place}` {reserved[name]}; remove it"
    if name in _ELSEWHERE and name not in properties:
        return f"unknown key `{place}`; {_ELSEWHERE[name]}"
    for near in difflib.get_close_matches(name, [*properties, *reserved], n=1):
        return f"unknown key `{place}`; did you mean `{near}`?{f' It {reserved[near]}' if near in reserved else ''}"
    for child, entry in properties.items():
        if any(name in member.get("properties", {}) for member in alternatives(entry, root or schema)):
            return f"unknown key `{place}`; did you mean `{f'{key}.' if key else ''}{child}.{name}`?"
    if str(schema.get("title", "")).startswith(("TRL's", "PEFT's")):
        return f"unknown key `{place}`; {schema['title']} has no such field"
    return f"unknown key `{place}`; valid keys are {', '.join(properties)}"


def schema_at(root: Schema, path: Sequence[Any]) -> Schema:
    """The part of a model's JSON schema that describes the value at ``path``; empty if no part does."""
    schemas: list[Schema] = [root]
    for part in path:
        schemas = [
            child
            for schema in schemas
            for member in alternatives(schema, root)
            if (child := _child(member, part)) is not None
        ]
    members = [member for schema in schemas for member in alternatives(schema, root)]
    return members[0] if len(members) == 1 else {"anyOf": members}


def alternatives(schema: Schema, root: Schema | None = None) -> list[Schema]:
    """The members of a union, each without its reference."""
    if "$ref" in schema and root is not None:
        return alternatives(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    members = schema.get("anyOf", schema.get("oneOf"))
    return [schema] if members is None else [one for member in members for one in alternatives(member, root)]


def _child(schema: Schema, part: Any) -> Schema | None:
    if isinstance(part, int):
        prefix = schema.get("prefixItems", ())
        child: Schema | None = prefix[part] if part < len(prefix) else schema.get("items")
        return child
    return schema.get("properties", {}).get(part) or schema.get("additionalProperties") or None


def _choices(schema: Schema) -> list[Any]:
    return list(schema.get("enum", [schema["const"]] if "const" in schema else []))


def _properties(schema: Schema) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    return properties


def _types(schema: Schema) -> list[str]:
    stated = schema.get("type", "object" if "properties" in schema else [])
    return [stated] if isinstance(stated, str) else list(stated)


def _number_hint(value: Any, types: Sequence[str]) -> str:
    """How to write a number that YAML read as text, or nothing."""
    if not isinstance(value, str) or not {"number", "integer"} & set(types):
        return ""
    try:
        number = float(value)
    except ValueError:
        return ""
    if not math.isfinite(number):
        return ""
    parts = re.fullmatch(r"([-+]?\d+)\.?(\d*)[eE]([-+]?\d+)", value)
    if not parts:
        return f"write {value} without quotes"
    whole = "number" not in types and number.is_integer()
    # YAML 1.1 wants both the point and the sign of the exponent.
    written = str(int(number)) if whole else f"{parts[1]}.{parts[2] or 0}e{int(parts[3]):+d}"
    if written == value:
        return "what is nested in --config is read as text: write it into a file for --configfile"
    return f"YAML reads {value} as text: write {written}"


def _command_line_hint(value: Any, types: Sequence[str]) -> str:
    """That Snakemake reads what is nested in ``--config`` as text, where that may be why."""
    wanted = {"boolean": ("true", "false"), "null": ("null",)}
    is_text = isinstance(value, str) and (
        re.fullmatch(r"\d+", value) or any(value in wanted.get(name, ()) for name in types)
    )
    return " (what is nested in --config is read as text: write it into a file for --configfile)" if is_text else ""


def _enum_hint(value: Any, choices: Sequence[Any]) -> str:
    words = {True: ("yes", "on"), False: ("no", "off")}.get(value, ()) if isinstance(value, bool) else ()
    for word in (word for word in words if word in choices):
        return f'YAML reads an unquoted {word} as {shown(value)}: write "{word}"'
    near = difflib.get_close_matches(value, _words(choices), n=1) if isinstance(value, str) else []
    listed = f"it must be one of {', '.join(shown(choice) for choice in choices)}"
    return f"did you mean {shown(near[0])}?" if near else listed


def _words(choices: Sequence[Any]) -> list[str]:
    return [choice for choice in choices if isinstance(choice, str)]


def dotted(path: Sequence[Any]) -> str:
    """``policies.grpo.training`` or ``report[1]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _entries(context: Mapping[str, Any]) -> str:
    low, high = context.get("min_length"), context.get("max_length")
    return f"at least {low} entry" if low == 1 else f"{high or low} entries"


def _plain(bound: float) -> str:
    return str(int(bound)) if float(bound).is_integer() else str(bound)


def shown(value: Any) -> str:
    """A value as JSON, which is how YAML takes it, too; long ones are cut."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):  # a date as a key, a mapping that holds itself
        text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
