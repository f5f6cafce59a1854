"""Each message on the page of troubleshooting is one that the code can say."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import snakemake
from pages import blocks
from places import REPO, SCRIPTS

PAGE = "docs/troubleshooting.md"
MESSAGES = [" ".join(block.text.split()) for block in blocks("message") if block.page == PAGE]
HOLE = "\0"


@cache
def said() -> tuple[str, ...]:
    """Every text of the code, with a hole for each value that it shows, and the Makefile."""
    files = [*SCRIPTS.rglob("*.py"), Path(snakemake.__file__).with_name("exceptions.py")]
    texts = [text for file in files for text in texts_of(ast.parse(file.read_text(encoding="utf-8")))]
    rules = (REPO / "rules/common.smk").read_text(encoding="utf-8")
    return (*texts, *texts_of(ast.parse(rules.split("\nwildcard_constraints:")[0])), *of_rules(rules), makefile())


def of_rules(text: str) -> Iterator[str]:
    """The texts of the functions behind the directives of a Snakefile, which is no Python as a whole."""
    for function in re.findall(r"^def .*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL):
        yield from texts_of(ast.parse(function))


def makefile() -> str:
    return (REPO / "Makefile").read_text(encoding="utf-8")


def texts_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"%[-.\d]*[sdrgf]|\{[^{}]*\}", HOLE, node.value)
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else HOLE for part in node.values)  # type: ignore[misc]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            yield "".join(joined(node))


def joined(node: ast.AST) -> Iterator[str]:
    """The text of a sum of texts; whatever else is added is a hole."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from joined(node.left)
        yield from joined(node.right)
    elif isinstance(node, ast.IfExp) and isinstance(node.orelse, ast.Constant) and node.orelse.value == "":
        yield ""  # what is only added at times
    else:
        texts = list(texts_of(node)) if isinstance(node, ast.Constant | ast.JoinedStr) else []
        yield texts[0] if texts else HOLE


def pattern(message: str) -> re.Pattern[str]:
    """What a text of the code must match to say the message: a value may stand wherever the page has brackets."""
    return re.compile(r"[^\n]*?".join(re.escape(part) for part in re.split(r"<[^<>]+>", message)))


def test_the_page_has_messages() -> None:
    assert len(MESSAGES) >= 25 and len(set(MESSAGES)) == len(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message[:60])
def test_the_code_says_it(message: str) -> None:
    assert len(re.sub(r"<[^<>]+>|\W", "", message)) > 10, "too little of it is fixed"
    assert any(pattern(message).search(" ".join(text.split(" "))) for text in said()), message


def test_a_message_that_no_code_says_is_found() -> None:
    assert not any(pattern("<file> is damaged: its contents are not").search(text) for text in said())
