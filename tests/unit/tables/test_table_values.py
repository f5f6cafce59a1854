"""What a row's values become; a value that no record can have sets the record aside with its reason."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from table_helpers import GOOD, make_images, one_row, read, records, write_jsonl

from reinforced_cot.data.records import Place, RawRecord, Rejection
from reinforced_cot.errors import DataError


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("12.0", ("12.0",)),
        (12.0, ("12",)),
        (12, ("12",)),
        (0.5, ("0.5",)),
        (True, ("yes",)),
        (False, ("no",)),
        (["cat", "kitten", "cat"], ("cat", "kitten", "cat")),
        ([{"answer": "cat", "answer_id": 1}, {"answer": "dog"}], ("cat", "dog")),
        ('["cat", "dog"]', ('["cat", "dog"]',)),  # JSON can write a list itself
        (None, ()),
        ("", ()),
        ([None, "cat"], ("cat",)),
        (float("nan"), ()),
    ],
)
def test_answers(answer: Any, expected: tuple[str, ...], tmp_path: Path) -> None:
    found = one_row(tmp_path, {**GOOD, "answer": answer})
    assert isinstance(found, RawRecord) and found.answers == expected


@pytest.mark.parametrize(
    ("answer", "choices", "expected"),
    [
        (1, ["cat", "dog"], "dog"),
        (1.0, ["cat", "dog"], "dog"),
        ("B", ["cat", "dog"], "dog"),
        ("B", ["A", "B"], "B"),
        ("dog", ["cat", "dog"], "dog"),
        ("cow", ["cat", "dog"], "cow"),
        ("1", ["cat", "dog"], "1"),
        (["A", "A", "B"], "cat|dog", ("cat", "cat", "dog")),
        ("A", '["cat", "dog"]', "cat"),
        ("A", "['cat', 'dog']", "cat"),  # as pandas writes a list into a CSV
        (1, [2, 3.0], "3"),
        (True, ["yes", "no"], "yes"),
    ],
)
def test_an_answer_may_name_a_choice(answer: Any, choices: Any, expected: Any, tmp_path: Path) -> None:
    found = one_row(tmp_path, {**GOOD, "answer": answer, "options": choices})
    assert isinstance(found, RawRecord)
    assert found.answers == ((expected,) if isinstance(expected, str) else expected)


def test_a_number_in_csv_names_a_choice_too(tmp_path: Path) -> None:
    make_images(tmp_path)
    (tmp_path / "t.csv").write_text(
        "image,question,answer,choices\nphoto0.png,What?,1,cat|dog\nphoto0.png,What?,1,1|2\n"
        '"[""photo0.png"", ""photo1.png""]",What?,"[""a"", ""b""]",\nphoto0.png,What?,"[1, 2]",\n',
        encoding="utf-8",
    )
    found = records(tmp_path / "t.csv")
    assert [record.answers for record in found] == [("dog",), ("1",), ("a", "b"), ("[1, 2]",)]
    assert len(found[2].images) == 2


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        ({"answer": [["a"], "b"]}, "not text", "the answer is list"),
        ({"answer": [["a"]]}, "not text", "the answer is list: ['a']"),
        ({"answer": 2, "options": ["a", "b"]}, "answer is no choice", "the answer 2 names none of 2 choices"),
        ({"answer": "C", "options": ["a", "b"]}, "answer is no choice", "'C'"),
        ({"options": "cat"}, "malformed choices", "a list, or a text with |"),
        ({"options": {"a": 1}}, "malformed choices", "must be a list"),
        ({"options": ["cat", ""]}, "malformed choices", "each choice must be"),
        ({"question": ["What?"]}, "not text", "question is list"),
        ({"question": 3}, "not text", "question is int: 3"),
        ({"cot": {"a": 1}}, "not text", "chain is dict"),
        ({"cot": [{"step": "a"}]}, "malformed chain", "list of texts"),
        ({"type": ["a"]}, "not text", "question_type is list"),
        ({"id": "a/b"}, "malformed id", "separator of paths"),
        ({"id": "a\\b"}, "malformed id", "separator of paths"),
        ({"id": "a\0b"}, "malformed id", "NUL"),
        ({"id": "\ud83d"}, "malformed id", "half a character"),
        ({"id": "x" * 201}, "malformed id", "201 characters"),
        ({"id": 0.5}, "malformed id", "whole number"),
        ({"id": True}, "malformed id", "whole number"),
        ({"id": ["a"]}, "malformed id", "whole number"),
        ({"id": "\u200b"}, "missing id", "no visible character"),
        ({"id": None}, "missing id", "no id"),
        ({"image": "gone.png"}, "missing image", "gone.png"),
        ({"image": "../photo0.png"}, "image name is a path", "../photo0.png"),
        ({"image": "/etc/passwd"}, "image name is a path", "lies outside"),
        ({"image": "http://example.com/a.png"}, "image is a URL", "download the images first"),
        ({"image": {"bytes": None, "path": None}}, "missing image", "neither a path nor a content"),
        ({"image": {"bytes": [1, 2]}}, "malformed image", "must be a path"),
        ({"image": {"bytes": "t?xt"}}, "malformed image", "neither a path nor base64"),
        ({"image": "x y?" * 1000}, "missing image", "looked for"),
        ({"image": {"url": "a"}}, "malformed image", "must be a path"),
        ({"image": True}, "malformed image", "must be a path"),
        ({"image": "data:image/png;base64,%%%"}, "malformed image", "neither a path nor base64"),
        ({"image": "data:image/png,abc"}, "malformed image", "data:image/...;base64,..."),
        ({"image": ["photo0.png", "gone.png"]}, "missing image", "gone.png"),
    ],
)
def test_a_malformed_value_sets_its_record_aside(
    change: dict[str, Any], reason: str, says: str, tmp_path: Path
) -> None:
    found = one_row(tmp_path, {**GOOD, **change})
    assert isinstance(found, Rejection), found
    assert found.reason == reason and says in found.detail and len(found.detail) < 500
    assert found.place == Place(str(tmp_path / "data.jsonl"), 1)


def test_images_in_every_form(tmp_path: Path) -> None:
    make_images(tmp_path)
    content = (tmp_path / "photo1.png").read_bytes()
    written = base64.b64encode(content).decode()
    (tmp_path / "below").mkdir()
    Image.new("RGB", (600, 600)).save(tmp_path / "below/x.bmp")
    long = base64.b64encode((tmp_path / "below/x.bmp").read_bytes()).decode()  # longer than a path
    values = [
        ("photo1.png", tmp_path / "photo1.png"),
        ("photo1", tmp_path / "photo1.png"),
        ("below/x.bmp", tmp_path / "below/x.bmp"),
        (str(tmp_path / "photo1.png"), tmp_path / "photo1.png"),
        (f"data:image/png;base64,{written}", content),
        (long, (tmp_path / "below/x.bmp").read_bytes()),
        ({"bytes": None, "path": "photo1.png"}, tmp_path / "photo1.png"),
        ({"bytes": written}, content),
    ]
    file = write_jsonl(tmp_path / "t.jsonl", [{**GOOD, "image": value} for value, _ in values])
    assert [record.images for record in records(file)] == [(image,) for _, image in values]
    file = write_jsonl(tmp_path / "t.jsonl", [{**GOOD, "image": [value for value, _ in values]}])
    assert records(file)[0].images == tuple(image for _, image in values)


def test_whole_numbers_name_images_and_records(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "7.jpg")
    row = {
        "imageId": 7.0,
        "instruction": "Please answer based on the image content: Is it?",
        "answer": "yes",
        "qid": 3.0,
    }
    (found,) = records(write_jsonl(tmp_path / "t.jsonl", [row]))
    assert (found.id, found.images, found.question) == ("3", (tmp_path / "7.jpg",), "Is it?")


@pytest.mark.parametrize("change", [{"image": "a.mp4"}, {"image": ["b.MKV"]}, {"video": "a.mp4"}, {"videos": ["a"]}])
def test_videos_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.jsonl, line 1: .*videos are not supported"):
        one_row(tmp_path, {**GOOD, **change})


def test_an_empty_column_of_videos_is_none(tmp_path: Path) -> None:
    assert isinstance(one_row(tmp_path, {**GOOD, "videos": []}), RawRecord)


def test_ids_follow_from_the_content(tmp_path: Path) -> None:
    make_images(tmp_path)
    rows = [{**GOOD, "question": question} for question in ("a?", "b?", "a?", "c?", "a?")]
    before = [record.id for record in records(write_jsonl(tmp_path / "t.jsonl", rows))]
    assert [len(id) for id in before] == [16, 16, 18, 16, 18] and before[2] == f"{before[0]}-2"
    after = [record.id for record in records(write_jsonl(tmp_path / "t.jsonl", [{**GOOD, "question": "new?"}, *rows]))]
    assert after[1:] == before
    moved = tmp_path / "moved"
    make_images(moved)
    assert [record.id for record in records(write_jsonl(moved / "other.jsonl", rows))] == before


def test_a_chain_may_be_a_list_of_steps(tmp_path: Path) -> None:
    for chain in (["one", "two"], [{"text": "one"}, {"text": "two"}], "one\ntwo"):
        found = one_row(tmp_path, {**GOOD, "cot": chain})
        assert isinstance(found, RawRecord) and found.chain == "one\ntwo"


def test_extra_values_keep_their_types(tmp_path: Path) -> None:
    row = {**GOOD, "meta": {"boxes": [[1, 2]], "source": None}, "score": 0.5, "gap": float("nan")}
    found = one_row(tmp_path, row, columns={"extra": ["meta.boxes", "score", "gap"]})
    assert isinstance(found, RawRecord) and found.extra == {"meta.boxes": [[1, 2]], "score": 0.5}


def test_the_question_may_be_given(tmp_path: Path) -> None:
    found = one_row(tmp_path, {"image": "photo0.png", "label": "cat"}, question="What is shown?")
    assert isinstance(found, RawRecord) and (found.question, found.answers) == ("What is shown?", ("cat",))


def test_records_can_be_read_again(tmp_path: Path) -> None:
    make_images(tmp_path)
    file = write_jsonl(tmp_path / "t.jsonl", [GOOD, {**GOOD, "image": "gone"}, GOOD])
    assert read(file) == read(file) and json.dumps([record.id for record in read(file)])


def test_what_is_there_in_place_of_an_image_is_found_fast(tmp_path: Path) -> None:
    """A wrong folder of 70,000 images took 0.7 s per question."""
    (tmp_path / "photos").mkdir()
    for number in range(2000):
        (tmp_path / f"photos/{number:05d}.JPG").touch()
    rows = [{**GOOD, "image": f"n{number}.png"} for number in range(2000)] + [{**GOOD, "image": "00007.png"}]
    start = time.perf_counter()
    found = read(write_jsonl(tmp_path / "t.jsonl", rows), images=str(tmp_path / "photos"))
    assert time.perf_counter() - start < 5
    assert isinstance(found[0], Rejection) and isinstance(found[-1], Rejection)
    assert "none of its 2000 files has such a name; the first are 00000.JPG, 00001.JPG" in found[0].detail
    assert found[-1].detail.endswith("there is 00007.JPG")
