"""Questions about two digit scenes at once: neither image alone tells the answer.

Which of two digits is larger can be guessed from one of them in about half of the cases; whether two colours are the
same, in half. Images come before the text, as they do in `digit_scenes`' questions.
"""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from reinforced_cot.sources.digit_scenes import Digit, Position, Record, Scene, make_scenes, name_position

SAME_SHARE = 0.5  # of the questions for colours


class Pair(NamedTuple):
    """Two scenes that are shown together."""

    first: Scene
    second: Scene

    @property
    def common(self) -> list[Position]:
        """The places that are filled in both."""
        return [position for position in self.first.digits if position in self.second.digits]


Asked = tuple[str, str, str]  # question, answer, last step
Ask = Callable[[Digit, Digit, str], Asked]


def _larger(first: Digit, second: Digit, place: str) -> Asked:
    answer = str(max(first.value, second.value))
    question = f"What is the larger of the {place} digits of the two images?"
    return question, answer, f"LARGER({first.value}, {second.value}): {answer}"


def _same_color(first: Digit, second: Digit, place: str) -> Asked:
    answer = "yes" if first.color == second.color else "no"
    question = f"Do the {place} digits of the two images have the same color?"
    return question, answer, f"SAME({first.color}, {second.color}): {answer}"


PAIR_TYPES: dict[str, Ask] = {"pair_larger": _larger, "pair_same_color": _same_color}


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
    """Ask a question about each pair, of each type in turn, with its chain of thought.

    A question for colours takes the pair's scenes with the second one recoloured, so that half of the answers are yes.
    """
    rng = random.Random(f"pair-questions-{seed}")
    asked: list[tuple[Pair, Record]] = []
    for number, pair in enumerate(pairs):
        kind = list(PAIR_TYPES)[number % len(PAIR_TYPES)]
        position = rng.choice(pair.common)
        if kind == "pair_same_color":
            pair = _recolored(pair, position, rng)
        first, second, place = pair.first.digits[position], pair.second.digits[position], name_position(position)
        question, answer, last = PAIR_TYPES[kind](first, second, place)
        steps = [
            f"SELECT(first, {place}): {first.color} {first.value}",
            f"SELECT(second, {place}): {second.color} {second.value}",
            last,
        ]
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


def _recolored(pair: Pair, position: Position, rng: random.Random) -> Pair:
    """The pair with colours of the second scene exchanged, so that both digits have the same as often as not."""
    wanted, second = pair.first.digits[position].color, pair.second
    if rng.random() >= SAME_SHARE:
        others = [digit.color for digit in second.digits.values() if digit.color != wanted]
        wanted = rng.choice(others) if others else second.digits[position].color
    before = second.digits[position].color
    exchange = {before: wanted, wanted: before}
    digits = {
        place: Digit(exchange.get(digit.color, digit.color), digit.value, digit.scan)
        for place, digit in second.digits.items()
    }
    return Pair(pair.first, Scene(second.id, digits, second.seed))
