"""Text of models, data and file names as it may be shown: characters that act on a terminal or page become visible."""

import re

# Control characters but tab and line feed, line and paragraph separators, marks that turn the direction of text, and
# halves of characters, which no output can encode.
_ACTIVE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]",
)


def visible(text: str) -> str:
    r"""The text with every character that acts instead of being seen as its escape; all others stay.

    >>> visible("red\x1b[2J \u202edlog")
    'red\\x1b[2J \\u202edlog'
    """
    return _ACTIVE.sub(_escape, text)


def visible_line(text: str) -> str:
    r"""As `visible`, on one line.

    >>> visible_line("a\nb")
    'a\\nb'
    """
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
