"""One canonical form for all texts that enter the pipeline, and a search for tokens that must not enter it."""

import re
import unicodedata

INSTRUCTION_PREFIX = "Please answer based on the image content:"

# Invisible marks: soft hyphen, zero-width space and joiners, directional marks, embeddings and isolates, word joiner
# and invisible operators, byte-order mark. Texts that look alike must be equal, or equal answers would differ.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and line feed
_SPACE = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")

# A chat template turns these into control tokens wherever they stand: a question that holds `<|image_pad|>` would
# shift the image features; one that holds `<|im_end|>` would end the user's turn.
_SPECIAL_TOKEN = re.compile(
    r"<\|[^<>|\s]{1,64}\|>|</?(?:think|answer|tool_call|tool_response|image|video|img|img_context)>", re.IGNORECASE
)


def canonical(text: str) -> str:
    r"""NFC, without invisible and control characters, line ends as ``\n``, Unicode spaces as blanks, ends trimmed.

    The form is NFC, since NFKC would also rewrite visible characters, such as "m²" to "m2".

    >>> canonical("\u200b Cafe\u0301\r\n")
    'Café'
    """
    if text.isascii() and text.isprintable():  # most texts: nothing to replace
        return text.strip()
    text = _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return unicodedata.normalize("NFC", _SPACE.sub(" ", _CONTROL.sub("", text))).strip()


def is_text(text: str) -> bool:
    """Whether every character of ``text`` is whole: JSON can spell halves of one, which no file can hold."""
    return text.isprintable() or not any("\ud800" <= character <= "\udfff" for character in text)


def without_prefix(question: str) -> str:
    """A question without the instruction that the original system writes before each question."""
    return question.removeprefix(INSTRUCTION_PREFIX).strip()


def find_special_token(text: str) -> str | None:
    """The first special token or output tag in ``text``, if any.

    >>> find_special_token("What is <|image_pad|> here?")
    '<|image_pad|>'
    """
    match = _SPECIAL_TOKEN.search(text)
    return match[0] if match else None
