"""The pages that users read, and the blocks that they show."""

import re
from pathlib import Path
from typing import NamedTuple

from places import REPO

PAGES = [
    REPO / "README.md",
    REPO / "config/README.md",
    *sorted((REPO / "docs").glob("*.md")),
    *sorted((REPO / "benchmarks").glob("*.md")),
]
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its page, the line of its fence, its language and its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def named(page: Path) -> str:
    """A page's path below the repository."""
    return str(page.relative_to(REPO))


def blocks(*languages: str) -> list[Block]:
    """The blocks of all pages in these languages."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            if match[2] in languages:
                found.append(Block(named(page), line, match[2], match[3]))
    return found


def prose(text: str) -> str:
    """A page without its blocks."""
    return _FENCE.sub("", text)
