"""Write what follows from the typed sections of the configuration, so that each key stands in one place alone.

- ``trl_fields.json``: the fields of TRL's and PEFT's classes (`trl_fields.py`).
- ``config.schema.json``: the JSON schema by which editors complete and check configuration files.
- The tables in ``docs/configuration.md``, behind markers such as ``<!-- keys: prompt -->``.

Run after a change of a section, of TRL, transformers or PEFT; a unit test compares::

    python workflow/schemas/generate.py
"""

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "scripts")]

import trl_fields
from pydantic import BaseModel

from reinforced_cot.chains.settings import ChainSet
from reinforced_cot.config.composition import EXTENDS
from reinforced_cot.config.configuration import Config, Launch
from reinforced_cot.config.messages import alternatives
from reinforced_cot.launch.settings import Job
from reinforced_cot.paths import REPOSITORY
from reinforced_cot.policies.inheritance import LIKE
from reinforced_cot.policies.methods import METHODS
from reinforced_cot.policies.settings import TrainedPolicy
from reinforced_cot.scoring.judge_settings import Judge
from reinforced_cot.scoring.rewards import REWARDS
from reinforced_cot.sources.settings import DataSettings, Source

FIELDS, SCHEMA = HERE / "trl_fields.json", HERE / "config.schema.json"
REFERENCE = REPOSITORY / "docs" / "configuration.md"


@cache
def meanings(model: type[BaseModel]) -> dict[str, str]:
    """The text that stands below each field of a section, and of the sections that it extends."""
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not (isinstance(base, type) and issubclass(base, BaseModel)) or base is BaseModel:
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except OSError:  # a model that is made at run time
            continue
        body = tree.body[0].body  # type: ignore[attr-defined]
        for field, text in pairwise(body):
            is_text = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
                texts[field.target.id] = " ".join(str(text.value.value).split())
    return texts


def models() -> dict[str, type[BaseModel]]:
    """Every section by its class's name."""
    sections: dict[str, type[BaseModel]] = {}
    queue: list[Any] = [Config, Launch, *(method.policy for method in METHODS.values())]
    while queue:
        model = queue.pop()
        if isinstance(model, type) and issubclass(model, BaseModel) and model.__name__ not in sections:
            sections[model.__name__] = model
            for field in model.model_fields.values():
                queue += members(field.annotation)
    return sections


def config_schema() -> dict[str, Any]:
    """The JSON schema of a configuration file. Nothing is required: a preset says only what differs."""
    schema = Config.model_json_schema(by_alias=True)
    definitions: dict[str, Any] = schema["$defs"]
    launch = Launch.model_json_schema(by_alias=True)
    definitions |= launch.pop("$defs") | {"LaunchSettings": launch}
    policy: dict[str, Any] = {"properties": {"like": LIKE}}
    for method in METHODS.values():
        of_method = method.policy.model_json_schema(by_alias=True)
        definitions |= of_method.pop("$defs")
        policy["properties"] = of_method["properties"] | policy["properties"]
    definitions["TrainedPolicy"] = {
        "type": "object",
        "additionalProperties": False,
        "description": "One policy: what makes it, and what it starts from.",
        **policy,
    }
    policy["properties"]["method"]["enum"] = list(METHODS)
    policy["properties"]["training"] = {
        "description": "Fields of the trainer's configuration: TRL's own, by the method.",
        "anyOf": [{"$ref": f"trl_fields.json#/{method.trl_config}"} for method in METHODS.values()],
    }
    policy["properties"]["lora"] = {"$ref": "trl_fields.json#/lora"}
    rewards = {
        "description": "Weight of each reward; null or left out removes one, 0 logs it without effect. One of your own "
        "stands under `module:function`, a judge under `judges.<name>`. The word `original` is the original system's "
        "reward alone.",
        "anyOf": [
            {"const": "original"},
            {
                "type": "object",
                "additionalProperties": False,
                "patternProperties": {
                    r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$": {"$ref": "#/$defs/Weight"},
                    r"^judges\.[a-z][a-z0-9_]*$": {"$ref": "#/$defs/Weight"},
                },
                "properties": {
                    name: {"$ref": "#/$defs/Weight", "description": first_sentence(reward)}
                    for name, reward in REWARDS.items()
                },
            },
            {"type": "null"},
        ],
    }
    schema["properties"] = {"extends": EXTENDS, **schema["properties"]}
    definitions["Weight"] = {"type": ["number", "null"], "minimum": 0}
    schema["properties"]["rewards"] = policy["properties"]["rewards"] = rewards
    described(schema, Config)
    for name, model in models().items():
        if name in definitions:
            described(definitions[name], model)
    for method in METHODS.values():
        described(definitions["TrainedPolicy"], method.policy)
    plain(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Generated by generate.py; do not edit.",
        **schema,
        "title": "Configuration",
    }


def described(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Write the meaning of each field of ``model`` into its schema, in place."""
    aliases = {name: field.alias or name for name, field in model.model_fields.items()}
    for name, text in meanings(model).items():
        if aliases.get(name) in schema.get("properties", {}):
            schema["properties"][aliases[name]].setdefault("description", text)


def plain(schema: Any) -> None:
    """Leave out, in place, what is required (a preset says only what differs) and titles that repeat a key."""
    if isinstance(schema, dict):
        schema.pop("required", None)
        if isinstance(schema.get("title"), str):
            del schema["title"]
        for value in schema.values():
            plain(value)
    elif isinstance(schema, list):
        for value in schema:
            plain(value)


def first_sentence(function: Any) -> str:
    """What a reward's docstring says first."""
    text = " ".join((inspect.getdoc(function) or "").split())
    return re.split(r"(?<=[.;]) ", text, maxsplit=1)[0].rstrip(";.") + "."


def rows(model: type[BaseModel], path: str) -> Iterator[str]:
    """The lines of a table: key, type, default and meaning of each field, those of nested sections included."""
    schema = model.model_json_schema(by_alias=True)
    for name, field in model.model_fields.items():
        key, entry = field.alias or name, schema["properties"][field.alias or name]
        place = f"{path}.{key}".removeprefix(".")
        nested = nested_section(field.annotation)
        if nested is not None:
            yield from rows(nested, place)
            continue
        text = meanings(model).get(name, "")
        default = "required" if field.is_required() else f"`{json.dumps(as_json(field), ensure_ascii=False)}`"
        yield f"| `{place}` | {in_words(entry, schema)} | {default} | {text} |"


def members(annotation: Any) -> list[Any]:
    """A type and the members of a union, each without what is annotated to it."""
    both = [annotation, *getattr(annotation, "__args__", ())]
    return [member.__origin__ if hasattr(member, "__metadata__") else member for member in both]


def nested_section(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, or None for a plain value."""
    sections = [member for member in members(annotation) if isinstance(member, type) and issubclass(member, BaseModel)]
    return sections[0] if len(sections) == 1 else None


def as_json(field: Any) -> Any:
    """A field's default as YAML would say it."""
    default = field.get_default(call_default_factory=True)
    return list(default) if isinstance(default, tuple) else default


def in_words(entry: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """A type as the tables say it, such as "whole number ≥ 1 or `null`"."""
    return " or ".join(dict.fromkeys(member_in_words(member) for member in alternatives(entry, root)))


def member_in_words(member: Mapping[str, Any]) -> str:
    """One member of a union."""
    values = member.get("enum", [member["const"]] if "const" in member else [])
    if values:
        return ", ".join(f"`{v if isinstance(v, str) and v not in ('on', 'off') else json.dumps(v)}`" for v in values)
    names = {"integer": "whole number", "string": "text", "array": "list", "object": "mapping", "null": "`null`"}
    if member.get("type") == "boolean":
        return "`true`, `false`"
    name = names.get(str(member.get("type")), str(member.get("type")))
    low, above, high = member.get("minimum"), member.get("exclusiveMinimum"), member.get("maximum")
    if low is not None and high is not None:
        return f"{name} from {low:g} to {high:.0f}"
    if low is not None:
        return f"{name} ≥ {low:g}"
    if above is not None:
        below = member.get("exclusiveMaximum")
        bound = f" and ≤ {high:g}" if high is not None else f" and < {below:g}" if below is not None else ""
        return f"{name} > {above:g}{bound}"
    return name


def tables() -> dict[str, str]:
    """The tables of the reference by their markers."""
    top = {name for name in Config.model_fields if nested_section(Config.model_fields[name].annotation) is None}
    written = {
        "top level": "\n".join(
            row for row in rows(Config, "") if row.split("`")[1] in top - {"policies", "chains", "judges"}
        )
    }
    for name, field in Config.model_fields.items():
        section = nested_section(field.annotation)
        if section is not None and name not in ("policies", "launch", "data", "chains", "judges"):
            written[name] = "\n".join(rows(section, name))
    data = list(rows(DataSettings, "data"))
    first = next(number for number, row in enumerate(data) if "`data.splits." in row)
    others = [row for row in data if "`data.splits." not in row]
    # A split is a source or a list of them: their keys stand once for all.
    written["data"] = "\n".join([*others[:first], *rows(Source, "data.splits.<split>"), *others[first:]])
    shared = "\n".join(rows(TrainedPolicy, "policies.<policy>"))
    like = f"| `policies.<policy>.like` | text or `null` | `null` | {LIKE['description']} |"
    written["policies"] = f"{like}\n{shared}"
    for name, method in METHODS.items():
        of_method = [row for row in rows(method.policy, "policies.<policy>") if row not in shared.splitlines()]
        if of_method:
            written[f"policies of {name}"] = "\n".join(of_method)
    written["chains"] = "\n".join(rows(ChainSet, "chains.<set>"))
    written["judges"] = "\n".join(rows(Judge, "judges.<judge>"))
    written["rewards"] = "\n".join(
        f"| `rewards.{name}` | number ≥ 0 or `null` | `null` | {first_sentence(reward)} |"
        for name, reward in REWARDS.items()
    )
    written["launch"] = "\n".join(rows(Job, "launch.<stage>"))
    return written


def reference(text: str) -> str:
    """docs/configuration.md with its tables written anew.

    Raises:
        ValueError: it has a marker for which there is no table, or none for one.
    """
    written = tables()
    marked = re.findall(r"<!-- keys: (.*?) -->", text)
    if sorted(marked) != sorted(written):
        raise ValueError(f"markers {sorted(marked)} of {REFERENCE} are not the tables {sorted(written)}")
    for name, table in written.items():
        marker = f"<!-- keys: {name} -->"
        head = "| key | type | default | meaning |\n| --- | --- | --- | --- |"
        pattern = re.escape(marker) + r"\n(?:\|.*\n)*"
        text = re.sub(pattern, lambda _, new=f"{marker}\n{head}\n{table}\n": new, text)  # type: ignore[misc]
    return text


def as_text(content: dict[str, Any]) -> str:
    """A JSON file's text."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


if __name__ == "__main__":
    FIELDS.write_text(as_text(trl_fields.generate()), encoding="utf-8")
    SCHEMA.write_text(as_text(config_schema()), encoding="utf-8")
    REFERENCE.write_text(reference(REFERENCE.read_text(encoding="utf-8")), encoding="utf-8")
