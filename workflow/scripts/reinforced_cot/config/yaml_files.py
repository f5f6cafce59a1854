"""Configuration files as they are on disk: reading them, and refusing bad YAML, repeated keys and the old form."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from reinforced_cot.config.configuration import Config
from reinforced_cot.config.old_form import OLD_KEYS, is_old_form, refusal
from reinforced_cot.errors import ConfigError


def read_yaml(path: Path) -> dict[str, Any]:
    """The content of a configuration file.

    Raises:
        ConfigError: the file is missing, no UTF-8 text, no YAML or no mapping; names file and line.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(
            f"{path}{line}: not valid YAML: {error.problem or error.context}; correct that line or the one before it"
        ) from None
    except (yaml.YAMLError, ValueError, AttributeError) as error:  # an impossible date, `!!int x`
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold a mapping of keys to values")
    if place := _recursion(content):
        raise ConfigError(f"{path}: `{place}` is an alias of a mapping or list that holds it: write it out")
    return content


def _recursion(value: Any, above: tuple[int, ...] = (), place: str = "") -> str:
    """The dotted key at which a value holds itself, which YAML's aliases allow; empty if it never does."""
    if not isinstance(value, dict | list):
        return ""
    if id(value) in above:
        return place
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    below = (_recursion(entry, (*above, id(value)), f"{place}.{key}".lstrip(".")) for key, entry in entries)
    return next(filter(None, below), "")


def refuse_files(paths: Sequence[Path]) -> None:
    """See that configuration files are sound as files, before their merged content is checked.

    Raises:
        ConfigError: a file is no YAML or no configuration, gives a key twice, or is in the old form.
    """
    contents = {path: read_yaml(path) for path in paths}
    for path, content in contents.items():
        if content and not content.keys() & {*Config.model_fields, *OLD_KEYS, "extends"}:
            raise ConfigError(
                f"{path} has no key of the configuration. (`--configfile` takes every word up to the next option as a "
                "file: targets stand before it.)"
            )
    if repeated := [line for path in paths for line in repeated_keys(path)]:
        raise ConfigError("\n".join(repeated))
    if old := [refusal(str(path), content) for path, content in contents.items() if is_old_form(content)]:
        raise ConfigError("\n".join(old))


def repeated_keys(path: Path) -> Iterator[str]:
    """One line per key that stands twice in one mapping of the file: YAML would silently take the later one.

    Yields none where the file is not YAML, which `read_yaml` reports.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return
    stack = [("", root)] if root else []
    seen_nodes: set[int] = set()
    while stack:
        prefix, node = stack.pop()
        if id(node) in seen_nodes:  # an alias is the very node of its anchor
            continue
        seen_nodes.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            stack += [(prefix, child) for child in node.value]
        if not isinstance(node, yaml.MappingNode):
            continue
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in lines:
                yield f"{path}, line {line}: `{prefix}{key.value}` stands in line {lines[key.value]} as well; keep one"
            lines[key.value] = line
            stack.append((f"{prefix}{key.value}.", value))
