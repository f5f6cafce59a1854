"""Texts of questions, models and file names for the terminal, where control characters would act on it."""

import unicodedata
from collections.abc import Callable

from reinforced_cot.errors import PipelineError

# Joiners within words and emoji, which show nothing and change no order.
_HARMLESS = "\n\u200c\u200d"
# Control, format (right-to-left marks among them), surrogate; line and paragraph separators.
_ACTING = ("Cc", "Cf", "Cs", "Zl", "Zp")


def inert(text: str) -> str:
    r"""``text`` with each character that would act on a terminal as its escape, such as ``\x1b``; line ends stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(one) if _acts(one) else one for one in text)


def _acts(character: str) -> bool:
    return character not in _HARMLESS and unicodedata.category(character) in _ACTING


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def inert_errors(main: Callable[[], None]) -> Callable[[], None]:
    """A script's ``main`` whose errors name files and values with `inert`."""

    def shown() -> None:
        try:
            main()
        except PipelineError as error:
            raise type(error)(inert(str(error))) from None

    return shown
