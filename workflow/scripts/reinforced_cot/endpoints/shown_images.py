"""Conversations with the contents of images, as an endpoint takes them."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def with_images(messages: Sequence[dict[str, Any]], images: Sequence[Path]) -> list[dict[str, Any]]:
    """A conversation with the contents of images in their places, as an endpoint takes it."""
    files = iter(images)
    return [
        {
            **message,
            "content": [part if part["type"] == "text" else _shown(next(files)) for part in message["content"]],
        }
        for message in messages
    ]


def _shown(file: Path) -> dict[str, Any]:
    """The part of a message that is an image: its file, in base64."""
    kind = {".jpg": "jpeg"}.get(file.suffix.lower(), file.suffix[1:].lower())
    content = base64.b64encode(file.read_bytes()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{content}"}}
