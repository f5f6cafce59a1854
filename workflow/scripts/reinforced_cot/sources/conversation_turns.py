r"""A conversation as data sets write it, brought into one form: turns in their order, with the places of their images.

- LLaVA (github.com/haotian-liu/LLaVA, docs/Finetune_Custom_Data.md): ``{"id": "1", "image": "coco/x.jpg" or a list,
  "conversations": [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "..."}]}``.
- ShareGPT (github.com/hiyouga/LLaMA-Factory, data/README.md): the same with ``images``; roles are ``human`` or
  ``user``, ``gpt`` or ``assistant``, and ``system``.
- OpenAI (platform.openai.com/docs/api-reference/chat): ``{"messages": [{"role": "user", "content": ...}]}``, where a
  content is a text or a list of ``{"type": "text", "text": "..."}``, ``{"type": "image_url", "image_url": {"url":
  "..."}}`` and ``{"type": "image"}``, the next image of the row's list. Qwen's form (github.com/QwenLM/Qwen2.5-VL)
  names the image in place: ``{"type": "image", "image": "x.jpg"}``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

from reinforced_cot.data.image_places import PLACE, place_count
from reinforced_cot.raw_images.videos import NO_VIDEO, VIDEO_COLUMNS
from reinforced_cot.tables.row_values import MalformedRow

_ROLES = {
    **{"human": "user", "user": "user"},
    **{"gpt": "assistant", "assistant": "assistant"},
    **{"system": "system"},
}
_VIDEO_PLACE = "<video>"


@dataclass(frozen=True)
class Turn:
    """What one side says.

    Attributes:
        role: user, assistant or system.
        text: with ``<image>`` at the place of each image.
        images: one per place: the image's name, or None for the next one of the row's list.
    """

    role: str
    text: str
    images: tuple[str | None, ...]


@dataclass(frozen=True)
class Exchange:
    """A question of the user, the reply to it, and the names of the images that the user has shown until then."""

    question: str
    reply: str
    images: tuple[str, ...]


class Conversation(NamedTuple):
    """The exchanges of a row, and how many system turns it has, which are left out."""

    exchanges: list[Exchange]
    system_turns: int


def conversation(row: dict[str, Any]) -> Conversation:
    """Each question of a row with its reply.

    The first question has its images where the conversation places them. A later one has those of the earlier ones
    before its text. Without places, each has all images of the row.

    Raises:
        MalformedRow: the row is no such conversation, shows a video, or has another number of images than of places.
    """
    turns = _turns(row)
    spoken = [turn for turn in turns if turn.role != "system"]
    if not spoken or [turn.role for turn in spoken] != ["user", "assistant"] * (len(spoken) // 2):
        roles = ", ".join(turn.role for turn in spoken[:6]) or "none"
        raise MalformedRow("roles out of order", f"user and assistant must take turns, the user first; found {roles}")
    users, replies = spoken[::2], spoken[1::2]
    if any(turn.images for turn in replies):
        raise MalformedRow("image in a reply", "the assistant shows an image; only the user can")
    shown = _shown_images(row, users)
    exchanges, before = [], 0
    for turn, reply, images in zip(users, replies, shown, strict=True):
        text = PLACE * before + ("\n" if before else "") + turn.text
        exchanges.append(Exchange(text, reply.text, tuple(images)))
        before += len(turn.images)
    return Conversation(exchanges, len(turns) - len(spoken))


def _shown_images(row: dict[str, Any], users: Sequence[Turn]) -> list[list[str]]:
    """The names of the images that the user has shown up to each turn."""
    listed, places = _listed_images(row), [image for turn in users for image in turn.images]
    if not places:
        return [listed for _ in users]
    if listed == [image for image in places if image is not None]:
        listed = []  # the same images, named in their places as well
    if (count := places.count(None)) != len(listed):
        named = len(places) - count
        raise MalformedRow(
            "image places",
            f"the turns have {count} places {PLACE}{f' and name {named} images' if named else ''}, and the row lists "
            f"{len(listed)} images",
        )
    following = iter(listed)
    names = [next(following) if image is None else image for image in places]
    ends = accumulate(len(turn.images) for turn in users)
    return [names[:end] for end in ends]


def _turns(row: dict[str, Any]) -> list[Turn]:
    for key in VIDEO_COLUMNS:
        if row.get(key):
            raise _video(f"the row names one under {key!r}")
    keys = ("messages", "role", "content") if row.get("messages") else ("conversations", "from", "value")
    values = row.get(keys[0])
    if not isinstance(values, list) or not values:
        raise MalformedRow("missing turns", "the row has no list of turns under conversations or messages")
    return [_turn(value, number, *keys[1:]) for number, value in enumerate(values, start=1)]


def _turn(value: Any, number: int, role_key: str, text_key: str) -> Turn:
    if not isinstance(value, dict):
        raise MalformedRow("malformed turn", f"turn {number} is {type(value).__name__}, not an object")
    name = value.get(role_key)
    role = _ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        raise MalformedRow("unknown role", f"turn {number} has {role_key} {name!r:.80}; known are {', '.join(_ROLES)}")
    content = value.get(text_key)
    parts = [_part(part, f"turn {number}") for part in (content if isinstance(content, list) else [content])]
    text = ""
    for part, before in zip(parts, [None, *parts], strict=False):
        text += "\n" + part.text if before and not (before.is_image or part.is_image) else part.text
    return Turn(role, text, tuple(image for part in parts for image in part.images))


class _Part(NamedTuple):
    text: str
    images: tuple[str | None, ...]
    is_image: bool = True


def _part(part: Any, where: str) -> _Part:
    """The text of a part of a turn, and its images."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        part = part.get("text")
    if isinstance(part, str):
        if _VIDEO_PLACE in part:
            raise _video(f"{where} has a place {_VIDEO_PLACE}")
        return _Part(part, (None,) * place_count(part), is_image=False)
    if kind == "image":
        named = next((part[key] for key in ("image", "path", "url") if part.get(key) is not None), None)
        if named is not None and not (isinstance(named, str) and named):
            raise MalformedRow("malformed turn", f"{where}: image must be the name of a file")
        return _Part(PLACE, (named,))
    if kind == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        if not isinstance(url, str):
            raise MalformedRow("malformed turn", f'{where}: image_url must be {{"url": ...}}')
        return _Part(PLACE, (url,))
    if isinstance(kind, str) and "video" in kind:
        raise _video(f"{where} has a part of type {kind!r:.80}")
    shown = type(part).__name__ if kind is None else f"a part of type {kind!r:.80}"
    raise MalformedRow("malformed turn", f"{where} is {shown}; known are text, image and image_url")


def _listed_images(row: dict[str, Any]) -> list[str]:
    """The names under ``image`` or ``images``."""
    value = row.get("image") or row.get("images") or []
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise MalformedRow("malformed images", "the images must be a file's name or a list of them")
    return names


def _video(detail: str) -> MalformedRow:
    return MalformedRow("video", f"{detail}; {NO_VIDEO}")
