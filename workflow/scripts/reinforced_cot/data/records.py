"""What a source of questions hands over: records as they stand in its files, and those that it sets aside."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

ImageSource = Path | bytes | Image.Image  # a file, a file's content, or an image in memory


class Place(NamedTuple):
    """Where a record comes from: a file with its line, row or entry, or the name of a generated scene.

    Lines, rows and entries of an array are counted from 1; an entry of an object is named by its key.
    """

    file: str
    line: int | str | None = None
    unit: str = "line"

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}, {self.unit} {self.line}"


@dataclass(frozen=True)
class RawRecord:
    """One question as its source gives it; its texts are not yet canonical.

    Attributes:
        id: unique within the split.
        place: for messages, and for ``sources.{split}.jsonl``.
        images: in their order.
        question: the question alone, without instructions; ``<image>`` marks the place of an image.
        answers: the true answers, each as often as it was given; empty where the source has none.
        chain: the chain of thought without tags; empty where the source has none.
        question_type: the group of the question; if empty, it is inferred from the wording.
        chain_answer: the answer that the chain leads to, where it is not the true one.
        choices, answer_kind, semantic_type, extra: as in `examples.Example`.
    """

    id: str
    place: Place
    images: tuple[ImageSource, ...]
    question: str
    answers: tuple[str, ...]
    chain: str = ""
    question_type: str = ""
    chain_answer: str = ""
    choices: tuple[str, ...] = ()
    answer_kind: str = ""
    semantic_type: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rejection:
    """One line of ``rejected.{split}.jsonl``: a record set aside.

    Attributes:
        id: the record's id.
        place: where it stands.
        reason: the kind of fault, by which rejections are counted.
        detail: the fault of this record.
    """

    id: str
    place: Place
    reason: str
    detail: str


# Read anew at each call, so that a split needs no list of all its records.
Records = Callable[[], Iterator[RawRecord | Rejection]]
