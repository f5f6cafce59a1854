"""Text of models, data and file names as it may be shown: what would act on a terminal or a page becomes visible."""

import unicodedata
from collections.abc import Callable

from reinforced_cot.errors import PipelineError

# Breaks and tabs, and joiners within words and emoji, which show nothing and change no order.
_HARMLESS = "\n\t\u200c\u200d"
# Control; format, such as marks that turn the direction of text; halves of characters; line and paragraph separators.
_ACTING = ("Cc", "Cf", "Cs", "Zl", "Zp")


def visible(text: str) -> str:
    r"""The text with every character that acts instead of being seen as its escape; all others stay.

    >>> visible("red\x1b[2J \u202edlog")
    'red\\x1b[2J \\u202edlog'
    """
    if text.replace("\n", "").isprintable():
        return text  # nearly every text, many times as fast
    return "".join(_escape(one) if _acts(one) else one for one in text)


def visible_line(text: str) -> str:
    r"""As `visible`, on one line.

    >>> visible_line("a\nb")
    'a\\nb'
    """
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def visible_errors(main: Callable[[], None]) -> Callable[[], None]:
    """A script's ``main`` whose errors name files and values with `visible`."""

    def shown() -> None:
        try:
            main()
        except PipelineError as error:
            raise type(error)(visible(str(error))) from None

    return shown


def _acts(character: str) -> bool:
    return character not in _HARMLESS and unicodedata.category(character) in _ACTING


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
