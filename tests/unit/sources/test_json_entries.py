"""Entries come one by one, wherever a chunk of the file ends; a damaged file is refused by name and entry."""

import json
from pathlib import Path
from typing import Any

import pytest

from reinforced_cot.errors import DataError
from reinforced_cot.sources import json_entries
from reinforced_cot.sources.json_entries import first_character, read_entries, read_member

VALUES = [
    {"a": [1, 2.5, -3e2, True, None, "x\ty"], "b": {"c": {}}},
    'caf\u00e9 \U0001f600 \u2028 \\ " end',
    12345678901234567890,
    -0.125,
    1e10,
    [],
    {},
    False,
    "",
]


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "data.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 16, 1 << 20])
@pytest.mark.parametrize("ascii", [True, False])  # with escapes, and with the characters themselves
@pytest.mark.parametrize("indent", [None, 2])
def test_entries_are_those_of_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, ascii: bool, indent: int | None
) -> None:
    monkeypatch.setattr(json_entries, "_CHUNK", chunk)
    array = written(tmp_path, json.dumps(VALUES, ensure_ascii=ascii, indent=indent))
    assert list(read_entries(array)) == [(number, None, value) for number, value in enumerate(VALUES, start=1)]
    named = {f"k{number}\u00e9": value for number, value in enumerate(VALUES)}
    file = written(tmp_path, json.dumps(named, ensure_ascii=ascii, indent=indent))
    assert list(read_entries(file)) == [(n, key, value) for n, (key, value) in enumerate(named.items(), start=1)]
    nested = {"info": {"a": [1]}, "rows": VALUES, "year": 12, "more": [[1], [2]]}
    file = written(tmp_path, json.dumps(nested, ensure_ascii=ascii, indent=indent))
    assert [entry.value for entry in read_entries(file, within="rows")] == VALUES
    assert (read_member(file, "year"), read_member(file, "none")) == (12, None)


@pytest.mark.parametrize("text", ["[]", "{}", " [ ] \n", "\ufeff[]\r\n"])
def test_a_file_may_have_no_entries(tmp_path: Path, text: str) -> None:
    assert list(read_entries(written(tmp_path, text))) == []


@pytest.mark.parametrize("chunk", [1, 4, 1 << 20])
def test_a_file_that_ends_anywhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(json_entries, "_CHUNK", chunk)
    whole = json.dumps({"first": {"a": [1, "x\u00e9"]}, "second": True})
    for end in range(len(whole)):
        with pytest.raises(DataError, match=r"data\.json.*truncated"):
            list(read_entries(written(tmp_path, whole[:end])))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "b": {"c": 1', r"ends within entry 2 \('b'\); is it truncated\? Get the file again"),
        ('[{"a": 1}, {"a": "text', "ends within entry 2; is it truncated"),
        ("[1, 2", "ends within entry 2"),
        ("", "ends within the array or object"),
        ("[1, nonsense, 2]", r"entry 2: not valid JSON \(Expecting value at 'nonsense, 2\]'"),
        ("[1, 2,]", "entry 3: not valid JSON"),
        ("[1 2]", "entry 1: not valid JSON .expected , or ]"),
        ('{"a" 1}', "entry 1: not valid JSON .expected :"),
        ("{1: 2}", "entry 1: not valid JSON"),
        ('{"a": "line\nbreak"}', "entry 1 .'a'.: not valid JSON .Invalid control character"),
        ("[1] [2]", "there is more text"),
        ('"a text"', r"expected \{ or \["),
        ("<html>", r"expected \{ or \["),
        ('[1, "' + "\\uZZZZ" + "x" * 100 + '"]', "entry 2: not valid JSON"),
        ("[" * 100_000 + "]" * 100_000, "entry 1: not readable as JSON"),
        (f"[{'1' * 5000}]", "entry 1: not readable as JSON"),
        (b'["\xff\xfe"]', "is not UTF-8 text"),
    ],
)
def test_what_is_no_json_is_refused(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as error:
        list(read_entries(written(tmp_path, text)))
    assert str(tmp_path / "data.json") in str(error.value) and "\n" not in str(error.value)


def test_a_missing_key_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    file = written(tmp_path, '{"info": {}, "annotations": []}')
    with pytest.raises(DataError, match=r"has no key 'questions'; it has 'info', 'annotations'\. Is it the right file"):
        list(read_entries(file, within="questions"))
    with pytest.raises(DataError, match="the array or object of 'info'"):
        list(read_entries(written(tmp_path, '{"info": 3}'), within="info"))


@pytest.mark.parametrize("read", [lambda path: list(read_entries(path)), first_character])
def test_a_file_that_cannot_be_read(tmp_path: Path, read: Any) -> None:
    with pytest.raises(DataError, match=r"none\.json does not exist"):
        read(tmp_path / "none.json")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read(tmp_path)


def test_an_entry_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_entries, "_CHUNK", 16)
    monkeypatch.setattr(json_entries, "_LONGEST", 1000)
    with pytest.raises(DataError, match="entry 2: longer than 1000 characters"):
        list(read_entries(written(tmp_path, '[1, "' + "x" * 100_000)))


def test_a_fault_is_found_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not make the reader take the rest of the file for the end of a long entry."""
    monkeypatch.setattr(json_entries, "_CHUNK", 64)
    file = written(tmp_path, '[{"a": 1 "b": 2}, ' + "1, " * 100_000 + "1]")
    with pytest.raises(DataError, match="entry 1: not valid JSON"):
        list(read_entries(file))


def test_the_place_of_an_entry(tmp_path: Path) -> None:
    file = written(tmp_path, '{"07": 1, "": 2, "\\ud83d": 3}')
    assert [str(entry.place(file)) for entry in read_entries(file)] == [f"{file}, entry {n}" for n in ("07", "2", "3")]
