"""GQA's question files are read as they are downloaded; a malformed question is set aside by its id."""

from pathlib import Path
from typing import Any

import pytest
from source_files import BUDGET, HALF, draw_images, only, prepared, rejection, write

from reinforced_cot.config.data_checks import data_problems, gqa_problems
from reinforced_cot.data.records import RawRecord
from reinforced_cot.errors import ConfigError, DataError
from reinforced_cot.evaluation.gqa_metrics import read_questions
from reinforced_cot.evaluation.settings import Evaluating
from reinforced_cot.preparation.prepare import prepare
from reinforced_cot.sources.gqa import gqa_records
from reinforced_cot.sources.registry import read_split
from reinforced_cot.sources.settings import DataSettings, PreparedSplit, Source


def question(**changes: Any) -> dict[str, Any]:
    """A question of GQA; a change to None removes the key."""
    row = {
        "semantic": [
            {"operation": "select", "dependencies": [], "argument": "dress (1234567)"},
            {"operation": "query", "dependencies": [0], "argument": "name"},
        ],
        "entailed": ["0201640615"],
        "equivalent": ["0201640614"],
        "question": "Who is wearing the dress?",
        "imageId": "2354786",
        "isBalanced": True,
        "groups": {"global": "person", "local": "14-wearing_dress,s"},
        "answer": "woman",
        "semanticStr": "select: dress (1234567)->query: name [0]",
        "annotations": {"answer": {"0": "1234568"}, "question": {"4": "1234567"}, "fullAnswer": {}},
        "types": {"detailed": "relS", "semantic": "rel", "structural": "query"},
        "fullAnswer": "The woman is wearing a dress.",
    }
    return {key: value for key, value in {**row, **changes}.items() if value is not None}


def test_questions_become_records(tmp_path: Path) -> None:
    images = draw_images(tmp_path / "images", "2354786.jpg", "n161313.jpg")
    rows = {"0201640614": question(), "05": question(imageId="n161313", question="Is it red?", answer="no")}
    file = write(tmp_path / "val_balanced_questions.json", rows)
    first, second = prepared(gqa_records(file, images), tmp_path / "data")
    assert (first.id, first.question, first.answers) == ("0201640614", "Who is wearing the dress?", ("woman",))
    assert (first.question_type, first.semantic_type, first.chain, first.extra) == ("query", "rel", "", {})
    assert (second.id, second.answer) == ("05", "no") and first.images != second.images
    assert list(read_questions(file)) == [first.id, second.id]  # the ids by which official metrics look up answers


def test_a_folder_of_chunks_is_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    images = draw_images(tmp_path / "images", "2354786.jpg")
    folder = tmp_path / "train_all_questions"
    for number in (10, 9, 0):
        write(folder / f"train_all_questions_{number}.json", {f"q{number}": question()})
    write(folder / "readme.txt", "not a chunk")
    assert [record.id for record in gqa_records(folder, images)()] == ["q0", "q9", "q10"]
    source = Source(source="gqa", file=str(folder), images=str(images))
    assert source.read_files == [str(folder / f"train_all_questions_{number}.json") for number in (0, 9, 10)]
    one = str(folder / "train_all_questions_9.json")
    assert Source(source="gqa", file=one, images=str(images)).read_files == [one]


def test_only_balanced_questions(tmp_path: Path) -> None:
    images = draw_images(tmp_path / "images", "2354786.jpg")
    rows = {"a": question(isBalanced=False), "b": question(), "c": question(isBalanced=None)}
    file = write(tmp_path / "q.json", rows)
    assert [record.id for record in gqa_records(file, images)()] == ["a", "b", "c"]
    balanced = gqa_records(file, images, balanced_only=True)
    assert [record.id for record in balanced()] == ["b", "c"]
    assert (rejection(balanced).id, rejection(balanced).reason) == ("c", "missing isBalanced")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (question(imageId=None), "missing imageId"),
        (question(imageId=True), "missing imageId"),
        (question(imageId=[1]), "missing imageId"),
        (question(imageId=1.5), "missing imageId"),
        (question(imageId=HALF), "not text"),
        (question(imageId="../2354786"), "image name is a path"),
        (question(imageId="1" * 300), "missing image"),
        (question(imageId="7\0"), "missing image"),
        (question(imageId="99"), "missing image"),
        (question(question=None), "missing question"),
        (question(question=["Who?"]), "not text"),
        (question(answer=3), "not text"),
        (question(types=["query"]), "malformed types"),
        (question(types={"structural": 1}), "not text"),
        ([1], "not an object"),
        ("Who?", "not an object"),
        (None, "not an object"),
    ],
)
def test_a_malformed_question_is_set_aside(tmp_path: Path, row: Any, reason: str) -> None:
    images = draw_images(tmp_path / "images", "2354786.jpg")
    file = write(tmp_path / "q.json", {"good": question(), "bad": row})
    found = rejection(gqa_records(file, images))
    assert (found.id, found.reason, str(found.place)) == ("bad", reason, f"{file}, entry bad")
    counts = prepare(gqa_records(file, images), BUDGET, tmp_path / "data", "train", max_rejected_share=0.5)
    assert (counts["accepted"], counts["rejected"]) == (1, 1)


@pytest.mark.parametrize("row", [question(answer=None), question(answer=""), question(question=" ")])
def test_questions_without_answer_or_words_are_set_aside_later(tmp_path: Path, row: Any) -> None:
    images = draw_images(tmp_path / "images", "2354786.jpg")
    file = write(tmp_path / "q.json", {"good": question(), "bad": row})
    assert [example.id for example in prepared(gqa_records(file, images), tmp_path / "data", 0.5)] == ["good"]


@pytest.mark.parametrize("key", ["", HALF, "\u200b"])
def test_a_key_that_is_no_id(tmp_path: Path, key: str) -> None:
    images = draw_images(tmp_path / "images", "2354786.jpg")
    found = rejection(gqa_records(write(tmp_path / "q.json", {"good": question(), key: question()}), images))
    assert found.reason == "missing id" and found.id.startswith("entry-")


@pytest.mark.parametrize("image_id", [2354786, 2354786.0, "2354786"])
def test_numbers_are_ids(tmp_path: Path, image_id: Any) -> None:
    images = draw_images(tmp_path / "images", "2354786.png")
    record = only(gqa_records(write(tmp_path / "q.json", {"1" * 300: question(imageId=image_id)}), images))
    assert record.id == "1" * 300 and record.images == (images / "2354786.png",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"1": {"question": "Who', r"q\.json ends within entry 1 \('1'\); is it truncated"),
        ("[" * 9 + "]" * 9, "expected an object, question id -> question, found an array"),
        ('{"1": ' + "[" * 100_000 + "]" * 100_000 + "}", r"entry 1 \('1'\): not readable as JSON"),
        ("", "ends within the array or object"),
        ("<html>", "not valid JSON"),
    ],
)
def test_a_file_that_is_no_question_file_is_refused(tmp_path: Path, content: str, said: str) -> None:
    images = draw_images(tmp_path / "images")
    with pytest.raises(DataError, match=said):
        list(gqa_records(write(tmp_path / "q.json", content), images)())


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    images = draw_images(tmp_path / "images")
    with pytest.raises(DataError, match=r"none\.json does not exist"):
        list(gqa_records(tmp_path / "none.json", images)())
    with pytest.raises(DataError, match=r"images holds no \.json file"):
        list(gqa_records(images, images)())
    with pytest.raises(DataError, match=r"the image folder .*nowhere does not exist"):
        list(gqa_records(write(tmp_path / "q.json", {}), tmp_path / "nowhere")())


def test_a_question_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    images = draw_images(tmp_path / "images", "2354786.jpg")
    for number in range(2):
        write(tmp_path / "chunks" / f"{number}.json", {"7": question()})
    with pytest.raises(DataError, match=r"1\.json, entry 7: id '7' occurs twice, first in .*0\.json, entry 7"):
        prepared(gqa_records(tmp_path / "chunks", images), tmp_path / "data")


def test_through_the_registry(tmp_path: Path) -> None:
    images = draw_images(tmp_path / "images", "2354786.jpg")
    file = write(tmp_path / "q.json", {str(number): question(isBalanced=number > 3) for number in range(10)})
    source = Source(source="gqa", file=str(file), images=str(images), balanced_only=True, size=4)
    settings = PreparedSplit(seed=1, image=BUDGET, digits=None, max_rejected_share=0, sources=(source,))
    records = list(read_split(settings, "train")())
    assert len(records) == 4 and all(isinstance(record, RawRecord) and int(record.id) > 3 for record in records)
    lacking = settings.model_copy(update={"sources": (Source(source="gqa", file=str(file)),)})
    with pytest.raises(ConfigError, match="source gqa needs images: name the folder"):
        read_split(lacking, "train")


def test_official_metrics_take_it(tmp_path: Path) -> None:
    split = {"file": "q.json", "images": "images"}
    splits = {"train": {**split, "part": [0, 0.5]}, "val": {**split, "part": [0.5, 1]}, "test": {**split, "file": "t"}}
    data = DataSettings.model_validate({"source": "gqa", "splits": splits})
    assert not list(data_problems(data)) and not list(gqa_problems(Evaluating(gqa_questions="t"), data))
    splits["test"] = {**split, "file": "t", "subset": "val"}
    data = DataSettings.model_validate({"source": "gqa", "splits": splits})
    assert list(data_problems(data)) == [
        "`data.splits.test.subset` is not read by source gqa; remove it, or name another source"
    ]
