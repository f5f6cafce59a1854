"""Finds the images that a table names or holds."""

import os
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from PIL import Image

from reinforced_cot.data.images import ImageRejected
from reinforced_cot.data.records import ImageSource
from reinforced_cot.errors import DataError
from reinforced_cot.raw_images.image_files import find_named_image
from reinforced_cot.raw_images.image_folder import ImageSearch
from reinforced_cot.raw_images.videos import NO_VIDEO, is_video
from reinforced_cot.raw_images.written_images import decoded, is_data_uri, local_name
from reinforced_cot.tables.column_values import from_text, plain
from reinforced_cot.tables.row_values import is_missing, shown

_LONGEST_PATH = 4096  # characters; a longer text can only be an image written as base64
_LONGEST_DETAIL = 400  # characters: a column of texts may be taken for one of images
_Found = tuple[Path, str]  # a file with its name below the folder of images


class TableImages:
    """Finds the images that a table's values stand for; each name is looked up once."""

    def __init__(self, folders: Sequence[Path], stores: Sequence[Path] = ()) -> None:
        """Take the folders from which images are named.

        Args:
            folders: each name is looked for in them in turn.
            stores: a file below one of these may be named by its absolute path, too.
        """
        self._folders = list(folders)
        self._roots = [os.path.abspath(folder) for folder in (*folders, *stores)]
        self._search = ImageSearch(self._look_for)

    def of(self, value: Any) -> tuple[tuple[ImageSource, ...], list[str]]:
        """The images of a value, and a name of each, which is the same wherever the data lies.

        Raises:
            ImageRejected: the value stands for no image.
            DataError: it is a video.
        """
        images: list[ImageSource] = []
        names: list[str] = []
        for one in _listed(value):
            image, name = self._one(one)
            images.append(image)
            names.append(name)
        return tuple(images), names

    def _one(self, value: Any) -> tuple[ImageSource, str]:
        if isinstance(value, dict) and ("bytes" in value or "path" in value):
            path, content = value.get("path"), value.get("bytes")
            if isinstance(content, str):  # JSON has no bytes
                content = _decoded(content)
            if isinstance(content, bytes):
                return content, path if isinstance(path, str) and path else _hash(content)
            value = path if content is None else content
        if isinstance(value, bytes):
            return value, _hash(value)
        if isinstance(value, Image.Image):
            return value, _hash(f"{value.mode}{value.size}".encode() + value.tobytes())
        name = None if isinstance(value, bool) else plain(value)
        if is_missing(value):
            raise ImageRejected("missing image", "the image has neither a path nor a content")
        if not name:
            raise ImageRejected(
                "malformed image", f"an image must be a path, a file's content, or both, not {shown(value)}"
            )
        if is_data_uri(name) or len(name) > _LONGEST_PATH:
            content = _decoded(name)
            return content, _hash(content)
        return self._search.find(name)

    def _look_for(self, name: str) -> _Found:
        if is_video(name):
            raise DataError(f"{shown(name)} is a video; {NO_VIDEO}")
        name = local_name(name)
        if os.path.isabs(name):
            path = os.path.normpath(name)
            for root in self._roots:
                if path.startswith(root.rstrip(os.sep) + os.sep):
                    return _find(Path(root), os.path.relpath(path, root))
            raise ImageRejected("image name is a path", f"{shown(name)} lies outside {' and '.join(self._roots)}")
        fault: ImageRejected | None = None
        for folder in self._folders:
            try:
                return _find(folder, name)
            except ImageRejected as error:
                fault = fault or error
        raise fault or ImageRejected("missing image", f"{shown(name)} is in no folder; name that as `images`")


def _listed(value: Any) -> Iterator[Any]:
    """The images of a value that is one, a list of them, or such a list as text."""
    if isinstance(value, str) and value.startswith("["):
        value = from_text(value) or value
    if isinstance(value, list | tuple):
        yield from value
    elif not is_missing(value):
        yield value


def _find(folder: Path, name: str) -> _Found:
    try:
        return find_named_image(folder, name), name
    except ImageRejected as error:
        raise ImageRejected(error.reason, f"{error.detail:.{_LONGEST_DETAIL}}") from None


def _decoded(text: str) -> bytes:
    if is_video(text):
        raise DataError(f"{shown(text)} is a video; {NO_VIDEO}")
    return decoded(text)


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()
