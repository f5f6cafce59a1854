"""The record that every stage reads: a question about one or several images, with its answers and chain of thought."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from reinforced_cot.data.image_groups import connected_images
from reinforced_cot.data.image_places import without_places
from reinforced_cot.errors import DataError
from reinforced_cot.files import read_jsonl, write_jsonl
from reinforced_cot.seeds import mixed

ShownImages = tuple[str, ...] | None  # shown in place of a question's own images; None for blank ones of their sizes

_GIVEN_OFTEN = 3  # VQAv2's metric gives full credit to an answer of three annotators (vqa.org, "Evaluation code")


@dataclass(frozen=True)
class Example:
    """One line of ``results/data/{split}.jsonl``. Fields that are empty are left out of the file.

    Attributes:
        id: unique within its split.
        images: paths of the images, relative to the data folder (``images/train/0a1b....png``), in their order; at
            least one.
        question: the question alone, without instructions. Each ``<image>`` in it is the place of an image; without
            places, the images come before the text.
        answers: the true answers, the most frequent first. An answer that several annotators gave occurs as often.
        question_type: the group by which metrics are broken down.
        chain: the chain of thought without tags; empty where the data has none (such records serve RL and evaluation).
        chain_answer: where the chain's author erred, the answer that the chain leads to; SFT imitates it. Empty where
            chain and truth agree.
        choices: what a multiple-choice question offers.
        answer_kind: how answers are compared, such as ``number``; empty where that follows from the answer.
        semantic_type: GQA's second grouping (attr, cat, global, obj, rel).
        extra: further values of the source, by their names; rewards get them.
        group: identifies the images that belong together (`connected_images`): splits must not share one, and errors
            cluster by it. It follows from the images of the whole file, which does not hold it.
    """

    id: str
    images: tuple[str, ...]
    question: str
    answers: tuple[str, ...]
    question_type: str
    chain: str = ""
    chain_answer: str = ""
    choices: tuple[str, ...] = ()
    answer_kind: str = ""
    semantic_type: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""

    @property
    def answer(self) -> str:
        """The main answer: the most frequent one."""
        return self.answers[0]

    @property
    def taught_answer(self) -> str:
        """The answer of the completion that SFT imitates."""
        return self.chain_answer or self.answer

    @property
    def question_text(self) -> str:
        """The question in words alone, as rewards and metrics read it."""
        return without_places(self.question)


_REQUIRED = ("id", "images", "question", "answers", "question_type")
_TYPES = {field.name: field.type for field in fields(Example) if field.name != "group"}


def read_examples(path: Path) -> list[Example]:
    """Read the records of one split.

    Raises:
        DataError: a key is missing, unknown or of the wrong type, an id occurs twice, or the file has no record.
    """
    examples: dict[str, Example] = {}
    for number, row in read_jsonl(path):
        example = _example(row, f"{path}, line {number}")
        if example.id in examples:
            raise DataError(f"{path}, line {number}: id {example.id!r} occurs twice")
        examples[example.id] = example
    if not examples:
        raise DataError(f"{path} holds no examples")
    groups = connected_images([*map(content_of, example.images)] for example in examples.values())
    return [replace(example, group=groups[content_of(example.images[0])]) for example in examples.values()]


def content_of(image: str) -> str:
    """What identifies a stored image by its content: the stem of its file."""
    return Path(image).stem


def _example(row: Mapping[str, Any], place: str) -> Example:
    wrong = sorted({*_REQUIRED} - row.keys()) + sorted(row.keys() - _TYPES.keys())
    if wrong:
        raise DataError(f"{place}: missing or unknown keys {wrong}; expected {sorted(_TYPES)}; prepare the data again")
    values: dict[str, Any] = {}
    for key, value in row.items():
        if _TYPES[key] == tuple[str, ...]:
            if not (isinstance(value, list) and value and all(isinstance(item, str) for item in value)):
                raise DataError(f"{place}: {key} must be a list of texts")
            values[key] = tuple(value)
        elif isinstance(value, str if _TYPES[key] is str else dict):
            values[key] = value
        else:
            raise DataError(f"{place}: {key} must be a {'string' if _TYPES[key] is str else 'mapping'}")
    return Example(**values)


def as_row(example: Example) -> dict[str, Any]:
    """A record as it stands in the file."""
    values = {key: getattr(example, key) for key in _TYPES}
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in values.items()
        if value or key in _REQUIRED
    }


def write_examples(path: Path, examples: Iterable[Example]) -> None:
    """Write records in the form that `read_examples` reads."""
    write_jsonl(path, map(as_row, examples))


def most_images(examples: Iterable[Example]) -> int:
    """How many images one question shows at most; 1 without questions."""
    return max((len(example.images) for example in examples), default=1)


def most_frequent_first(answers: Sequence[str]) -> tuple[str, ...]:
    """All answers, each as often as it was given, in the order of how often, then of who came first.

    >>> most_frequent_first(["cat", "kitten", "kitten"])
    ('kitten', 'kitten', 'cat')
    """
    counts = Counter(answers)  # in the order of first occurrence, which sorting keeps
    return tuple(answer for answer in sorted(counts, key=lambda answer: -counts[answer]) for _ in range(counts[answer]))


def accepted_answers(answers: Sequence[str]) -> tuple[str, ...]:
    """The answers that count as right: those given three times or more, or else the most frequent ones.

    >>> accepted_answers(["cat", "kitten"]), accepted_answers(["red"] * 4 + ["pink"] * 3 + ["rose"])
    (('cat', 'kitten'), ('red', 'pink'))
    """
    counts = Counter(answers)
    enough = min(_GIVEN_OFTEN, max(counts.values()))
    return tuple(answer for answer, count in counts.items() if count >= enough)


def other_images(examples: Sequence[Example], seed: int) -> list[ShownImages]:
    """For each example, the images of another one with as many, none of which is its own; None where there is none."""
    shown = {example.images: None for example in examples}
    order = sorted(shown, key=lambda images: mixed(seed, "shuffled", "\n".join(images)))
    by_count: dict[int, list[tuple[str, ...]]] = {}
    for images in order:
        by_count.setdefault(len(images), []).append(images)
    others: dict[tuple[str, ...], ShownImages] = {}
    for alike in by_count.values():
        for place, images in enumerate(alike):
            following = (alike[(place + step) % len(alike)] for step in range(1, len(alike)))
            others[images] = next((other for other in following if not {*other} & {*images}), None)
    return [others[example.images] for example in examples]
