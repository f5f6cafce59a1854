"""The configuration: refused with every problem at once, or completed with the schema's defaults.

Runs while Snakemake reads its Snakefile, so nothing here imports torch: TRL's and PEFT's own fields are read from
``trl_fields.json`` (`workflow/schemas/generate_trl_fields.py`). Checks that span several keys stand in `config_checks`.
"""

import copy
import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from reinforced_cot.config import checks, inheritance, rl_checks
from reinforced_cot.config.launch_checks import processes_of
from reinforced_cot.errors import ConfigError
from reinforced_cot.paths import SCHEMAS

_TYPE_NAMES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "a mapping of keys to values",
}
# Fields of TRL that stage scripts read themselves: TRL's default is written out where the user left them away.
_BATCHES = ("per_device_train_batch_size", "gradient_accumulation_steps")
_READ_BY_STAGES = {
    "sft": (*_BATCHES, "save_strategy", "save_steps"),
    "rl": (*_BATCHES, "generation_batch_size", "steps_per_generation", "num_generations", "max_completion_length"),
}


def validated(config: Mapping[str, Any]) -> dict[str, Any]:
    """A deep copy of ``config`` with defaults filled in for the sections that are used.

    Unused are the policies under ``rl`` that ``policies`` does not name, and the tiny model where ``base_model.path``
    is set: a preset is merged over config.yaml, whose values stay there. Their keys and types are checked all the same.

    Args:
        config: what Snakemake merged from config.yaml, presets and the command line.

    Raises:
        ConfigError: one line a problem, with its dotted key, the value and what to do.
    """
    result: dict[str, Any] = copy.deepcopy(dict(config))
    if isinstance(result.get("rl"), dict):
        if astray := list(inheritance.problems(result["rl"])):
            raise ConfigError("\n".join(astray))
        result["rl"] = inheritance.completed(result["rl"])
    errors = sorted(_validator().iter_errors(result), key=lambda error: [str(part) for part in error.absolute_path])
    problems = [line for error in errors for line in _explain(error)]
    # An unknown key leaves the values beside it sound; any other problem would only lead to puzzling further ones.
    unsound = [place for error in errors if error.validator != "additionalProperties" for place in _places(error)]
    _fill(result, _schema(), (), _unused(result))

    def sound(*section: str) -> bool:
        return not any(place[: len(section)] == section[: len(place)] for place in unsound)

    problems += checks.problems(_without_unknown(result, errors), _trl_defaults(), sound)
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))  # each missing key is reported once for all of them
    _fill_trl_fields(result)
    return result


def warnings_of(config: Mapping[str, Any]) -> list[str]:
    """What is allowed but hardly meant, one line each.

    Args:
        config: as `validated` returns it.
    """
    return list(rl_checks.warnings(config, _trl_defaults()["rl"], processes_of(config["launch"], "rl")))


@cache
def _schema() -> dict[str, Any]:
    text = (SCHEMAS / "config.schema.yaml").read_text(encoding="utf-8")
    schema: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)  # in C, since every dry-run waits for it
    return schema


@cache
def _trl_fields() -> dict[str, Any]:
    fields: dict[str, Any] = json.loads((SCHEMAS / "trl_fields.json").read_text(encoding="utf-8"))
    return fields


def _trl_defaults() -> dict[str, dict[str, Any]]:
    """Defaults of SFTConfig (``sft``) and GRPOConfig (``rl``) by field."""
    return {
        section: {name: field["default"] for name, field in _trl_fields()[section]["properties"].items()}
        for section in ("sft", "rl")
    }


@cache
def _validator() -> Validator:
    types = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),  # 16.0 is none
            "number": lambda _, value: (
                isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            ),
        }
    )
    registry: Registry[Any] = Registry().with_resource("trl_fields.json", DRAFT202012.create_resource(_trl_fields()))
    return extend(Draft202012Validator, type_checker=types)(_schema(), registry=registry)


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """``schema`` with its ``$ref`` replaced by what that names, in this file or in trl_fields.json."""
    if "$ref" not in schema:
        return schema
    file, _, pointer = schema["$ref"].partition("#/")
    target: Mapping[str, Any] = _trl_fields() if file else _schema()
    for part in pointer.split("/"):
        target = target[part]
    return {**_resolved(target), **{key: value for key, value in schema.items() if key != "$ref"}}


def _unused(config: Mapping[str, Any]) -> set[tuple[str, ...]]:
    """Paths of the sections that no stage reads."""
    base_model = config.get("base_model")
    policies = config.get("policies", _schema()["properties"]["policies"]["default"])
    unused: set[tuple[str, ...]] = set()
    if isinstance(base_model, dict) and base_model.get("path") is not None:
        unused.add(("base_model", "tiny"))
    if isinstance(policies, list) and isinstance(config.get("rl"), dict):
        unused |= {("rl", name) for name in config["rl"] if name not in policies}
    return unused


def _fill(value: Any, schema: Mapping[str, Any], path: tuple[str, ...], unused: set[tuple[str, ...]]) -> None:
    """Add the defaults that ``value`` lacks, in place. Fields of TRL and PEFT keep their own defaults, unwritten."""
    schema = _resolved(schema)
    if not isinstance(value, dict) or path in unused or "reserved" in schema:
        return
    properties = schema.get("properties", {})
    for key, entry in properties.items():
        resolved = _resolved(entry)
        if key not in value and "default" in resolved and (*path, key) not in unused:
            value[key] = copy.deepcopy(resolved["default"])
    for key in value:
        entry = properties.get(key, schema.get("additionalProperties"))
        if isinstance(entry, dict):
            _fill(value[key], entry, (*path, key), unused)


def _without_unknown(config: Mapping[str, Any], errors: Sequence[ValidationError]) -> dict[str, Any]:
    """A copy without the stages and splits that the schema does not have, into which no defaults were filled.

    Elsewhere, checks ask for keys by their names.
    """
    known = copy.deepcopy(dict(config))
    walked = {("launch",), ("data", "splits")}
    for error in errors:
        if error.validator != "additionalProperties" or tuple(error.absolute_path) not in walked:
            continue
        section = known
        for part in error.absolute_path:
            section = section[part]
        for name in set(section) - set(error.schema["properties"]):
            del section[name]
    return known


def _fill_trl_fields(config: dict[str, Any]) -> None:
    sections = [("sft", config["sft"]), *(("rl", config["rl"][policy]) for policy in config["policies"])]
    for name, section in sections:
        defaults = _trl_fields()[name]["properties"]
        section["training"] = {
            **{field: defaults[field]["default"] for field in _READ_BY_STAGES[name]},
            **section["training"],
        }


def _places(error: ValidationError) -> list[tuple[Any, ...]]:
    """Paths of the keys that are wrong or missing."""
    path = tuple(error.absolute_path)
    if error.validator == "required":
        return [(*path, name) for name in error.validator_value if name not in error.instance]
    return [(*path, error.instance) if "propertyNames" in error.absolute_schema_path else path]


def _explain(error: ValidationError) -> Iterator[str]:
    """The lines that tell a user about one violation of the schema."""
    value, expected = error.instance, error.validator_value
    key, shown = _dotted(_places(error)[0]), _shown(value)
    match error.validator:
        case "additionalProperties":
            patterns = error.schema.get("patternProperties", ())
            for name in value:
                if name not in error.schema["properties"] and not any(re.search(p, str(name)) for p in patterns):
                    yield _explain_unknown(tuple(error.absolute_path), str(name), error.schema)
        case "required":
            for place in _places(error):
                yield f"`{_dotted(place)}` is missing; config/README.md says what it means"
        case "type":
            names = [expected] if isinstance(expected, str) else expected
            hint = _number_hint(value, names) or f"it must be {_either(names)}"
            yield f"`{key}` is {shown}; {hint}{_command_line_hint(value, names)}"
        case "enum":
            yield f"`{key}` is {shown}; {_enum_hint(value, expected)}"
        case "pattern":
            yield f"`{key}` is {shown}; {error.schema['patternErrorMessage']}"
        case "minimum":
            yield f"`{key}` is {shown}; it must be at least {expected}"
        case "exclusiveMinimum":
            yield f"`{key}` is {shown}; it must be above {expected}"
        case "maximum":
            yield f"`{key}` is {shown}; it must be at most {expected}"
        case "minItems" | "maxItems":
            yield f"`{key}` is {shown}; it must have {expected} entries"
        case "minLength":
            yield f"`{key}` is empty; give a text or remove the key"
        case "uniqueItems":
            yield f"`{key}` is {shown}; an entry stands there twice"
        case _:
            yield f"`{key}` is {shown}; {error.message}"


def _explain_unknown(path: tuple[Any, ...], name: str, schema: Mapping[str, Any]) -> str:
    """What to do about a key that the schema does not have: reserved, misspelt, or at the wrong depth."""
    key = _dotted((*path, name))
    reserved, properties = schema.get("reserved", {}), schema["properties"]
    if name in reserved:
        return f"`{key}` {reserved[name]}; remove it"
    for near in difflib.get_close_matches(name, [*properties, *reserved], n=1):
        return f"unknown key `{key}`; did you mean `{near}`?{f' It {reserved[near]}' if near in reserved else ''}"
    for child, entry in properties.items():
        if name in _resolved(entry).get("properties", {}):
            return f"unknown key `{key}`; did you mean `{_dotted((*path, child, name))}`?"
    if "title" in schema and path:
        return f"unknown key `{key}`; {schema['title']} has no such field"
    return f"unknown key `{key}`; valid keys are {', '.join(properties)}"


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
        return f'YAML reads an unquoted {word} as {_shown(value)}: write "{word}"'
    near = difflib.get_close_matches(str(value), [choice for choice in choices if isinstance(choice, str)], n=1)
    listed = f"it must be one of {', '.join(_shown(choice) for choice in choices)}"
    return f"did you mean {_shown(near[0])}?" if near else listed


def _dotted(path: Sequence[Any]) -> str:
    """``rl.grpo.training`` or ``policies[1]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _either(types: Sequence[str]) -> str:
    return " or ".join(_TYPE_NAMES[name] for name in types)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
