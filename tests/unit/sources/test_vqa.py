"""VQAv2's two files are read together; a question without annotation, or with a malformed one, is set aside."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from source_files import HALF, draw_images, only, prepared, rejection, write

from reinforced_cot.config.data_checks import data_problems
from reinforced_cot.data.records import RawRecord
from reinforced_cot.errors import DataError
from reinforced_cot.sources.settings import DataSettings, Source
from reinforced_cot.sources.vqa import vqa_records

NAME = "COCO_val2014_000000262148.jpg"


def question(**changes: Any) -> dict[str, Any]:
    """A question of VQAv2; a change to None removes the key."""
    row = {"image_id": 262148, "question": "Where is he looking?", "question_id": 262148000}
    return {key: value for key, value in {**row, **changes}.items() if value is not None}


def annotation(*answers: str, **changes: Any) -> dict[str, Any]:
    row = {
        "question_type": "none of the above",
        "multiple_choice_answer": "down",
        "answers": [
            {"answer": answer, "answer_confidence": "yes", "answer_id": number}
            for number, answer in enumerate(answers or ["down"] * 10, start=1)
        ],
        "image_id": 262148,
        "answer_type": "other",
        "question_id": 262148000,
    }
    return {key: value for key, value in {**row, **changes}.items() if value is not None}


def files(
    folder: Path, questions: Any, annotations: Any, names: tuple[str, ...] = (NAME,), subset: Any = "val2014"
) -> tuple[Path, Path, Path]:
    """The two files as they are downloaded, and the folder of images."""
    head = {"info": {"year": 2017, "version": "2.0"}, "license": {"url": "x"}, "data_type": "mscoco"}
    asked = {**head, "task_type": "Open-Ended", "data_subtype": subset, "questions": questions}
    answered = {**head, "data_subtype": subset, "annotations": annotations}
    return (
        write(folder / "v2_OpenEnded_mscoco_val2014_questions.json", asked),
        write(folder / "v2_mscoco_val2014_annotations.json", answered),
        draw_images(folder / "val2014", *names),
    )


def test_questions_become_records_with_all_answers(tmp_path: Path) -> None:
    answers = ["at table", *["down"] * 5, "skateboard", *["table"] * 3]
    rows = [question(), question(question_id=262148001, question="Is he asleep?")]
    annotations = [annotation("no", answer_type="yes/no", question_id=262148001), annotation(*answers)]
    first, second = prepared(vqa_records(*files(tmp_path, rows, annotations)), tmp_path / "data")
    assert (first.id, first.question, first.question_type) == ("262148000", "Where is he looking?", "other")
    assert first.answers == (*["down"] * 5, *["table"] * 3, "at table", "skateboard")
    assert (second.id, second.answers, second.question_type) == ("262148001", ("no",), "yes/no")
    assert first.images == second.images


@pytest.mark.parametrize("name", [NAME, "000000262148.jpg", "262148.jpg", "COCO_val2014_000000262148.png"])
@pytest.mark.parametrize("image_id", [262148, "262148", 262148.0])
def test_names_of_images(tmp_path: Path, name: str, image_id: Any) -> None:
    record = only(vqa_records(*files(tmp_path, [question(image_id=image_id)], [annotation()], (name,))))
    assert record.images == (tmp_path / "val2014" / name,)


def test_without_a_subset_names_have_no_prefix(tmp_path: Path) -> None:
    paths = files(tmp_path, [question()], [annotation()], ("000000262148.jpg",), subset=None)
    assert only(vqa_records(*paths)).images == (tmp_path / "val2014" / "000000262148.jpg",)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (question(question_id=None), "missing id"),
        (question(question_id=True), "missing id"),
        (question(question_id=HALF), "missing id"),
        (question(question_id=1), "missing annotation"),
        (question(question_id="9" * 300), "missing annotation"),
        (question(image_id=None), "missing image_id"),
        (question(image_id={}), "missing image_id"),
        (question(image_id=5), "missing image"),
        (question(image_id="9" * 300), "missing image"),
        (question(image_id="../7"), "image name is a path"),
        (question(image_id=HALF), "not text"),
        (question(question=None), "missing question"),
        (question(question=7), "not text"),
        ([], "not an object"),
        (None, "not an object"),
    ],
)
def test_a_malformed_question_is_set_aside(tmp_path: Path, row: Any, reason: str) -> None:
    rows = [question(question_id=2), row]
    paths = files(tmp_path, rows, [annotation(question_id=2), annotation()])
    found = rejection(vqa_records(*paths))
    assert (found.reason, str(found.place)) == (reason, f"{paths[0]}, entry 2")
    assert reason != "missing id" or found.id == "entry-2"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"answers": None}, "malformed answers"),
        ({"answers": "down"}, "malformed answers"),
        ({"answers": ["down"]}, "malformed answers"),
        ({"answers": [{"raw": "down"}]}, "missing answer"),
        ({"answers": [{"answer": 3}]}, "not text"),
        ({"answer_type": 3}, "not text"),
    ],
)
def test_a_malformed_annotation_sets_its_question_aside(tmp_path: Path, changes: Any, reason: str) -> None:
    paths = files(tmp_path, [question(), question(question_id=2)], [annotation(question_id=2), annotation(**changes)])
    found = rejection(vqa_records(*paths))
    assert (found.id, found.reason) == ("262148000", reason) and f"({paths[1]}, entry 2)" in found.detail


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        ([annotation(question_id=None)], "annotations.json, entry 1: the annotation has no question_id"),
        ([3], "annotations.json, entry 1: the annotation has no question_id"),
        ([annotation(), annotation()], "entry 2: question_id '262148000' has an annotation already"),
        (7, "the array or object of 'annotations': not valid JSON"),
    ],
)
def test_annotations_that_cannot_be_attributed_are_refused(tmp_path: Path, annotations: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        list(vqa_records(*files(tmp_path, [question()], annotations))())


def test_files_that_are_no_such_files_are_refused(tmp_path: Path) -> None:
    asked, answered, images = files(tmp_path, [question()], [annotation()])
    with pytest.raises(DataError, match=r"questions\.json has no key 'annotations'; it has 'info', .*right file"):
        list(vqa_records(asked, asked, images)())
    with pytest.raises(DataError, match=r"annotations\.json has no key 'questions'"):
        list(vqa_records(answered, answered, images)())
    with pytest.raises(DataError, match="nowhere does not exist"):
        list(vqa_records(asked, answered, images / "nowhere")())
    text = json.dumps({"questions": [question()] * 3, "data_subtype": "val2014"})
    with pytest.raises(DataError, match="ends within entry 3 of 'questions'; is it truncated"):
        list(vqa_records(write(asked, text[: text.rindex("question_id")]), answered, images)())
    with pytest.raises(DataError, match=r"questions\.json.*not readable as JSON"):
        deep = "[" * 100_000 + "]" * 100_000
        list(vqa_records(write(asked, f'{{"questions": [{deep}]}}'), answered, images)())
    with pytest.raises(DataError, match=r"none\.json does not exist"):
        list(vqa_records(asked, tmp_path / "none.json", images)())


def test_annotations_of_other_questions_are_counted_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    annotations = [annotation(), annotation(question_id=8), annotation(question_id=9)]
    records = vqa_records(*files(tmp_path, [question()], annotations))
    with caplog.at_level(logging.WARNING):
        assert [list(records()) for _ in range(2)] == [[only(records)]] * 2
    (line,) = caplog.messages
    assert line.startswith("2 of 3 annotations in ")


def test_ok_vqa_has_the_same_form(tmp_path: Path) -> None:
    answers = [
        {"answer_id": n, "raw_answer": "racing", "answer_confidence": "yes", "answer": "race"} for n in range(10)
    ]
    row = annotation(question_type="four", answers=answers)
    record = only(vqa_records(*files(tmp_path, [question()], [row])))
    assert isinstance(record, RawRecord) and record.answers == ("race",) * 10


def test_annotations_are_required_and_watched() -> None:
    split = {"file": "q.json", "images": "val2014"}
    splits = {"train": {**split, "part": [0, 0.5]}, "val": {**split, "part": [0.5, 0.7], "annotations": "a.json"}}
    splits["test"] = {**split, "part": [0.7, 1], "annotations": "a.json"}
    data = DataSettings.model_validate({"source": "vqa", "splits": splits})
    assert list(data_problems(data)) == [
        "`data.splits.train.annotations` is missing; the answers stand in a file of their own, "
        "v2_mscoco_val2014_annotations.json or alike"
    ]
    assert Source(source="vqa", file="q.json", annotations="a.json").read_files == ["q.json", "a.json"]
