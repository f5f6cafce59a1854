"""Images that records hold as text, or name by a URI: data URIs, base64, ``file://`` and the web."""

import base64
import binascii
import re
from urllib.parse import unquote

from reinforced_cot.data.images import ImageRejected

_SHOWN = 100  # characters
_FILE = "file://"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def is_data_uri(text: str) -> bool:
    """Whether a text is a URI that holds its content (RFC 2397)."""
    return text[:5].lower() == "data:"


def decoded(text: str) -> bytes:
    """The content of an image file that a text holds: as a data URI, or as base64 alone.

    Raises:
        ImageRejected: it holds none.
    """
    head, comma, body = text.partition(",") if is_data_uri(text) else ("data:;base64", ",", text)
    shown = f"{text[:_SHOWN]!r}"
    if not comma or not head.lower().endswith(";base64"):
        raise ImageRejected("malformed image", f"{shown} is not data:image/...;base64,...")
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ImageRejected("malformed image", f"{shown} is neither a path nor base64") from None


def local_name(name: str) -> str:
    """The name of a file on this machine, which may be written as ``file://``.

    Raises:
        ImageRejected: it is another URL.
    """
    if name[: len(_FILE)].lower() == _FILE:
        return unquote(name[len(_FILE) :])
    if _SCHEME.match(name):
        raise ImageRejected(
            "image is a URL",
            f"{name[:_SHOWN]!r} is not in a folder; download the images first, and name the files",
        )
    return name
