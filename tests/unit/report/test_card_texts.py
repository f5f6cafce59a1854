"""Texts of data and models do nothing in a model card."""

from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from reinforced_cot.models.model_cards import base_card, front_matter, inert, published_facts

HOSTILE = [
    "<script>x</script>",
    '<img src=x onerror="x">',
    "[a](javascript:x) ![b](http://x) http://x.org <http://x.org>",
    "| a | b\n# heading\n- item",
    "`code` *a* _b_ ~~c~~ $m$ &amp; \\",
    "\u202ered\x1b[2J",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("line", ["{}", "- {}", "| x | {} |"])
def test_a_text_is_shown_as_it_is(text: str, line: str) -> None:
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    head = "| a | b |\n| --- | --- |\n" if "|" in line else ""
    tokens = reader.parse(head + line.format(inert(text)))
    kinds = [child.type for token in tokens for child in token.children or []]
    assert set(kinds) <= {"text", "text_special"}, kinds
    assert not [token for token in tokens if token.type in ("html_block", "heading_open", "fence", "code_block")]
    shown = reader.render(head + line.format(inert(text)))
    assert "\u202e" not in shown and "\x1b" not in shown


def test_front_matter_is_yaml_whatever_it_says() -> None:
    fields = {"license": "---\nother: x", "language": ["en", "a: b"], "datasets": [], "base_model": None}
    begin, text, end = front_matter(fields).split("---\n", 1)[0], front_matter(fields)[4:-4], front_matter(fields)[-4:]
    assert (begin, end) == ("", "---\n")
    assert yaml.safe_load(text) == {"license": "---\nother: x", "language": ["en", "a: b"]}


def test_the_licence_of_a_published_base_is_kept(tmp_path: Path) -> None:
    assert published_facts(tmp_path) == {}
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\nlanguage: [en]\ntags: [x]\n---\ntext")
    known = published_facts(tmp_path)
    assert known == {"license": "apache-2.0", "language": ["en"]}
    card = base_card({"source": "```\n<script>"}, known)
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "apache-2.0"
    assert card.count("```") == 2
    (tmp_path / "README.md").write_text("---\n: [\n---\n")
    assert published_facts(tmp_path) == {}
