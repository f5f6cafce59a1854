"""The effective configuration as YAML: every value that holds, each with the file that it comes from."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from reinforced_cot.config.composition import Composition
from reinforced_cot.config.configuration import Config

DEFAULT = "default"
_HEAD = """\
# The effective configuration, complete. Behind each value stands the file that it comes from; `--config` is the command
# line, and `default` is the default that docs/configuration.md gives. As a file for --configfile it makes the same run.
"""


def effective_text(config: Config, composition: Composition) -> str:
    """The whole configuration as YAML, with the origin of each value as a comment."""
    lines = list(_lines(config.as_dict(), (), composition))
    width = min(60, max(len(text) for text, _ in lines))
    return _HEAD + "".join(f"{text:{width}}  # {origin}\n" if origin else f"{text}\n" for text, origin in lines)


def origin(path: tuple[Any, ...], composition: Composition) -> str:
    """Where a value comes from.

    Args:
        path: the keys that lead to it, as a user writes them.
    """
    origins = composition.origins
    for length in range(len(path), 1 if len(path) > 1 else 0, -1):
        if path[:length] in origins:
            return origins[path[:length]]
    parts = dict.fromkeys(name for place, name in origins.items() if place[: len(path)] == path)
    if parts:
        return ", ".join(parts)
    if path[0] == "policies" and len(path) > 2:
        policy = composition.config["policies"].get(path[1])
        if isinstance(policy, Mapping) and policy.get("like"):
            inherited = origin(("policies", policy["like"], *path[2:]), composition)
            return inherited if inherited == DEFAULT else f"{inherited}, like {policy['like']}"
    return DEFAULT


def _lines(content: Mapping[str, Any], path: tuple[Any, ...], composition: Composition) -> Iterator[tuple[str, str]]:
    """Each line's text, and the origin of its value (empty for a section)."""
    for key, value in content.items():
        indent, place = "  " * len(path), (*path, key)
        if isinstance(value, Mapping) and value:
            yield f"{indent}{_scalar(key)}:", ""
            yield from _lines(value, place, composition)
        else:
            yield f"{indent}{_scalar(key)}: {_scalar(value)}", origin(place, composition)


def _scalar(value: Any) -> str:
    """A key, value or list on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=float("inf")).removesuffix("\n")
    text = text.removesuffix("\n...")
    return json.dumps(value) if "\n" in text else text
