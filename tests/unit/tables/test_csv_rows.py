"""Values stay texts, and the delimiter is what the first line has."""

from pathlib import Path

import pytest

from reinforced_cot.errors import DataError
from reinforced_cot.tables.csv_rows import csv_rows, header_of


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "q,a\nIs it; red?,yes\n", {"q": "Is it; red?", "a": "yes"}),
        ("a.csv", "q;a\nIs it, now, red?;yes\n", {"q": "Is it, now, red?", "a": "yes"}),
        ("a.csv", '\ufeff"q";"a"\r\n"Is ""it""; red?";"007"\r\n', {"q": 'Is "it"; red?', "a": "007"}),
        ("a.csv", "q\ta\nIs it?\tNone\n", {"q": "Is it?", "a": "None"}),
        ("a.tsv", "q;x\ta\nIs it?\tyes\n", {"q;x": "Is it?", "a": "yes"}),
        ("a.csv", "q\nIs it?\n", {"q": "Is it?"}),
        ("a.csv", 'q;"a, b"\nIs it?;yes\n', {"q": "Is it?", "a, b": "yes"}),
        ("a.csv", "q,a,,\nIs it?,yes,,\n", {"q": "Is it?", "a": "yes"}),  # columns without a name
    ],
)
def test_rows(tmp_path: Path, name: str, text: str, expected: dict[str, str]) -> None:
    (tmp_path / name).write_bytes(text.encode())
    assert list(csv_rows(tmp_path / name)) == [(2, expected)]
    assert header_of(tmp_path / name) == list(expected)


def test_a_line_that_names_the_delimiter(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sep=;\nq;a\nIs it, now?;yes\nshort\n")
    first, (line, fault) = csv_rows(tmp_path / "a.csv")
    assert first == (3, {"q": "Is it, now?", "a": "yes"}) and line == 4 and "the row has 1 fields" in str(fault)


def test_line_ends_of_cr_alone(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"q,a\rIs it?,yes\r")
    with pytest.raises(DataError, match="its lines end in CR alone: save it with LF"):
        list(csv_rows(tmp_path / "a.csv"))


def test_another_encoding_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("q,a\nIst es grün?,ja\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"a\.csv, line 2: not UTF-8 text .*; save the file in UTF-8"):
        list(csv_rows(tmp_path / "a.csv"))
