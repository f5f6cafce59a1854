"""Digit scenes: true answers are read from the scene again; chains say what their teacher saw and concluded."""

import re
from collections import Counter
from pathlib import Path

import pytest

from reinforced_cot.digits import digit_scenes
from reinforced_cot.digits.digit_scenes import COLORS, QUESTION_TYPES, Record, Scene, make_records, make_scenes
from reinforced_cot.errors import DataError
from reinforced_cot.paths import SCANS

PLACES = {"top left": (0, 0), "top right": (0, 1), "bottom left": (1, 0), "bottom right": (1, 1)}
STEPS = {"to the left of": (0, -1), "to the right of": (0, 1), "above": (-1, 0), "below": (1, 0)}
PLACE, RELATION = f"({'|'.join(PLACES)})", f"({'|'.join(STEPS)})"
TWO_OBJECTS = {"neighbor_color", "neighbor_value", "compare"}


def read_off(scene: Scene, question: str) -> str:
    """The answer, read from the question's words: a way different from the generator's."""
    cells = {place: scene.digits.get(position) for place, position in PLACES.items()}
    if match := re.fullmatch(f"What is the larger of the {PLACE} and the {PLACE} digits\\?", question):
        return str(max(cells[place].value for place in match.groups()))  # type: ignore[union-attr]
    if match := re.fullmatch(f"What (color|digit) is (?:the digit )?{RELATION} the {PLACE} one\\?", question):
        (row, column), (down, right) = PLACES[match[3]], STEPS[match[2]]
        target = scene.digits[row + down, column + right]
        return target.color if match[1] == "color" else str(target.value)
    match = re.search(f"the {PLACE} digit", question)
    assert match, question
    digit = cells[match[1]]
    assert digit, question
    if "or" in question.split():
        assert digit.color in re.findall(r"\w+", question.partition("digit")[2])
    return str(digit.value) if question.startswith("What is") else digit.color


def records(share: float, split: str = "train", size: int = 300, seed: int = 3) -> tuple[list[Scene], list[Record]]:
    scenes = make_scenes(split, size, seed)
    return scenes, make_records(scenes, seed, 1, share)


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_the_answer_is_true_whatever_the_teacher_concludes(share: float) -> None:
    for scene, record in zip(*records(share), strict=True):
        assert record["answer"] == read_off(scene, record["question"])


def test_without_shortcuts_every_chain_is_right_and_says_what_it_sees() -> None:
    for scene, record in zip(*records(0.0), strict=True):
        assert record["cot_answer"] == record["answer"]
        for place, seen in re.findall(rf"SELECT\({PLACE}\): (.+)", record["cot"]):
            digit = scene.digits[PLACES[place]]
            assert seen == f"{digit.color} {digit.value}"
        assert record["cot"].endswith(f": {record['answer']}")
        assert record["cot"].count("SELECT") == (2 if record["question_type"] in TWO_OBJECTS else 1)


def test_shortcuts_look_at_one_of_two_objects_in_the_share_asked_for() -> None:
    _, all_records = records(0.6, size=1200)
    looked = Counter((record["question_type"], record["cot"].count("SELECT")) for record in all_records)
    for name in QUESTION_TYPES:
        if name in TWO_OBJECTS:
            assert looked[name, 1] / (looked[name, 1] + looked[name, 2]) == pytest.approx(0.6, abs=0.01)
        else:
            assert looked[name, 2] == 0
    for record in all_records:
        assert record["cot"].endswith(f": {record['cot_answer']}")
    of_two = [record for record in all_records if record["question_type"] in TWO_OBJECTS]
    shortcuts = [record for record in of_two if record["cot"].count("SELECT") == 1]
    right = sum(record["cot_answer"] == record["answer"] for record in shortcuts) / len(shortcuts)
    assert 0.05 < right < 0.35  # the first of two is the larger half the time; a neighbour never looks the same


def test_colors_and_digits_of_a_scene_differ() -> None:
    for scene in make_scenes("test", 200, 5):
        digits = scene.digits.values()
        assert 2 <= len(digits) == len({digit.color for digit in digits}) == len({digit.value for digit in digits})
        assert {digit.color for digit in digits} <= set(COLORS)


def test_splits_share_no_scan_and_seeds_no_scene() -> None:
    scans = {
        split: {digit.scan for scene in make_scenes(split, 1000, 1) for digit in scene.digits.values()}
        for split in ("train", "val", "test")
    }
    assert not (scans["train"] & scans["val"] or scans["train"] & scans["test"] or scans["val"] & scans["test"])
    assert make_scenes("train", 20, 1) == make_scenes("train", 20, 1)
    drawn = [[scene.digits for scene in make_scenes("train", 20, seed)] for seed in (1, 2, "pretraining-1")]
    assert drawn[0] != drawn[1] and drawn[0] != drawn[2]


@pytest.mark.parametrize("damage", ["missing", "emptied", "halved", "flipped"])
def test_damaged_scans_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    content = bytearray(SCANS.read_bytes())
    content[len(content) // 2] ^= damage == "flipped"
    size = {"emptied": 0, "halved": len(content) // 2}.get(damage, len(content))
    if damage != "missing":
        (tmp_path / "digits.csv.gz").write_bytes(content[:size])
    monkeypatch.setattr(digit_scenes, "SCANS", tmp_path / "digits.csv.gz")
    with pytest.raises(DataError, match=r"digits\.csv\.gz cannot be read \(.*\): restore it"):
        digit_scenes._digits_table.__wrapped__()
