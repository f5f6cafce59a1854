"""Questions about two digit scenes at once: neither image alone tells the answer.

Whoever sees one image alone can guess the larger digit in 55 % of the cases, and its colour in 63 % (`ONE_IMAGE`).
Images come before the text, as they do in `digit_scenes`' questions.
"""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from reinforced_cot.digits.digit_scenes import COLORS, Digit, Position, Record, Scene, make_scenes, name_position


class Pair(NamedTuple):
    """Two scenes that are shown together."""

    first: Scene
    second: Scene

    @property
    def common(self) -> list[Position]:
        """The places that are filled in both."""
        return [position for position in self.first.digits if position in self.second.digits]


def _larger(first: Digit, second: Digit, place: str) -> tuple[str, tuple[str, ...]]:
    answer = max(first.value, second.value)
    question = f"What is the larger of the {place} digits of the two images?"
    return question, (f"LARGER({first.value}, {second.value}): {answer}",)


def _color_of_larger(first: Digit, second: Digit, place: str) -> tuple[str, tuple[str, ...]]:
    larger = first if first.value >= second.value else second
    question = f"What color is the larger of the {place} digits of the two images?"
    return question, (f"LARGER({first.value}, {second.value}): {larger.value}", f"QUERY(color): {larger.color}")


# Each takes two digits and the name of their place, and returns the question and the steps that follow their reading.
PAIR_TYPES: dict[str, Callable[[Digit, Digit, str], tuple[str, tuple[str, ...]]]] = {
    "pair_larger": _larger,
    "pair_color": _color_of_larger,
}
# The largest accuracy of answers that follow from one of the images: the other digit is any of ten, in any colour.
_LARGER = sum(value + 1 for value in range(10)) / 100
ONE_IMAGE = {"pair_larger": _LARGER, "pair_color": _LARGER + (1 - _LARGER) / len(COLORS)}


def make_pairs(split: str, size: int, seed: int | str) -> list[Pair]:
    """Draw pairs of scenes from the scans of a split; all have a place that is filled in both images.

    Args:
        split, seed: as for `digit_scenes.make_scenes`.
    """
    pairs: list[Pair] = []
    for batch in range(100):  # two scenes share a place nearly always
        scenes = make_scenes(split, 2 * (size - len(pairs)), f"pairs-{seed}-{batch}")
        pairs += [pair for pair in map(Pair, scenes[::2], scenes[1::2]) if pair.common]
        if len(pairs) == size:
            break
    return pairs


def make_pair_records(pairs: Sequence[Pair], seed: int | str) -> list[tuple[Pair, Record]]:
    """Ask a question about each pair, of each type in turn, with its chain of thought."""
    rng = random.Random(f"pair-questions-{seed}")
    asked: list[tuple[Pair, Record]] = []
    for number, pair in enumerate(pairs):
        kind = list(PAIR_TYPES)[number % len(PAIR_TYPES)]
        position = rng.choice(pair.common)
        first, second, place = pair.first.digits[position], pair.second.digits[position], name_position(position)
        question, last = PAIR_TYPES[kind](first, second, place)
        steps = [
            f"SELECT(first, {place}): {first.color} {first.value}",
            f"SELECT(second, {place}): {second.color} {second.value}",
            *last,
        ]
        answer = steps[-1].rpartition(": ")[-1]
        record = Record(
            id=f"{pair.first.id}-{pair.second.id}",
            question=question,
            answer=answer,
            cot="\n".join(steps),
            cot_answer=answer,
            question_type=kind,
        )
        asked.append((pair, record))
    return asked
