"""A-OKVQA and ScienceQA are told apart by their keys; the answer is the right choice's text, the chain a rationale."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from source_files import HALF, draw_images, only, prepared, rejection, write

from reinforced_cot.config.data_checks import data_problems
from reinforced_cot.data.records import RawRecord
from reinforced_cot.errors import DataError
from reinforced_cot.sources.choices import choice_records
from reinforced_cot.sources.settings import DataSettings


def aokvqa(**changes: Any) -> dict[str, Any]:
    """A question of A-OKVQA; a change to None removes the key."""
    row = {
        "split": "train",
        "image_id": 299207,
        "question_id": "22MexNkBPpdZGX6sxbxVBH",
        "question": "What is the man by the bags awaiting?",
        "choices": ["skateboarder", "train", "delivery", "cab"],
        "correct_choice_idx": 3,
        "direct_answers": ["ride", "ride", "bus", "taxi", "travelling", "traffic", "taxi", "cab", "cab", "his ride"],
        "difficult_direct_answer": False,
        "rationales": ["A train would not be on the street.", "He has luggage.", "Cabs pick people up."],
    }
    return {key: value for key, value in {**row, **changes}.items() if value is not None}


def scienceqa(**changes: Any) -> dict[str, Any]:
    row = {
        "question": "Which of these states is farthest north?",
        "choices": ["West Virginia", "Louisiana", "Arizona", "Oklahoma"],
        "answer": 0,
        "hint": "",
        "image": "image.png",
        "task": "closed choice",
        "grade": "grade2",
        "subject": "social science",
        "topic": "geography",
        "category": "Geography",
        "skill": "Read a map: cardinal directions",
        "lecture": "Maps have four cardinal directions.",
        "solution": "To find the answer, look at the compass rose.",
        "split": "train",
    }
    return {**row, **changes}


def of_scienceqa(folder: Path, rows: Any, subset: Any = None, split: str = "train", images: Any = ("train/1",)) -> Any:
    file = write(folder / "problems.json", rows)
    return choice_records(
        file, draw_images(folder / "images", *(f"{name}/image.png" for name in images)), subset, split
    )


def of_aokvqa(folder: Path, rows: Any, subset: Any = None, images: Any = ("000000299207.jpg",)) -> Any:
    file = write(folder / "aokvqa_v1p0_train.json", rows)
    return choice_records(file, draw_images(folder / "train2017", *images), subset, "train")


def test_aokvqa(tmp_path: Path) -> None:
    (example,) = prepared(of_aokvqa(tmp_path, [aokvqa()]), tmp_path / "data")
    assert example.id == "22MexNkBPpdZGX6sxbxVBH"
    assert example.question == ("What is the man by the bags awaiting?\nA. skateboarder\nB. train\nC. delivery\nD. cab")
    assert (example.answers, example.answer_kind) == (("cab",), "choice")
    assert example.choices == ("skateboarder", "train", "delivery", "cab")
    assert example.chain == "A train would not be on the street."


def test_scienceqa(tmp_path: Path) -> None:
    rows = {"1": scienceqa(), "7": scienceqa(hint="The map shows four states.\n", answer=1)}
    first, second = prepared(of_scienceqa(tmp_path, rows, images=("train/1", "train/7")), tmp_path / "data")
    assert (first.id, first.answers, first.answer_kind) == ("1", ("West Virginia",), "choice")
    assert first.question.startswith("Which of these states is farthest north?\nA. West Virginia\n")
    assert (first.question_type, first.chain) == ("social science", "To find the answer, look at the compass rose.")
    assert second.question.startswith("The map shows four states.\nWhich of these states")
    assert (second.id, second.answer) == ("7", "Louisiana")


def test_scienceqa_is_read_by_its_split(tmp_path: Path) -> None:
    rows = {name: scienceqa(split=name) for name in ("train", "val", "test")}
    images = [f"{name}/{name}" for name in rows]
    for split in rows:
        assert only(of_scienceqa(tmp_path, rows, None, split, images)).id == split
    assert only(of_scienceqa(tmp_path, rows, "val", "test", images)).id == "val"


def test_aokvqa_is_read_whole_unless_told(tmp_path: Path) -> None:
    rows = [aokvqa(), aokvqa(question_id="b", split="val")]
    assert len(list(of_aokvqa(tmp_path, rows)())) == 2
    assert only(of_aokvqa(tmp_path, rows, "val")).id == "b"


def test_questions_of_scienceqa_without_image_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = {
        "1": scienceqa(),
        "2": scienceqa(image=None),
        "3": scienceqa(image=""),
        "4": scienceqa(image=None, split="x"),
    }
    records = of_scienceqa(tmp_path, rows)
    with caplog.at_level(logging.WARNING):
        assert [only(records).id for _ in range(2)] == ["1", "1"]
    (line,) = caplog.messages
    assert line == f"2 questions of {tmp_path / 'problems.json'} (train) have no image and are left out"


@pytest.mark.parametrize("chain", [None, [], ["", "He has luggage."]])
def test_a_rationale_may_be_missing(tmp_path: Path, chain: Any) -> None:
    assert only(of_aokvqa(tmp_path, [aokvqa(rationales=chain)])).chain == ""


@pytest.mark.parametrize("number", [3, 3.0, "3"])
@pytest.mark.parametrize("id", [12, 12.0, "12"])
def test_numbers_as_texts_and_as_floats(tmp_path: Path, number: Any, id: Any) -> None:
    record = only(of_aokvqa(tmp_path, [aokvqa(correct_choice_idx=number, question_id=id, image_id=299207.0)]))
    assert (record.answers, record.id) == (("cab",), "12")


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"choices": "a, b"}, "malformed choices"),
    ({"choices": []}, "malformed choices"),
    ({"choices": ["a", 2]}, "malformed choices"),
    ({"question": 5}, "not text"),
    ({"question": None}, "missing question"),
]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *FAULTS,
        ({"correct_choice_idx": None}, "missing answer"),
        ({"correct_choice_idx": True}, "missing answer"),
        ({"correct_choice_idx": 0.5}, "missing answer"),
        ({"correct_choice_idx": 4}, "no such choice"),
        ({"correct_choice_idx": -1}, "no such choice"),
        ({"correct_choice_idx": "cab"}, "no such choice"),
        ({"correct_choice_idx": "\u00b2"}, "no such choice"),
        ({"rationales": "He has luggage."}, "malformed rationales"),
        ({"rationales": [3]}, "malformed rationales"),
        ({"image_id": None}, "missing image_id"),
        ({"image_id": 1}, "missing image"),
        ({"image_id": "9" * 300}, "missing image"),
        ({"image_id": HALF}, "not text"),
        ({"question_id": HALF}, "missing id"),
        ({"question_id": [1]}, "missing id"),
    ],
)
def test_a_malformed_question_of_aokvqa(tmp_path: Path, changes: Any, reason: str) -> None:
    found = rejection(of_aokvqa(tmp_path, [aokvqa(question_id="good"), aokvqa(**changes)]))
    assert (found.reason, found.place.line) == (reason, 2)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *FAULTS,
        ({"answer": None}, "missing answer"),
        ({"answer": 9}, "no such choice"),
        ({"solution": ["a"]}, "not text"),
        ({"hint": 3}, "not text"),
        ({"subject": 3}, "not text"),
        ({"image": 3}, "not text"),
        ({"image": "other.png"}, "missing image"),
        ({"image": "../1/image.png"}, "image name is a path"),
        ({"image": HALF}, "not text"),
        ({"split": None}, "unknown form"),
    ],
)
def test_a_malformed_question_of_scienceqa(tmp_path: Path, changes: Any, reason: str) -> None:
    found = rejection(
        of_scienceqa(tmp_path, {"1": scienceqa(), "2": scienceqa(**changes)}, images=("train/1", "train/2"))
    )
    assert (found.id, found.reason, found.place.line) == ("2", reason, "2")


@pytest.mark.parametrize("row", [3, None, [], {}, {"question": "Who?"}])
def test_a_row_of_neither_form(tmp_path: Path, row: Any) -> None:
    found = rejection(of_aokvqa(tmp_path, [row]))
    assert found.reason == ("unknown form" if isinstance(row, dict) else "not an object")


def test_ids_that_lead_out_of_the_folder(tmp_path: Path) -> None:
    found = rejection(of_scienceqa(tmp_path, {"../../1": scienceqa()}))
    assert found.reason == "image name is a path"
    assert rejection(of_scienceqa(tmp_path, {"9" * 300: scienceqa()})).reason == "missing image"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps([aokvqa()])[:-20], "ends within entry 1; is it truncated"),
        ('[{"question_id": ' + "[" * 100_000 + "]" * 100_000 + "}]", "entry 1: not readable as JSON"),
        ("nonsense", "not valid JSON"),
    ],
)
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        list(of_aokvqa(tmp_path, text)())


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", [aokvqa()])
    with pytest.raises(DataError, match="nowhere does not exist"):
        list(choice_records(file, tmp_path / "nowhere", None, "train")())


def test_a_chain_that_does_not_name_the_answer_is_kept(tmp_path: Path) -> None:
    (record,) = of_aokvqa(tmp_path, [aokvqa(rationales=["He waits."])])()
    assert isinstance(record, RawRecord) and record.chain == "He waits." and record.chain_answer == ""


def test_splits_of_one_file_do_not_overlap_by_their_subsets() -> None:
    split = {"file": "problems.json", "images": "images"}
    data = DataSettings.model_validate({"source": "choices", "splits": dict.fromkeys(("train", "val", "test"), split)})
    assert not list(data_problems(data))
    splits = {"train": split, "val": {**split, "subset": "train"}, "test": split}
    (problem,) = data_problems(DataSettings.model_validate({"source": "choices", "splits": splits}))
    assert "`data.splits.train.part` [0, 1] and `data.splits.val.part` [0, 1] overlap" in problem
