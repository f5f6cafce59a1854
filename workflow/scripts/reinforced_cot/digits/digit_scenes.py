"""Digit scenes: real handwriting on a small grid, with questions whose answers need reading the image.

A scene is a grid of 28 px cells. A cell is empty or shows one of 1797 scans of 8x8 (see workflow/digits/README.md),
enlarged to 24x24 and tinted in one of six colours. Every question comes with its chain of thought in the operators of
GQA's functional programs (SELECT, RELATE, QUERY, CHOOSE, LARGER), one step per line, the result after the colon; the
last step's result is the answer. A share of the chains about two objects can be shortcuts, like those of a hasty
teacher who looks only at the first object: see `make_records`.

The scans of train, val and test are disjoint, so that test accuracy is accuracy on handwriting never seen before.
Everything is a deterministic function of (split, size, seed).
"""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypedDict

import numpy as np
from PIL import Image

from reinforced_cot.digits.scene_size import CELL_PX, GRID
from reinforced_cot.errors import DataError
from reinforced_cot.paths import SCANS

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (230, 40, 40),
    "green": (40, 200, 60),
    "blue": (60, 90, 255),
    "yellow": (240, 220, 40),
    "purple": (170, 60, 220),
    "white": (240, 240, 240),
}
SCAN_PX = 24
SPLIT_BOUNDS = {"train": (0.0, 0.60), "val": (0.60, 0.75), "test": (0.75, 1.0)}
ROW_NAMES = ("top", "bottom")
COLUMN_NAMES = ("left", "right")
# relation -> (row step, column step, words in the question)
RELATIONS: dict[str, tuple[int, int, str]] = {
    "left": (0, -1, "to the left of"),
    "right": (0, 1, "to the right of"),
    "above": (-1, 0, "above"),
    "below": (1, 0, "below"),
}

Position = tuple[int, int]  # (row, column)


class Record(TypedDict):
    """One question: a row of the dataset."""

    id: str
    question: str
    answer: str  # the truth: one short lower-case word
    cot: str  # the teacher's steps joined by newlines, without tags
    cot_answer: str  # result of the last step; differs from `answer` where a shortcut misled the teacher
    question_type: str


@dataclass(frozen=True)
class Digit:
    """The content of a cell. `scan` is the index of a scan."""

    color: str
    value: int
    scan: int


@dataclass(frozen=True)
class Scene:
    """A grid of cells; an empty cell is missing from `digits`. `seed` draws placement, tint and noise."""

    id: str
    digits: dict[Position, Digit]
    seed: int

    def render(self) -> Image.Image:
        """Draw the scene: RGB, `GRID * CELL_PX` pixels square."""
        rng = np.random.default_rng(self.seed)
        side = GRID * CELL_PX
        pixels = rng.normal(24, 8, (side, side, 3))
        for (row, column), digit in self.digits.items():
            y, x = rng.integers(0, CELL_PX - SCAN_PX + 1, 2) + (row * CELL_PX, column * CELL_PX)
            ink = _enlarged_scan(digit.scan)[..., None]
            tint = np.array(COLORS[digit.color]) * rng.uniform(0.8, 1.0)
            window = pixels[y : y + SCAN_PX, x : x + SCAN_PX]
            pixels[y : y + SCAN_PX, x : x + SCAN_PX] = window * (1 - ink) + ink * tint
        return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))

    def caption(self) -> str:
        """One line per cell, row by row: `top left: red 5` or `top left: empty`."""
        return "\n".join(f"{name_position(position)}: {self.describe(position)}" for position in POSITIONS)

    def describe(self, position: Position) -> str:
        """Content of a cell in words: `red 5` or `empty`."""
        digit = self.digits.get(position)
        return f"{digit.color} {digit.value}" if digit else "empty"

    def cell_words(self) -> list[list[str]]:
        """Bag of words of each cell, row by row (the order of the visual tokens): place and content."""
        return [f"{name_position(position)} {self.describe(position)}".split() for position in POSITIONS]


POSITIONS: tuple[Position, ...] = tuple((row, column) for row in range(GRID) for column in range(GRID))


def name_position(position: Position) -> str:
    """`(0, 1)` -> `top right`."""
    return f"{ROW_NAMES[position[0]]} {COLUMN_NAMES[position[1]]}"


@cache
def _digits_table() -> np.ndarray:
    """Shape `(1797, 65)`: 64 values of ink and the class.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        with gzip.open(SCANS, "rt", encoding="ascii") as file:
            return np.array([line.split(",") for line in file], dtype=np.float64).reshape(1797, 65)
    except (OSError, EOFError, zlib.error, ValueError) as error:  # gzip has a checksum
        raise DataError(f"{SCANS} cannot be read ({error}): restore it, `git checkout -- {SCANS}`") from None


@cache
def _digit_labels() -> np.ndarray:
    """Class of every scan, shape `(1797,)`."""
    return _digits_table()[:, -1].astype(int)


@cache
def _enlarged_scan(index: int) -> np.ndarray:
    """Ink of one scan in [0, 1], enlarged, shape `(SCAN_PX, SCAN_PX)`."""
    scan = Image.fromarray((load_scans()[index] / 16 * 255).astype(np.uint8))
    return np.asarray(scan.resize((SCAN_PX, SCAN_PX), Image.Resampling.BILINEAR), dtype=np.float64) / 255


@cache
def load_scans() -> np.ndarray:
    """All scans, ink 0..16, shape `(1797, 8, 8)`."""
    return _digits_table()[:, :-1].reshape(-1, 8, 8)


@cache
def scans_of_split(split: str) -> dict[int, list[int]]:
    """Indices of the scans of a split, by digit. Splits are disjoint: 60 / 15 / 25 % of each class.

    Raises:
        KeyError: the split is not train, val or test.
    """
    start, end = SPLIT_BOUNDS[split]
    by_digit = {}
    for digit in range(10):
        # The permutation is fixed: the split must not move with the run's seed, or seeds would share test scans.
        indices = np.random.default_rng(digit).permutation(np.flatnonzero(_digit_labels() == digit))
        by_digit[digit] = indices[int(start * len(indices)) : int(end * len(indices))].tolist()
    return by_digit


EMPTY_SHARE = 0.15  # chance of a cell to be empty; at least two cells are filled


def make_scenes(split: str, size: int, seed: int | str) -> list[Scene]:
    """Draw scenes from the scans of a split.

    Args:
        split: train, val or test.
        size: number of scenes.
        seed: with the split, fixes every scene.
    """
    rng = random.Random(f"{split}-{seed}")
    scans = scans_of_split(split)
    scenes = []
    for number in range(size):
        filled = [position for position in POSITIONS if rng.random() >= EMPTY_SHARE]
        if len(filled) < 2:
            filled = sorted(rng.sample(POSITIONS, 2))
        # Colours and digits are distinct within a scene, so that "larger" is never a tie.
        colors = rng.sample(list(COLORS), len(filled))
        values = rng.sample(range(10), len(filled))
        digits = {
            position: Digit(color, value, rng.choice(scans[value]))
            for position, color, value in zip(filled, colors, values, strict=True)
        }
        scenes.append(Scene(f"{split}-{seed}-{number:05d}", digits, rng.getrandbits(30)))
    return scenes


@dataclass(frozen=True)
class Question:
    """Question, true answer, the steps that lead to it, and (for two objects) a shortcut that looks only at one."""

    text: str
    answer: str
    steps: tuple[str, ...]
    shortcut: tuple[str, ...] = ()


def _select(scene: Scene, position: Position) -> str:
    return f"SELECT({name_position(position)}): {scene.describe(position)}"


def _query(scene: Scene, position: Position, attribute: str) -> tuple[str, str]:
    """Answer and last step of a question for an attribute, `color` or `digit`."""
    digit = scene.digits[position]
    answer = digit.color if attribute == "color" else str(digit.value)
    return answer, f"QUERY({attribute}): {answer}"


def ask_color(scene: Scene, rng: random.Random) -> Question:
    """What color is the top left digit?"""
    position = rng.choice(list(scene.digits))
    answer, query = _query(scene, position, "color")
    return Question(f"What color is the {name_position(position)} digit?", answer, (_select(scene, position), query))


def ask_value(scene: Scene, rng: random.Random) -> Question:
    """What is the top left digit?"""
    position = rng.choice(list(scene.digits))
    answer, query = _query(scene, position, "digit")
    return Question(f"What is the {name_position(position)} digit?", answer, (_select(scene, position), query))


def _ask_neighbor(scene: Scene, rng: random.Random, attribute: str, text: str) -> Question | None:
    """Ask for an attribute of a neighbour; None in a scene without neighbours."""
    pairs = [
        (anchor, relation, (anchor[0] + down, anchor[1] + right))
        for anchor in scene.digits
        for relation, (down, right, _) in RELATIONS.items()
        if (anchor[0] + down, anchor[1] + right) in scene.digits
    ]
    if not pairs:
        return None
    anchor, relation, target = rng.choice(pairs)
    relate = f"RELATE({name_position(anchor)}, {relation}): {name_position(target)}"
    answer, query = _query(scene, target, attribute)
    return Question(
        text=text.format(place=f"{RELATIONS[relation][2]} the {name_position(anchor)} one"),
        answer=answer,
        steps=(_select(scene, anchor), relate, _select(scene, target), query),
        shortcut=(_select(scene, anchor), _query(scene, anchor, attribute)[1]),
    )


def ask_neighbor_color(scene: Scene, rng: random.Random) -> Question | None:
    """What color is the digit above the bottom left one?"""
    return _ask_neighbor(scene, rng, "color", "What color is the digit {place}?")


def ask_neighbor_value(scene: Scene, rng: random.Random) -> Question | None:
    """What digit is above the bottom left one?"""
    return _ask_neighbor(scene, rng, "digit", "What digit is {place}?")


def ask_choose(scene: Scene, rng: random.Random) -> Question:
    """Is the top left digit red or blue?"""
    position = rng.choice(list(scene.digits))
    color = scene.digits[position].color
    options = [color, rng.choice([other for other in COLORS if other != color])]
    rng.shuffle(options)
    steps = (_select(scene, position), f"CHOOSE({options[0]}, {options[1]}): {color}")
    return Question(f"Is the {name_position(position)} digit {options[0]} or {options[1]}?", color, steps)


def ask_compare(scene: Scene, rng: random.Random) -> Question:
    """What is the larger of the top left and the bottom right digits?"""
    first, second = rng.sample(list(scene.digits), 2)
    values = scene.digits[first].value, scene.digits[second].value
    answer = str(max(values))
    steps = (_select(scene, first), _select(scene, second), f"LARGER({values[0]}, {values[1]}): {answer}")
    text = f"What is the larger of the {name_position(first)} and the {name_position(second)} digits?"
    return Question(text, answer, steps, shortcut=(steps[0], _query(scene, first, "digit")[1]))


QUESTION_TYPES: dict[str, Callable[[Scene, random.Random], Question | None]] = {
    "color": ask_color,
    "value": ask_value,
    "neighbor_color": ask_neighbor_color,
    "neighbor_value": ask_neighbor_value,
    "choose": ask_choose,
    "compare": ask_compare,
}


def make_records(
    scenes: Sequence[Scene],
    seed: int | str,
    per_scene: int = 1,
    shortcut_share: float = 0.0,
    question_types: Sequence[str] = tuple(QUESTION_TYPES),
) -> list[Record]:
    """Ask `per_scene` questions about each scene, `len(scenes) * per_scene` records in the order of the scenes.

    Args:
        shortcut_share: how often the teacher takes the shortcut where a question has one. The chain then ends in
            `cot_answer`, which is often wrong; `answer` is always the truth.
        question_types: types to draw from evenly; a type that is named twice is drawn twice as often. A scene without
            neighbours gets a question of another type instead.
    """
    rng = random.Random(f"questions-{seed}")
    # Shortcuts are spread evenly over each type. In 200 records, a drawn share would vary by 5 points between seeds.
    shortcuts_due = {question_type: rng.random() for question_type in question_types}
    records: list[Record] = []
    for scene in scenes:
        for number in range(per_scene):
            question = None
            while question is None:
                question_type = rng.choice(question_types)
                question = QUESTION_TYPES[question_type](scene, rng)
            steps = question.steps
            shortcuts_due[question_type] += shortcut_share
            if shortcuts_due[question_type] >= 1:
                shortcuts_due[question_type] -= 1
                steps = question.shortcut or question.steps
            records.append(
                Record(
                    id=f"{scene.id}-{number}",
                    question=question.text,
                    answer=question.answer,
                    cot="\n".join(steps),
                    cot_answer=steps[-1].rpartition(": ")[-1],
                    question_type=question_type,
                )
            )
    return records
