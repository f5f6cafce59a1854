"""The record that every stage reads: one question about one image, with its answer and chain of thought."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from reinforced_cot.errors import DataError
from reinforced_cot.files import read_jsonl, write_jsonl
from reinforced_cot.seeds import mixed


@dataclass(frozen=True)
class Example:
    """One line of ``results/data/{split}.jsonl``.

    Attributes:
        id: unique over all splits.
        image: path of the image, relative to the data folder (``images/train/0a1b....png``).
        question: the question alone, without instructions.
        answer: the true answer, short; the key that rewards and metrics compare with.
        cot: the chain of thought without tags; empty where the data has none (such rows serve RL and evaluation).
        question_type: the group by which metrics are broken down.
        group: identifies the image by content: splits must not share one, and errors cluster by it.
        cot_answer: where the chain's author erred, the answer that the chain leads to; SFT imitates it. Empty, and left
            out of the file, where chain and truth agree.
        semantic_type: GQA's second grouping (attr, cat, global, obj, rel); empty, and left out, elsewhere.
    """

    id: str
    image: str
    question: str
    answer: str
    cot: str
    question_type: str
    group: str
    cot_answer: str = ""
    semantic_type: str = ""

    @property
    def taught_answer(self) -> str:
        """The answer of the completion that SFT imitates."""
        return self.cot_answer or self.answer


_KEYS = {field.name for field in fields(Example)}
_OPTIONAL = {"cot_answer", "semantic_type"}


def read_examples(path: Path) -> list[Example]:
    """Read the records of one split.

    Raises:
        DataError: a key is missing, unknown or not a string, an id occurs twice, or the file has no record.
    """
    examples: dict[str, Example] = {}
    for number, row in read_jsonl(path):
        if wrong_keys := sorted((_KEYS ^ row.keys()) - (_OPTIONAL - row.keys())):
            raise DataError(f"{path}, line {number}: missing or unknown keys {wrong_keys}; expected {sorted(_KEYS)}")
        if not all(isinstance(value, str) for value in row.values()):
            raise DataError(f"{path}, line {number}: every value must be a string")
        example = Example(**row)
        if example.id in examples:
            raise DataError(f"{path}, line {number}: id {example.id!r} occurs twice")
        examples[example.id] = example
    if not examples:
        raise DataError(f"{path} holds no examples")
    return list(examples.values())


def write_examples(path: Path, examples: Iterable[Example]) -> None:
    """Write records in the form that `read_examples` reads."""
    write_jsonl(
        path,
        (
            {key: value for key, value in asdict(example).items() if value or key not in _OPTIONAL}
            for example in examples
        ),
    )


def other_images(examples: Sequence[Example], seed: int) -> list[str | None]:
    """For each example, the image of another one, never its own; None if all questions are about one image."""
    images = sorted({example.image for example in examples}, key=lambda image: mixed(seed, "shuffled", image))
    next_image = dict(zip(images, [*images[1:], images[0]], strict=True))
    return [next_image[example.image] if len(images) > 1 else None for example in examples]
