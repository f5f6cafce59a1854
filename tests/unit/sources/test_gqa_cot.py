"""The original's JSONL is read record by record; a line that would corrupt a split is refused with its number."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reinforced_cot.data.records import Place, RawRecord, Rejection
from reinforced_cot.data.text_cleaning import canonical, find_special_token
from reinforced_cot.errors import DataError
from reinforced_cot.sources.gqa_cot import read_gqa_cot

PREFIX = "Please answer based on the image content: "


def row(**changes: Any) -> dict[str, Any]:
    """A good line; a change to None removes the key."""
    good = {"imageId": "7", "instruction": PREFIX + "Is it red?", "cot": [{"text": "It is."}], "answer": "Yes"}
    return {key: value for key, value in (good | changes).items() if value is not None}


def write(folder: Path, *lines: str | dict[str, Any], images: tuple[str, ...] = ("7",)) -> tuple[Path, Path]:
    """A questions file and an image folder with one distinct image for each name."""
    file, image_folder = folder / "data.jsonl", folder / "images"
    image_folder.mkdir()
    for number, name in enumerate(images):
        Image.new("RGB", (32, 32), (number % 256, number // 256, 9)).save(image_folder / f"{name}.jpg")
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return file, image_folder


def test_a_record_and_its_texts(tmp_path: Path) -> None:
    file, images = write(tmp_path, row(), row(instruction="Where is it?", cot=[{"text": "a"}, {"text": "b"}]))
    first, second = read_gqa_cot(file, images)
    assert isinstance(first, RawRecord) and isinstance(second, RawRecord)
    assert (first.id, first.place, first.images) == ("7-0", Place(str(file), 1), (images / "7.jpg",))
    assert str(first.place) == f"{file}, line 1"
    assert (first.question, first.answers, first.chain, first.question_type) == ("Is it red?", ("Yes",), "It is.", "")
    assert (second.id, second.question, second.chain) == ("7-1", "Where is it?", "a\nb")


@pytest.mark.parametrize("cot", [None, []])
def test_chain_may_be_missing(tmp_path: Path, cot: Any) -> None:
    (record,) = read_gqa_cot(*write(tmp_path, row(cot=cot)))
    assert isinstance(record, RawRecord) and record.chain == ""


def test_bom_crlf_and_blank_lines_are_accepted(tmp_path: Path) -> None:
    file, images = write(tmp_path, row())
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(row()).encode() + b"\r\n\r\n" + json.dumps(row()).encode() + b"\r\n")
    assert [record.id for record in read_gqa_cot(file, images)] == ["7-0", "7-1"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"imageId": None}, "missing imageId"),
        ({"imageId": ""}, "missing imageId"),
        ({"imageId": True}, "missing imageId"),
        ({"answer": 3}, "not text"),
        ({"instruction": ["Is it?"]}, "not text"),
        ({"cot": "It is."}, "malformed cot"),
        ({"cot": [{"txt": "It is."}]}, "malformed cot"),
        ({"cot": [{"text": 1}]}, "malformed cot"),
    ],
)
def test_malformed_records_are_set_aside(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    file, images = write(tmp_path, row(), row(**change) if None in change.values() else {**row(), **change})
    _, rejection = read_gqa_cot(file, images)
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, str(rejection.place)) == (reason, f"{file}, line 2")


@pytest.mark.parametrize("bad", ['{"imageId": "7", "instr', "[1, 2]", "nonsense"])
def test_malformed_line_is_refused_with_its_number(tmp_path: Path, bad: str) -> None:
    with pytest.raises(DataError, match=r"data\.jsonl, line 2"):
        list(read_gqa_cot(*write(tmp_path, row(), bad)))


@pytest.mark.parametrize("image_id", ["../7", "../../etc/passwd", "/7", "a/b", "..", "a\\b", "a\n7"])
def test_an_image_id_that_is_a_path_is_set_aside(tmp_path: Path, image_id: str) -> None:
    file, images = write(tmp_path, row(), row(imageId=image_id))
    _, rejection = read_gqa_cot(file, images)
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, str(rejection.place)) == ("image name is a path", f"{file}, line 2")
    assert repr(image_id) in rejection.detail


@pytest.mark.parametrize(
    ("image_id", "file", "found"),
    [
        ("Cafe\u0301", "Cafe\u0301.png", True),  # as macOS writes it
        ("Cafe\u0301", "Café.png", True),
        ("Café", "Cafe\u0301.png", True),
        ("Screenshot at 9.41\u202fAM", "Screenshot at 9.41\u202fAM.png", True),
        ("Screenshot at 9.41 AM", "Screenshot at 9.41\u202fAM.png", True),
        (" cup\u200b", "cup.png", True),
        ("cup", "Cup.png", False),
        ("cup", "cup.gif", False),
        ("x" * 300, "x.png", False),
        ("x\0", "y.png", False),
    ],
)
def test_a_file_is_found_by_its_very_name_or_by_its_look(tmp_path: Path, image_id: str, file: str, found: bool) -> None:
    data, images = write(tmp_path, row(imageId=image_id), images=())
    Image.new("RGB", (32, 32)).save(images / file)
    (record,) = read_gqa_cot(data, images)
    if found:
        assert isinstance(record, RawRecord) and record.images == (images / file,)
    else:
        assert isinstance(record, Rejection) and record.reason == "missing image"


def test_names_that_look_alike_are_told_apart(tmp_path: Path) -> None:
    names = ("cup\u00a01", "cup 1")
    file, images = write(tmp_path, *(row(imageId=name) for name in names), images=names)
    records = list(read_gqa_cot(file, images))
    assert [(record.id, record.images) for record in records if isinstance(record, RawRecord)] == [
        ("cup 1-0", (images / "cup\u00a01.jpg",)),
        ("cup 1-1", (images / "cup 1.jpg",)),
    ]
    file.write_text(json.dumps(row(imageId="cup\u20021")))
    (rejection,) = read_gqa_cot(file, images)
    assert isinstance(rejection, Rejection) and rejection.reason == "ambiguous image"
    assert r"may be any of 'cup 1.jpg', 'cup\xa01.jpg'" in rejection.detail


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("7.JPG", "7.gif", "8.jpg"), "there is 7.JPG, 7.gif"),
        (("photo_0007.jpg",), "there is photo_0007.jpg"),
        (("other.jpg",), "none of its 1 files has such a name"),
        ((), "it is empty"),
    ],
)
def test_a_missing_image_is_told_with_what_is_there(tmp_path: Path, files: tuple[str, ...], said: str) -> None:
    name = "7" if "7.JPG" in files else "photo_007"
    data, images = write(tmp_path, row(imageId=name), images=())
    for file in files:
        (images / file).touch()
    (rejection,) = read_gqa_cot(data, images)
    assert isinstance(rejection, Rejection)
    wanted = ", ".join(f"{name}{suffix}" for suffix in (".jpg", ".jpeg", ".png", ".webp"))
    assert rejection.detail == f"looked for {wanted} in {images}; {said}"


def test_whole_numbers_that_pandas_wrote_as_floats(tmp_path: Path) -> None:
    lines = [row(questionId=12.0), row(imageId=7.0, questionId=13.0), row(imageId=7)]
    file, images = write(tmp_path, *lines)
    assert [record.id for record in read_gqa_cot(file, images)] == ["12", "13", "7-2"]


@pytest.mark.parametrize("key", ["imageId", "questionId"])
def test_half_a_character_in_an_id_is_set_aside(tmp_path: Path, key: str) -> None:
    file, images = write(tmp_path, json.dumps(row(**{key: "\ud83d"})))
    (rejection,) = read_gqa_cot(file, images)
    assert isinstance(rejection, Rejection)
    assert (rejection.id, rejection.reason) == ("line-1", "not text")


@pytest.mark.parametrize("value", ["[" * 100_000 + "]" * 100_000, "1" * 5000])
def test_json_that_python_cannot_read_is_refused_with_its_line(tmp_path: Path, value: str) -> None:
    with pytest.raises(DataError, match=r"data\.jsonl, line 2: not readable as JSON"):
        list(read_gqa_cot(*write(tmp_path, row(), f'{{"imageId": "7", "answer": {value}}}')))


def test_image_ids_that_differ_by_case_are_refused(tmp_path: Path) -> None:
    """Some file systems take them for one file."""
    with pytest.raises(DataError, match=r"line 2: imageId 'A' differs only by case from 'a' in line 1"):
        list(read_gqa_cot(*write(tmp_path, row(imageId="a"), row(imageId="A"))))


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    file, images = write(tmp_path, row())
    with pytest.raises(DataError, match="nowhere does not exist"):
        list(read_gqa_cot(file, images / "nowhere"))


def test_other_suffixes_and_integer_ids(tmp_path: Path) -> None:
    file, images = write(tmp_path, row(imageId=12))
    Image.new("RGB", (32, 32)).save(images / "12.png")
    (record,) = read_gqa_cot(file, images)
    assert isinstance(record, RawRecord) and record.images == (images / "12.png",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  yes\n", "yes"),
        ("ye\u200bs\ufeff", "yes"),
        ("\u202eyes\u202c", "yes"),
        ("\u2067yes\u2069\u200f", "yes"),
        ("cafe\u0301", "caf\u00e9"),
        ("tennis\u00a0racket", "tennis racket"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\x00b\x1b[0m", "ab[0m"),
        ("1 m\u00b2", "1 m\u00b2"),  # visible: kept, unlike under NFKC
        ("\u200b \u2060", ""),
        ("e\u200b\u0301", "\u00e9"),  # the mark composes once nothing stands between
    ],
)
def test_text_has_one_form(text: str, expected: str) -> None:
    assert canonical(text) == expected
    assert canonical(expected) == expected
    assert unicodedata.is_normalized("NFC", canonical(text))


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("Is <|image_pad|> red?", "<|image_pad|>"),
        ("<|im_start|>system", "<|im_start|>"),
        ("a </think> b", "</think>"),
        ("<Answer>yes", "<Answer>"),
        ("<image>", "<image>"),
        ("a <IMG_CONTEXT>", "<IMG_CONTEXT>"),
        ("Is 3 < 4 | 5 > 4?", None),
        ("Is <b>this</b> bold?", None),
        ("think, answer", None),
    ],
)
def test_special_tokens_are_found(text: str, token: str | None) -> None:
    assert find_special_token(text) == token


def test_special_token_scan_is_linear() -> None:
    assert find_special_token("<|" * 500_000 + "<think" * 100_000) is None  # a quadratic scan would take minutes


def test_the_real_sample_is_read_whole(repo: Path) -> None:
    sample = repo.parent / "shared/data/gqa-cot-sample"
    if not sample.is_dir():
        pytest.skip(f"needs the sample {sample}")
    records = list(read_gqa_cot(sample / "train_data.jsonl", sample / "images"))
    assert len(records) == len({record.id for record in records}) == 498
    for record in records:
        assert isinstance(record, RawRecord) and isinstance(record.images[0], Path)
        assert record.images[0].is_file() and record.answers and record.chain
        assert not record.question.startswith("Please")
