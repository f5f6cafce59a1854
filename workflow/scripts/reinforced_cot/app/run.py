"""What the page offers of a run: its policies, and its test questions with their images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reinforced_cot.data.examples import Example, read_examples
from reinforced_cot.data.image_places import PLACE
from reinforced_cot.data.images import EncodedImage, encoded
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.errors import DataError
from reinforced_cot.generation.asked_policy import AskedPolicy, asked_policy, policies_with_model

MATCHES = 100  # test questions that are listed at once


@dataclass(frozen=True)
class Run:
    """A results folder.

    Attributes:
        data: the folder of the prepared data.
        policies: those that may be asked, by their names, in the order of the page.
        questions: of the test split; none where the folder has no prepared data.
    """

    data: Path
    policies: Mapping[str, AskedPolicy]
    questions: Sequence[Example]

    @property
    def budget(self) -> PixelBudget:
        """The area of an image, alike for all policies of a run."""
        return next(iter(self.policies.values())).budget

    def images_of(self, example: Example) -> list[EncodedImage]:
        """The images of a test question.

        Raises:
            DataError: one is missing or damaged.
        """
        return [encoded(self.data / name, name, self.budget) for name in example.images]

    def matching(self, words: str) -> list[int]:
        """The first test questions, by their numbers, whose id, type or text holds each of some words."""
        wanted = words.casefold().split()
        found: list[int] = []
        for number, example in enumerate(self.questions):
            text = f"{example.id} {example.question_type} {example.question}".casefold()
            if all(word in text for word in wanted):
                found.append(number)
            if len(found) == MATCHES:
                break
        return found


def open_run(results: Path, names: Sequence[str] = ()) -> Run:
    """The run in a results folder.

    Args:
        names: of the policies that may be asked; all that have a model where there are none.

    Raises:
        DataError: no policy has a model, or a named one has none; or the test questions are damaged.
    """
    chosen = list(dict.fromkeys(names)) or policies_with_model(results)
    if not chosen:
        raise DataError(f"{results} holds no policy with a model: `make run` trains them")
    policies = {name: asked_policy(results / name) for name in chosen}
    data = results / "data"
    questions = read_examples(data / "test.jsonl") if (data / "test.jsonl").is_file() else []
    return Run(data, policies, questions)


def listed(example: Example) -> str:
    """A test question as one line of a list."""
    return f"{example.question.replace(PLACE, '[image]')} ({example.question_type}, {example.id})"
