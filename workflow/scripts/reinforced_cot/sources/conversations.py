"""Reader of conversations about images in the forms of LLaVA, ShareGPT and OpenAI, as a JSON array or JSON lines.

`conversation_turns` gives the forms. Each reply of the assistant makes a record of its own, whose question is the
user's turn before it. Earlier turns are not part of the prompt: a later question is asked with the same images, which
then come before its text, so that it should make sense by itself. System turns are left out: `prompt` is the
pipeline's own.

`stated_answers` says how a reply gives its chain of thought and its answer. A long reply without either is an answer as
a whole; the preparation sets answers of more than 500 characters aside, since none can be compared with them.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from reinforced_cot.data.images import ImageRejected
from reinforced_cot.data.records import ImageSource, Place, RawRecord, Records, Rejection
from reinforced_cot.files import read_jsonl
from reinforced_cot.raw_images.image_files import find_named_image
from reinforced_cot.raw_images.image_folder import check_image_folder
from reinforced_cot.raw_images.videos import NO_VIDEO, is_video
from reinforced_cot.raw_images.written_images import decoded, is_data_uri, local_name
from reinforced_cot.sources.conversation_turns import Conversation, Exchange, conversation
from reinforced_cot.sources.stated_answers import stated
from reinforced_cot.tables.json_entries import first_character, read_entries
from reinforced_cot.tables.row_values import MalformedRow, readable_id, shown, warn_once

_LONGEST_NAME = 1000  # characters; a longer text is no file's name, but may be an image's content without ``data:``


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
        check_image_folder(folder)
        replies: Counter[str] = Counter()
        system_turns = 0
        for place, row in _rows(file):
            name = (readable_id(row.get("id")) if isinstance(row, dict) else "") or f"{place.unit}-{place.line}"
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
        ImageRejected: there is no such file, it is a video or stands on the web, or the URI is damaged.
    """
    if is_video(name):
        raise ImageRejected("video", f"{shown(name)} is a video; {NO_VIDEO}")
    if is_data_uri(name):
        return decoded(name)
    if len(name) > _LONGEST_NAME:
        detail = f"{name[:40]!r}... has {len(name)} characters; name a file, or write data:image/png;base64, before it"
        raise ImageRejected("missing image", detail)
    name = local_name(name)
    path = PurePosixPath(name)
    if path.is_absolute() and path.is_relative_to(folder.absolute()):
        name = str(path.relative_to(folder.absolute()))
    return find_named_image(folder, name)
