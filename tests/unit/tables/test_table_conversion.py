"""A user's own function makes a record of each row. If it fails, the run stops and names the row."""

import logging
from pathlib import Path

import pytest
from table_helpers import GOOD, make_images, read, write_jsonl

from reinforced_cot.data.records import RawRecord, Rejection
from reinforced_cot.errors import DataError, PipelineError

ROWS = [{"q": "Is it red?", "a": 1}, {"q": "Is it?", "a": 0}, {"q": "", "a": 1}]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_images(tmp_path)
    return write_jsonl(tmp_path / "t.jsonl", ROWS)


def write(body: str) -> None:
    Path("mine.py").write_text(f"from PIL import Image\ndef record(row):\n    {body}\n", encoding="utf-8")


def test_a_record_is_made_of_a_row(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(
        "return None if not row['q'] else {'id': row['q'][-3:], 'question': row['q'], 'answer': bool(row['a']), "
        "'image': ['photo0.png', Image.new('RGB', (32, 32))], 'extra': {'n': row['a']}, 'choices': ['yes', 'no'], "
        "'chain': 'I look.'}"
    )
    with caplog.at_level(logging.INFO):
        first, second = read(file, convert="mine:record")
    assert isinstance(first, RawRecord) and isinstance(second, RawRecord)
    assert (first.id, first.question, first.answers, first.choices) == ("ed?", "Is it red?", ("yes",), ("yes", "no"))
    assert (second.answers, second.extra, second.chain, len(second.images)) == (("no",), {"n": 0}, "I look.", 2)
    assert caplog.text.count("mine:record left out 1 rows") == 1


def test_it_gets_the_file_of_the_row_if_it_takes_two_arguments(file: Path) -> None:
    Path("mine.py").write_text(
        "def record(row, file):\n    return {'question': file, 'answer': 'a', 'image': 'photo0.png'}\n"
    )
    found = read(file, convert="mine:record")
    assert [record.question for record in found if isinstance(record, RawRecord)] == [str(file)] * 3


@pytest.mark.parametrize(
    ("signature", "gets"),
    [
        ("row, file", True),
        ("row, path", True),
        ("row, file=None", True),
        ("row, cache={}", False),
        ("*rows", False),
        ("row, a, b", None),
        ("row, *, file", None),
        ("", None),
    ],
)
def test_only_a_second_parameter_that_must_be_given_gets_the_file(
    file: Path, signature: str, gets: bool | None
) -> None:
    named = next((name for name in ("file", "path") if name in signature), "0")
    body = f"return {{'question': str({named}), 'answer': 'a', 'image': 'photo0.png'}}"
    Path("mine.py").write_text(f"def record({signature}):\n    {body}\n")
    if gets is None:
        with pytest.raises(PipelineError, match=r"conversion mine:record must be def record\(row\) or \(row, file\)"):
            read(file, convert="mine:record")
    else:
        (first, *_) = read(file, convert="mine:record")
        assert isinstance(first, RawRecord) and first.question == (str(file) if gets else "0")


def test_its_values_are_checked_as_those_of_a_file(file: Path) -> None:
    write("return {'question': row['q'], 'answers': ['a'], 'images': 'gone.png'}")
    found = read(file, convert="mine:record")
    assert all(isinstance(record, Rejection) and record.reason == "missing image" for record in found)
    assert len({record.id for record in found}) == 3


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return row['nothing']", "raised KeyError: 'nothing' (mine.py, line 3)"),
        ("raise SystemExit('stop')", "raised SystemExit: stop (mine.py, line 3)"),
        ("return [row]", "must return a mapping or None, not ["),
        ("return {'qestion': 'a'}", "a record has no 'qestion'; did you mean question?"),
        ("return {'extra': 3}", "extra must be a mapping, not 3"),
    ],
)
def test_what_it_does_wrong_stops_the_run(body: str, says: str, file: Path) -> None:
    write(body)
    with pytest.raises(DataError) as refusal:
        read(file, convert="mine:record")
    assert str(refusal.value).startswith(f"conversion mine:record, {file}, line 1: ") and says in str(refusal.value)


def test_a_module_that_cannot_be_imported_is_named(file: Path) -> None:
    Path("mine.py").write_text("import nothing_of_this_name\ndef record(row): ...\n")
    with pytest.raises(PipelineError, match=r"conversion mine:record: mine\.py cannot be imported: ModuleNot"):
        read(file, convert="mine:record")
    with pytest.raises(PipelineError, match=r"conversion mine:rceord: mine\.py defines no function rceord"):
        read(file, convert="mine:rceord")


def test_the_table_need_not_have_known_columns(file: Path) -> None:
    write(f"return {GOOD!r}")
    assert len(read(file, convert="mine:record")) == 3
