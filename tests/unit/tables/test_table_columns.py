"""Columns are found by their names, or named by the configuration; the log says what was taken for what."""

import logging
from pathlib import Path
from typing import Any

import pytest
from table_helpers import GOOD, make_images, one_row, read, records, write_jsonl

from reinforced_cot.data.records import RawRecord
from reinforced_cot.errors import DataError


@pytest.mark.parametrize(
    ("usual", "name"),
    [
        *(("question", name) for name in ("Problem", "QUERY", "instruction", "prompt", "text", " question ")),
        *(("answer", name) for name in ("label", "Solution", "target", "output", "ground_truth", "answers")),
        *(("image", name) for name in ("images", "image_path", "img", "file_name", "filename", "photo", "imageID")),
    ],
)
def test_names_in_common_use_are_found(usual: str, name: str, tmp_path: Path) -> None:
    row = {"question": "What?", "answer": "cat", "image": "photo0"}
    found = one_row(tmp_path, {name if key == usual else key: value for key, value in row.items()})
    assert isinstance(found, RawRecord)
    assert (found.question, found.answers, len(found.images)) == ("What?", ("cat",), 1)


def test_the_first_of_several_names_is_taken_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row = {**GOOD, "prompt": "Look.", "label": 3, "rationale": "I see.", "uid": "u1", "category": "thing", "width": 7}
    with caplog.at_level(logging.INFO):
        found = one_row(tmp_path, row)
    assert isinstance(found, RawRecord)
    assert (found.id, found.question, found.answers, found.chain) == ("u1", "What is it?", ("cat",), "I see.")
    assert found.question_type == "thing"
    assert "column question is taken for question, not prompt" in caplog.text
    assert "column answer is taken for answers, not label" in caplog.text
    assert "question is column question" in caplog.text and "id is column uid" in caplog.text
    assert "not read: prompt, label, width" in caplog.text


def test_the_configuration_goes_before_common_names(tmp_path: Path) -> None:
    row = {
        **GOOD,
        "id": "same",
        "explanation": "No chain.",
        "conversations": [{"from": "human", "value": "<image>\nWho?"}, {"from": "gpt", "value": "dog"}],
        "meta": {"kind": {"name": "who"}},
        "a.b": "text",
    }
    columns = {
        "question": "conversations.0.value",
        "answer": "conversations.1.value",
        "question_type": "meta.kind.name",
        "answer_kind": "a.b",
        "id": "",
        "chain": "",
    }
    found = one_row(tmp_path, row, columns=columns)
    assert isinstance(found, RawRecord)
    assert (found.question, found.answers) == ("<image>\nWho?", ("dog",))
    assert (found.question_type, found.answer_kind, found.chain, len(found.id)) == ("who", "text", "", 16)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"answer": "anwser"}, "`columns.answers` is anwser, and no row has it; did you mean answer? The columns are"),
        ({"image": "xyz"}, "`columns.images` is xyz, and no row has it; the columns are image, question, answer, meta"),
        ({"question": "meta.quest"}, "did you mean meta.question?"),
        ({"question": "list.7"}, "`columns.question` is list.7"),
        ({"extra": ["meta", "scroe"]}, "`columns.extra` is scroe"),
    ],
)
def test_an_unknown_column_is_named_with_the_nearest(columns: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refusal:
        one_row(tmp_path, {**GOOD, "meta": {"question": "a"}, "list": [1], "score": 1}, columns=columns)
    assert says in str(refusal.value) and str(tmp_path / "data.jsonl") in str(refusal.value)


def test_a_column_that_only_a_late_row_has_is_found(tmp_path: Path) -> None:
    make_images(tmp_path)
    rows: list[dict[str, Any]] = [{**GOOD, "question": f"{number}?"} for number in range(150)]
    rows.append({**GOOD, "steps": "I look.", "deep": {"x": 1}})
    file = write_jsonl(tmp_path / "t.jsonl", rows)
    found = records(file, columns={"chain": "steps", "extra": ["deep.x"]})
    assert found[-1].chain == "I look." and found[-1].extra == {"deep.x": 1} and found[0].extra == {}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"a": 1, "b": 2}, "hold question or image or answer; the columns are a, b: write `columns: {question: ..., "),
        ({"image": "x", "question": "a?"}, "no column is known to hold answer; "),
        ({"image": "x", "label": 1}, "data without questions needs `question`"),
        ({"video": "x", "question": "a?", "answer": "b"}, "has a column of videos and none of images"),
    ],
)
def test_a_column_that_is_missing_is_named(row: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refusal:
        read(write_jsonl(tmp_path / "t.jsonl", [row]))
    assert says in str(refusal.value)
