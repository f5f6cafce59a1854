"""Keys that a YAML file gives twice: the later one would win in silence."""

from collections.abc import Iterator
from pathlib import Path

import yaml


def repeated_keys(path: Path) -> Iterator[str]:
    """One line a key that stands twice in one mapping of the file; none where it is no YAML, which others report."""
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
