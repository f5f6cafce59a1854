"""A file that is no table is refused with its line or row; a row that is broken is set aside alone."""

import json
from pathlib import Path
from typing import Any

import pytest
from table_helpers import GOOD, make_images, read, records, write_jsonl

from reinforced_cot.data.records import RawRecord, Rejection
from reinforced_cot.errors import ConfigError, DataError
from reinforced_cot.sources.settings import Source
from reinforced_cot.tables import json_entries
from reinforced_cot.tables.json_entries import json_rows

HEAD = "id,image,question,answer\n"
ROW = "1,photo0.png,What?,cat\n"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.jsonl", '{"a": 1}\n{"a": ', "line 2: not valid JSON"),
        ("t.jsonl", "7\n", "line 1: expected a JSON object, found int"),
        ("t.jsonl", b'{"a": "\xff"}\n', "line 1: not UTF-8"),
        ("t.json", "", "is empty"),
        ("t.json", "cat", "line 1, the array or object: not valid JSON (expected { or [ at 'cat')"),
        ("t.json", '[\n{"a": 1},\n{"a": ', "t.json ends within entry 2; is it truncated"),
        ("t.json", '[\n{"a": 1}\n{"a": 2}]', "line 3, entry 1: not valid JSON (expected , or ] at '{"),
        ("t.json", '[\n{"a": 1},\n7]', "entry 2: expected a JSON object, found int"),
        (
            "t.json",
            '[{"a": 1}]\n[{"a": 2}]',
            "line 2, after the end of the JSON value: not valid JSON",
        ),
        ("t.json", '[\n{"a": nul}]', "line 2, entry 1: not valid JSON (Expecting value at 'nul"),
        ("t.json", b'[{"a": "\xff"}]', "not UTF-8"),
        ("t.json", '{"a": 1, "b": [1, 2]}', "no column is known"),
        ("t.json", '{\n"a": 1, "b": [1, 2]\n}', "none of its keys a, b has a list of records"),
        ("t.json", '{"a": [{"x": 1}],\n "b": [{"x": 1}]}', "has two lists of records, 'a' and 'b'"),
        ("t.json", "{\n}", "holds no record"),
        ("t.json", '{\n"a": [{"x": 1}]\n', "t.json ends within entry 1; is it truncated"),
        ("t.json", "[" * 100_000, "line 1, entry 1: not readable as JSON"),
        (
            "t.csv",
            "cars/1.JPG,Is it red?,yes\n",
            "line 1: 'cars/1.JPG' looks like an image",
        ),
        ("t.csv", "", "has no header"),
        ("t.csv", "\n\n", "has no header"),
        ("t.csv", "a,b,a\n", "the column 'a' occurs twice"),
        ("t.csv", HEAD, "has no row"),
        ("t.csv", HEAD + ROW + '2,"photo0.png,What?,cat\n', "line 3: unexpected end of data; is a quote"),
        ("t.csv", HEAD + '1,"photo"0.png,What?,cat\n', "line 2: "),
        ("t.csv", HEAD.encode() + b"1,photo0.png,\xff,cat\n", "line 2: not UTF-8"),
        ("t.parquet", "PAR1 no", "cannot be read as parquet"),
        ("t.parquet", "", "cannot be read as parquet"),
        ("t.arrow", "ARROW1 no", "cannot be read as arrow"),
        ("t.arrow", "", "cannot be read as arrow"),
        ("t.feather", "FEA1....", "Feather of version 1"),
        ("t.xlsx", "", "no suffix of a table; expected .jsonl"),
    ],
)
def test_a_file_that_is_no_table_is_refused(name: str, content: str | bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as refusal:
        read(file)
    assert says in str(refusal.value) and str(file) in str(refusal.value)


def test_a_row_with_another_number_of_fields_is_set_aside(tmp_path: Path) -> None:
    make_images(tmp_path)
    text = (
        HEAD
        + '1,photo0.png,"What,\nor ""who""?",cat\n\n2,photo0.png,cat\n3,photo0.png,What?,cat,dog\n4,photo0.png,W?,NA\n'
    )
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    first, few, many, last = read(tmp_path / "t.csv")
    assert isinstance(first, RawRecord) and isinstance(last, RawRecord)
    assert (first.question, first.place.line, last.answers, last.place.line) == ('What,\r\nor "who"?', 2, ("NA",), 7)
    for rejection, count, line in ((few, 3, 5), (many, 5, 6)):
        assert isinstance(rejection, Rejection) and rejection.reason == "malformed row"
        assert f"has {count} fields, and the header 4" in rejection.detail and rejection.place.line == line
    assert few.id != many.id


def test_a_long_field_of_csv_is_read(tmp_path: Path) -> None:
    make_images(tmp_path)
    (tmp_path / "t.csv").write_text(f"image,question,answer,cot\nphoto0.png,What?,cat,{'x' * 200_000}\n")
    assert len(records(tmp_path / "t.csv")[0].chain) == 200_000


def test_a_record_of_a_json_list_is_named_by_its_number(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    file.write_text('\n[\n{"a":\n"x\\ny"}, {"a": 2},\n\n{"a": 3}\n]\n')
    assert [(str(place), row) for place, row in json_rows(file)] == [
        (f"{file}, entry 1", {"a": "x\ny"}),
        (f"{file}, entry 2", {"a": 2}),
        (f"{file}, entry 3", {"a": 3}),
    ]


def test_lines_of_json_may_be_lists(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text('["What is it?", "cat"]\n\n["Is it?", "no"]\n7\n')
    rows = json_rows(file)
    assert next(rows)[1] == {"0": "What is it?", "1": "cat"} and str(next(rows)[0]) == f"{file}, line 3"
    with pytest.raises(DataError, match=r"t\.jsonl, line 4: expected a JSON object, found int"):
        next(rows)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_a_json_file_may_be_cut_anywhere_between_readings(
    size: int, indent: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"number": number, "text": 'é猫😀 "\\\n[{', "list": [1.5, None, True]} for number in (-12345, 0, 10**12)]
    file = tmp_path / "t.json"
    for content in (rows, {"info": {"a": [0]}, "none": [], "numbers": [1, 2], "data": rows, "end": 12345}):
        file.write_text(json.dumps(content, indent=indent), encoding="utf-8")
        expected = list(json_rows(file))
        assert [row for _, row in expected] == rows
        with monkeypatch.context() as patch:
            patch.setattr(json_entries, "_CHUNK", size)
            assert list(json_rows(file)) == expected


def test_one_record_on_one_line_is_a_record(tmp_path: Path) -> None:
    make_images(tmp_path)
    (tmp_path / "t.json").write_text(json.dumps({**GOOD, "answers": [{"answer": "a"}], "answer": "cat"}) + "\n")
    with pytest.raises(DataError):  # its list of answers looks as a list of records does
        read(tmp_path / "t.json")
    (tmp_path / "t.json").write_text(json.dumps(GOOD))
    assert len(records(tmp_path / "t.json")) == 1


def test_types_of_parquet(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    make_images(tmp_path)
    table = pyarrow.table(
        {
            "image": ["photo0.png"] * 3,
            "question": pyarrow.array(["a?", "b?", "c?"]).dictionary_encode(),
            "answer": pyarrow.array([0.1, 12, None], pyarrow.float32()),
            "index": pyarrow.array([1, 2, 3], pyarrow.int16()),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    found = records(tmp_path / "t.parquet")
    assert [record.answers for record in found] == [("0.1",), ("12",), ()]
    assert [record.id for record in found] == ["1", "2", "3"]
    assert str(found[2].place) == f"{tmp_path}/t.parquet, row 3"


def test_classes_of_the_datasets_library_become_names(tmp_path: Path) -> None:
    import datasets

    make_images(tmp_path)
    features = datasets.Features(
        {"image": datasets.Value("string"), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    data = datasets.Dataset.from_dict({"image": ["photo0.png"] * 3, "label": [1, 0, -1]}, features=features)
    data.to_parquet(str(tmp_path / "t.parquet"))
    found = records(tmp_path / "t.parquet", question="What?")
    assert [record.answers for record in found] == [("dog",), ("cat",), ()]


def folder_of(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["a.jsonl", "b.csv"], "files of several formats (.csv, .jsonl)"),
        (["README.md"], "holds neither a table"),
        (["metadata.csv", "metadata.jsonl"], "metadata.csv and metadata.jsonl: keep one"),
        (["state.json"], "does not list the files of a saved data set"),
        (["dataset_dict.json", "train/state.json", "test/state.json"], "name the folder of one below it (test, train)"),
    ],
)
def test_a_folder_that_is_no_table_is_refused(names: list[str], says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refusal:
        read(folder_of(tmp_path / "data", *names))
    assert says in str(refusal.value)


def test_what_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv does not exist"):
        read(tmp_path / "t.csv")
    with pytest.raises(DataError, match=r"image folder .* does not exist"):
        read(write_jsonl(tmp_path / "t.jsonl", [GOOD]), images=str(tmp_path / "gone"))


def test_a_folder_of_images_has_its_own_images(tmp_path: Path) -> None:
    make_images(tmp_path / "cat")
    with pytest.raises(ConfigError, match=r"remove `images`"):
        read(tmp_path, images=str(tmp_path), question="What?")


@pytest.mark.parametrize(
    ("keys", "files", "folders"),
    [
        ({"file": "t.csv"}, ["t.csv"], []),
        ({"file": "t.csv", "images": "photos"}, ["t.csv"], ["photos"]),
        ({"file": "t.zip", "images": "p.tar"}, ["t.zip", "p.tar"], []),
        ({"file": "chunks"}, ["chunks/a.jsonl", "chunks/b.jsonl"], ["chunks"]),
        ({"file": "chunks", "images": "photos"}, ["chunks/a.jsonl", "chunks/b.jsonl"], ["photos"]),
        ({"file": "classes"}, [], ["classes"]),
        ({"hub": "a/b"}, [], []),
    ],
)
def test_what_a_workflow_watches(
    keys: dict[str, Any], files: list[str], folders: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path, "chunks/b.jsonl", "chunks/a.jsonl", "classes/cat/1.png", "t.csv")
    source = Source(source="table", **keys)
    assert (source.read_files, source.image_folders) == (files, folders)
