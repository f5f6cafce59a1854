"""Reader of conversations about images in the forms of LLaVA, ShareGPT and OpenAI, as a JSON array or JSON lines.

`conversation_turns` gives the forms. Each reply of the assistant makes a record of its own, whose question is the
user's turn before it. Earlier turns are not part of the prompt: a later question is asked with the same images, which
then come before its text, and should make sense by itself. System turns are left out: `prompt` is the pipeline's own.

`stated_answers` says how a reply gives its chain of thought and its answer. A long reply without either is an answer as
a whole; the preparation sets answers of more than 500 characters aside, since none can be compared with them.
"""

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from reinforced_cot.data.images import ImageRejected
from reinforced_cot.data.records import ImageSource, Place, RawRecord, Records, Rejection
from reinforced_cot.data.text_cleaning import canonical, is_text
from reinforced_cot.errors import DataError
from reinforced_cot.files import read_jsonl
from reinforced_cot.sources.conversation_turns import Conversation, Exchange, conversation
from reinforced_cot.sources.image_files import find_named_image
from reinforced_cot.sources.json_entries import first_character, read_entries
from reinforced_cot.sources.row_values import MalformedRow, name_of, warn_once
from reinforced_cot.sources.stated_answers import stated

_LONGEST_NAME = 1000  # characters; more is no file's name, but maybe an image's content without ``data:``
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_DATA = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)


def conversation_records(file: Path, images: Path | None = None) -> Records:
    """The questions of all conversations in a file.

    Ids are ``{id}-{n}`` with n counting the replies under this id in the file, from 0: LLaVA's files give one id to
    several rows. A row without id is named by its line or entry.

    Args:
        file: a JSON array, or one JSON object per line.
        images: the folder that images' names are relative to; None for that of the file.

    Returns:
        A function that reads the questions anew. It raises a `DataError` if the file is missing or no such JSON, or if
        there is no image folder.
    """
    folder = images or file.parent

    def read() -> Iterator[RawRecord | Rejection]:
        if not folder.is_dir():
            raise DataError(f"the image folder {folder} does not exist")
        replies: Counter[str] = Counter()
        system_turns = 0
        for place, row in _rows(file):
            name = canonical(name_of(row.get("id"))) if isinstance(row, dict) else ""
            if not name or not is_text(name):
                name = f"{place.unit}-{place.line}"
            try:
                found = _conversation(row)
            except MalformedRow as error:
                yield Rejection(f"{name}-{replies[name]}", place, error.reason, error.detail)
                replies[name] += 1
                continue
            system_turns += found.system_turns
            for exchange in found.exchanges:
                yield _record(exchange, f"{name}-{replies[name]}", place, folder)
                replies[name] += 1
        if system_turns:
            warn_once(f"{system_turns} system turns of {file} are left out; policies read prompt.system")

    return read


def _rows(file: Path) -> Iterator[tuple[Place, Any]]:
    if first_character(file) == "[":
        for entry in read_entries(file):
            yield entry.place(file), entry.value
    else:
        for number, row in read_jsonl(file):
            yield Place(str(file), number), row


def _conversation(row: Any) -> Conversation:
    if not isinstance(row, dict):
        raise MalformedRow("not an object", f"expected a JSON object, found {type(row).__name__}")
    return conversation(row)


def _record(exchange: Exchange, id: str, place: Place, folder: Path) -> RawRecord | Rejection:
    try:
        images = tuple(_image(name, folder) for name in exchange.images)
    except ImageRejected as error:
        return Rejection(id, place, error.reason, error.detail)
    chain, answer = stated(exchange.reply)
    answers = (answer,) if answer else ()
    return RawRecord(id=id, place=place, images=images, question=exchange.question, answers=answers, chain=chain)


def _image(name: str, folder: Path) -> ImageSource:
    """The image that a conversation names: a file in ``folder``, or the content of a data URI (RFC 2397).

    Raises:
        ImageRejected: there is no such file, it stands on the web, or the URI is damaged.
    """
    if name[:5].lower() == "data:":
        return _content(name)
    if len(name) > _LONGEST_NAME:
        detail = f"{name[:40]!r}... has {len(name)} characters; name a file, or write data:image/png;base64, before it"
        raise ImageRejected("missing image", detail)
    if name[:7].lower() == "file://":
        name = unquote(name[7:])
    elif _SCHEME.match(name):
        raise ImageRejected("image on the web", f"{name!r}: download it first, and name its file")
    path = PurePosixPath(name)
    if path.is_absolute() and path.is_relative_to(folder.absolute()):
        name = str(path.relative_to(folder.absolute()))
    return find_named_image(folder, name)


def _content(uri: str) -> bytes:
    head = _DATA.match(uri)
    if not head:
        raise ImageRejected("damaged data URI", f"{uri[:40]!r}... must begin with data:image/png;base64, or alike")
    try:
        return base64.b64decode(uri[head.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageRejected("damaged data URI", f"{uri[:40]!r}...: {error}") from None
