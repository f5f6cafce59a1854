"""Sentences inside a question that say only how to answer: no part of what is asked.

Prompts keep them; question types, the matcher and the judge read the question without them.
"""

import re
from functools import lru_cache

_FORMAT = re.compile(
    r"""(?<=[.?!:\n])[ \t]*+(?:please[,]?\s+)?(?:
        (?:answer|respond|reply)\b[^.?!\n]*\b(?:word|words|phrase|letter|sentence|number|option|yes|no|briefly|json|tags?)\b
        | (?:answer|respond|reply)\s+(?:briefly|shortly|concisely|in\s+short|directly)\b
        | (?:give|provide|write|output|put|enclose|return)\b[^.?!\n]*\b(?:answer|letter|option|number)\b
        | (?:choose|select|pick)\s+(?:the\s+)?(?:correct|right|best|one)\s+(?:answer|option|letter|choice)\b
        | (?:think|reason)\s+(?:step\s+by\s+step|carefully|first)\b
        | let'?s\s+think\b | first\b[^.?!\n]*\bthink\b
        | (?:use|using)\s+(?:a\s+)?(?:single|one)\s+word\b
        | (?:a\s+)?short\s+answer\b | short\s+answer:
        )[^.?!\n]*(?:[.!]|$)""",
    re.IGNORECASE | re.VERBOSE,
)
_HEAD = re.compile(
    r"^\s*(?:please\s+)?(?:answer|look at)\b[^.?!:\n]*\b(?:image|picture|photo|question)\b[^.?!:\n]*[.:]\s*(?=\S)"
    r"|^\s*(?:<image>\s*)?question\s*:\s*",
    re.IGNORECASE,
)


@lru_cache(maxsize=1024)
def without_format(question: str) -> str:
    """The question alone.

    >>> without_format("Is it overcast?\\nAnswer the question using a single word or phrase.")
    'Is it overcast?'
    >>> without_format("Which word is on the sign?")
    'Which word is on the sign?'
    """
    plain = _HEAD.sub("", question, count=1)
    plain = _FORMAT.sub("", plain).strip()
    return plain or question
