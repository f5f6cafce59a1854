"""Model cards: the card of the base, and what all cards share. `report.model_card` writes those of trained policies."""

import json
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import yaml

from reinforced_cot.inert_text import visible_line

CARD = "README.md"
# What a card says of a model that holds for the models made from it.
_INHERITED = ("license", "license_name", "license_link", "language")
_FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?(?:\n|\Z)", re.DOTALL)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~:$@-])")


def inert(text: Any) -> str:
    """A text as it stands in a line of Markdown: nothing of it acts, neither as Markdown nor as HTML."""
    return escape(_MARKDOWN.sub(r"\\\1", visible_line(str(text))), quote=False)


def front_matter(fields: Mapping[str, Any]) -> str:
    """The YAML at the beginning of a card; fields without a value are left out."""
    known = {key: value for key, value in fields.items() if value}
    return f"---\n{yaml.safe_dump(known, sort_keys=False, allow_unicode=True)}---\n"


def published_facts(folder: Path) -> dict[str, Any]:
    """Licence and languages that the card of a checkpoint names; nothing where it has no card, or none that is read."""
    try:
        match = _FRONT_MATTER.match((folder / CARD).read_text(encoding="utf-8"))
        fields = yaml.safe_load(match[1]) if match else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    if not isinstance(fields, dict):
        return {}
    return {key: fields[key] for key in _INHERITED if isinstance(fields.get(key), str | list)}


def base_card(facts: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """The card of the policy ``base``.

    Args:
        facts: its provenance, which the card shows as JSON.
        known: as `published_facts` gives them, of the published checkpoint.
    """
    fields = {
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        **known,
        "tags": ["reinforced-cot"],
    }
    shown = json.dumps(facts, indent=2, sort_keys=True).replace("`", "\\u0060")
    return (
        f"{front_matter(fields)}\n# base\n\n"
        "The vision-language model that a run of reinforced-cot starts from, before any of its training. It was not\n"
        f"taught to write chains of thought in tags.\n\n```json\n{shown}\n```\n"
    )
