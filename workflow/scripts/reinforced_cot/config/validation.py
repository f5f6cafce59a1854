"""The configuration: refused with every problem at once, or completed with defaults as a `Config`.

Runs while Snakemake reads its Snakefile, so nothing here imports torch. The checks that span several keys stand in
`checks`.
"""

import copy
import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from reinforced_cot.chains.settings import ChainSet
from reinforced_cot.config import checks
from reinforced_cot.config.configuration import Config, Launch
from reinforced_cot.config.messages import TAGS, Schema, explained, missing, reserved_or_unknown, wrong_value
from reinforced_cot.config.old_form import OLD_KEYS
from reinforced_cot.config.trl_fields import field_problems, trl_fields
from reinforced_cot.errors import ConfigError
from reinforced_cot.policies.graph import graph_problems, made_for, needs
from reinforced_cot.policies.inheritance import LIKE, completed, inheritance_problems
from reinforced_cot.policies.methods import METHODS
from reinforced_cot.policies.names import BASE, name_problem
from reinforced_cot.policies.settings import TrainedPolicy
from reinforced_cot.scoring.judge_settings import PREFIX
from reinforced_cot.scoring.rewards import REWARDS
from reinforced_cot.section import Section

_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


def validated(config: Mapping[str, Any]) -> Config:
    """The configuration as one object, defaults filled in.

    Policies that the report does not need are checked for keys and types alone, since a preset is merged over
    config.yaml, whose policies stay there; `refuse_policy` checks the rest where one is asked for by name.

    Args:
        config: what Snakemake merged from config.yaml, presets and the command line.

    Raises:
        ConfigError: one line per problem, with its dotted key, the value and what to do.
    """
    raw: dict[str, Any] = copy.deepcopy(dict(config))
    problems: list[str] = []
    sections: dict[str, Any] = {}
    known = {"properties": {name: _schema(name) for name in Config.model_fields}, "reserved": OLD_KEYS}
    problems += [reserved_or_unknown("", str(name), known) for name in raw if name not in Config.model_fields]
    for name, field in Config.model_fields.items():
        if name not in raw:
            if field.is_required():
                problems.append(missing(name))
            else:
                sections[name] = field.get_default(call_default_factory=True)
        elif name == "policies":
            sections[name], wrong = _policies(raw[name])
            problems += wrong
        else:
            value, wrong = _section(name, raw[name])
            problems += wrong
            if value is not None:
                sections[name] = value
    if "policies" in sections:
        names = [str(name) for name in raw["policies"]] if isinstance(raw["policies"], Mapping) else []
        chains = sections.get("chains", {})
        problems += graph_problems(sections["policies"], chains, names) if "chains" in sections else []
        if "report" in sections and isinstance(raw["policies"], Mapping):
            problems += _report(sections["report"], names)
            sections["made"] = _sound_part(sections["policies"], chains, sections["report"])
    problems += checks.problems(sections)
    if problems:
        raise ConfigError("\n".join(_said_once(problems, raw.get("policies"))))
    return Config.model_construct(**{name: sections[name] for name in Config.model_fields})


def _said_once(problems: Sequence[str], policies: Any) -> list[str]:
    """The problems without repetition, and without those that a policy only took over from the one it is ``like``."""
    told = dict.fromkeys(problems)
    if isinstance(policies, Mapping):
        likes = {name: s["like"] for name, s in policies.items() if isinstance(s, Mapping) and s.get("like")}
        for name, other in likes.items():
            if other == name:
                continue  # refused as a circle
            key, original = f"`policies.{name}.", f"`policies.{other}."
            for line in [line for line in told if key in line]:
                if line.replace(key, original) in problems:
                    del told[line]
    return list(told)


def refuse_policy(config: Config, name: str) -> None:
    """Check a policy that the report does not need as `validated` checks the others.

    Raises:
        ConfigError: one line per problem.
    """
    sections = {field: getattr(config, field) for field in Config.model_fields}
    needed = made_for(config.policies, config.chains, [name])
    if problems := list(checks.problems({**sections, "made": needed})):
        raise ConfigError("\n".join(dict.fromkeys(problems)))


def _section(name: str, value: Any) -> tuple[Any, list[str]]:
    """One section as its type, or None; and one line per mistake. An unknown key leaves the others sound."""
    adapter = _adapter(name)
    try:
        return adapter.validate_python(value), list(_unknown_rewards(name, value))
    except ValidationError as error:
        problems = [*explained(error, name, _schema(name)), *_unknown_rewards(name, value)]
        return _without_unknown(adapter, value, error), problems


def _without_unknown(adapter: TypeAdapter[Any], value: Any, error: ValidationError) -> Any:
    """The section without its unknown keys, or None where these are not all that is wrong with it."""
    left = copy.deepcopy(value)
    for one in error.errors(include_url=False):
        if one["type"] != "extra_forbidden":
            return None
        *path, last = (part for part in one["loc"] if part not in TAGS)
        parent = left
        for part in (part for part in path if part not in TAGS):
            parent = parent[part]
        del parent[last]
    return adapter.validate_python(left)


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    field = Config.model_fields[name]
    if name == "launch":
        return TypeAdapter(Launch)
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
        return TypeAdapter(field.annotation)
    plain: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    return TypeAdapter(plain, config=_STRICT)


@cache
def _schema(name: str) -> Schema:
    return _adapter(name).json_schema(by_alias=True)


def _unknown_rewards(name: str, value: Any) -> Iterator[str]:
    """Rewards are named by the table `REWARDS`, or ``module:function``."""
    if isinstance(value, Mapping) and name.endswith("rewards"):
        known: Schema = {"properties": {reward: {} for reward in REWARDS}}
        for reward in value:
            if reward not in REWARDS and ":" not in str(reward) and not str(reward).startswith(PREFIX):
                line = reserved_or_unknown(name, str(reward), known)
                yield (
                    line
                    if line.endswith("?")
                    else f"{line}; write a judge as `judges.<name>`, your own as `module:function`"
                )
            elif str(reward).count(":") > 1:
                yield f"`{name}` names {reward}, with two colons: write `module:function: weight`, with a blank"


def _policies(raw: Any) -> tuple[dict[str, TrainedPolicy], list[str]]:
    """The policies whose settings are sound, and one line per mistake."""
    if not isinstance(raw, Mapping):
        return {}, [wrong_value("policies", {"type": "dict_type", "input": raw}, {"type": "object"})]
    problems = [f"`policies.{name}`: {why}" for name in raw if isinstance(name, str) and (why := name_problem(name))]
    problems += [f"`policies.{name}`: write the name in quotes" for name in raw if not isinstance(name, str)]
    named = {name: settings for name, settings in raw.items() if isinstance(name, str)}
    problems += inheritance_problems(named)
    sound: dict[str, TrainedPolicy] = {}
    full = completed(named)
    for name, settings in full.items():
        like, method = (
            named[name].get(key) if isinstance(named[name], Mapping) else None for key in ("like", "method")
        )
        if like and method and method != full[like].get("method"):
            problems.append(
                f"`policies.{name}.method` is {method}, and it is like {like}, whose method is "
                f"{full[like].get('method')}; a policy is only like one of its own method"
            )
            continue
        policy, wrong = _policy(f"policies.{name}", settings)
        problems += wrong
        if policy is not None and not name_problem(name):
            sound[name] = policy
    return sound, problems


def _policy(key: str, raw: Any) -> tuple[TrainedPolicy | None, list[str]]:
    if not isinstance(raw, Mapping):
        return None, [wrong_value(key, {"type": "dict_type", "input": raw}, {"type": "object"})]
    method = raw.get("method")
    if not isinstance(method, str) or method not in METHODS:
        known = _policy_of_any_method()
        unknown = [reserved_or_unknown(key, str(name), known, known) for name in raw if name not in known["properties"]]
        if method is None:
            return None, [*unknown, missing(f"{key}.method", f"write one of {', '.join(METHODS)}")]
        return None, [
            *unknown,
            wrong_value(f"{key}.method", {"type": "enum", "input": method}, {"enum": list(METHODS)}),
        ]
    adapter: TypeAdapter[Any] = TypeAdapter(METHODS[method].policy)
    problems: list[str] = []
    try:
        policy = adapter.validate_python(dict(raw))
    except ValidationError as error:
        schema = adapter.json_schema(by_alias=True)
        schema["properties"] |= {
            **{"training": trl_fields()[METHODS[method].trl_config], "lora": trl_fields()["lora"], "like": LIKE}
        }
        problems += explained(error, key, schema)
        policy = _without_unknown(adapter, dict(raw), error)
    fields = [*_fields(key, "training", METHODS[method].trl_config, raw), *_fields(key, "lora", "lora", raw)]
    problems += fields
    problems += _unknown_rewards(f"{key}.rewards", raw.get("rewards"))
    return (None if fields else policy), problems


@cache
def _policy_of_any_method() -> Schema:
    """The JSON schema of a policy whose method is not known: the keys of all methods."""
    properties: dict[str, Any] = {"like": LIKE}
    definitions: dict[str, Any] = {}
    for method in METHODS.values():
        schema = TypeAdapter(method.policy).json_schema(by_alias=True)
        properties |= schema["properties"]
        definitions |= schema["$defs"]
    return {"properties": properties, "$defs": definitions}


def _fields(key: str, name: str, section: str, raw: Mapping[str, Any]) -> Iterator[str]:
    values = raw.get(name)
    if isinstance(values, Mapping):
        yield from field_problems(section, f"{key}.{name}", values)
        if name == "lora" and "target_modules" not in values:
            yield missing(f"{key}.lora.target_modules")


def _report(report: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    for name in report:
        if name != BASE and name not in names:
            near = difflib.get_close_matches(name, [BASE, *names], n=1)
            hint = f"did you mean {near[0]}?" if near else f"add `policies.{name}` or remove the name"
            yield f"`report` names {name}, which is no policy; {hint}"


def _sound_part(
    policies: Mapping[str, TrainedPolicy], chains: Mapping[str, ChainSet], report: Sequence[str]
) -> list[str]:
    """The policies of a report that need no broken one, and all that they need; each after those."""
    order: dict[str, None] = {}

    def is_sound(name: str, line: tuple[str, ...]) -> bool:
        if name == BASE or name in order:
            return True
        if name not in policies or name in line:
            return False
        if not all(is_sound(other, (*line, name)) for other in needs(policies, chains, name).values()):
            return False
        order[name] = None
        return True

    for name in report:
        is_sound(name, ())
    return list(order)
