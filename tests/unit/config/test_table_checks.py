"""What can be said of a table before anything runs is said at dry-run."""

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
from config_samples import COMMIT, changed, problems

from reinforced_cot.config.data_checks import missing_data
from reinforced_cot.config.validation import validated


def tables(**train: Any) -> dict[str, Any]:
    """Changes that read tables; ``train`` is that of the train split."""
    others = {split: {"file": f"{split}.csv"} for split in ("val", "test")}
    return changed({"data.source": "table", "data.splits": {"train": train, **others}})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for split in ("train", "val", "test"):
        Path(f"{split}.csv").write_text("image,question,answer\na,b,c\n")
    Path("mine.py").write_text("def record(row): ...\n")
    return tmp_path


@pytest.mark.parametrize(
    "train",
    [
        {"file": "train.csv"},
        {"file": "train.csv", "columns": {"answer": "answer", "id": "", "extra": ["image"]}},
        {"file": "train.csv", "convert": "mine:record"},
        {"file": "all.zip", "member": "train.csv", "images": "photos.zip"},
        {"file": "classes", "question": "What is shown?"},
        {"hub": "someone/data", "revision": COMMIT},
        {"hub": "someone/data", "revision": COMMIT, "hub_config": "a", "hub_split": "b", "images": "photos"},
    ],
)
def test_accepted(train: dict[str, Any]) -> None:
    assert problems(tables(**train)) == []


@pytest.mark.parametrize(
    ("train", "line"),
    [
        (
            {},
            "`data.splits.train.file` is missing; name the table, or a data set of the hub as `data.splits.train.hub`",
        ),
        ({"file": "a.csv", "hub": "a/b", "revision": COMMIT}, "`data.splits.train` has `file` and `hub`"),
        ({"hub": "a/b"}, "`data.splits.train.revision` is missing; give the commit of a/b"),
        ({"hub": "a/b", "revision": "main"}, "give the full commit hash (40 hexadecimal digits)"),
        ({"hub": "b", "revision": COMMIT}, '`data.splits.train.hub` is "b"; write it as owner/name'),
        (
            {"file": "a.csv", "revision": COMMIT},
            "`data.splits.train.revision` is only read with `data.splits.train.hub`",
        ),
        ({"file": "a.csv", "hub_split": "x"}, "`data.splits.train.hub_split` is only read with"),
        (
            {"file": "a.csv", "member": "x"},
            "`data.splits.train.member` is only read where `data.splits.train.file` is an",
        ),
        ({"file": "a.csv", "convert": "mine:rec"}, "names mine:rec; mine.py defines no function rec; it has record"),
        ({"file": "a.csv", "convert": "my:rec"}, "names my:rec; my.py does not exist; a conversion of your own is"),
        ({"file": "a.csv", "convert": "mine"}, '`data.splits.train.convert` is "mine"; write it as module:function'),
        (
            {"file": "a.csv", "convert": "mine:record", "columns": {"id": "x"}},
            "`data.splits.train.columns` is not read with `data.splits.train.convert`",
        ),
        (
            {"file": "a.csv", "columns": {"qestion": "x"}},
            "unknown key `data.splits.train.columns.qestion`; did you mean `question`?",
        ),
        ({"file": "a.csv", "columns": {"image": "x", "images": "x"}}, "has image and images, which are the same"),
        ({"file": "a.csv", "question": "?", "columns": {"question": "x"}}, "where `data.splits.train.question` gives"),
        ({"file": "a.csv", "columns": {"id": True}}, "`data.splits.train.columns.id` is true"),
        ({"file": "val.csv"}, "overlap, and both read val.csv"),
    ],
)
def test_refused(train: dict[str, Any], line: str) -> None:
    found = problems(tables(**train))
    assert len(found) == 1 and line in found[0], found


def test_splits_of_one_archive_or_of_one_data_set_are_told_apart() -> None:
    splits = {split: {"file": "a.zip", "member": f"{split}.csv"} for split in ("train", "val", "test")}
    assert problems(changed({"data.source": "table", "data.splits": splits})) == []
    splits["val"]["member"] = "test.csv"
    assert "overlap" in problems(changed({"data.source": "table", "data.splits": splits}))[0]
    of_hub: dict[str, Any] = {split: {"hub": "a/b", "revision": COMMIT} for split in splits}
    assert problems(changed({"data.source": "table", "data.splits": of_hub})) == []
    of_hub["train"]["hub_split"] = "validation"
    assert "both read a/b" in problems(changed({"data.source": "table", "data.splits": of_hub}))[0]


@pytest.mark.parametrize(
    ("train", "line"),
    [
        ({"file": "gone.csv"}, "`data.splits.train.file` is gone.csv, which does not exist"),
        ({"file": "mine.py"}, "`data.splits.train.file` is refused: mine.py has no suffix of a table"),
        ({"file": "empty"}, "`data.splits.train.file` is refused: empty holds neither a table"),
        ({"file": "classes"}, "a folder of images: give the question as `data.splits.train.question`"),
        (
            {"file": "train.csv", "columns": {"answer": "anser"}},
            "`data.splits.train.columns.answer` is anser, which train.csv does not have; did you mean answer?",
        ),
        ({"file": "train.csv", "columns": {"extra": ["size"]}}, "`data.splits.train.columns.extra` is size"),
        ({"file": "twice.csv"}, "the column 'a' occurs twice"),
        ({"file": "rows.jsonl"}, "`data.splits.train`: rows.jsonl: no column is known to hold answer; the columns are"),
        ({"file": "rows.jsonl", "columns": {"answer": "turns.1.value"}}, None),  # a later row may have it
        ({"file": "rows.parquet", "columns": {"answer": "turns.1"}}, None),
        (
            {"file": "rows.parquet", "columns": {"answer": "trns.1"}},
            "`data.splits.train.columns.answer` is trns.1, which rows.parquet does not have",
        ),
        ({"file": "rows.arrow"}, "rows.arrow: no column is known to hold answer"),
        ({"file": "broken.parquet"}, "broken.parquet cannot be read as parquet"),
        ({"file": "train.csv"}, None),
        ({"file": "classes", "question": "What?"}, None),
        ({"hub": "a/b", "revision": COMMIT}, None),
    ],
)
def test_files_are_looked_at(train: dict[str, Any], line: str | None, folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "classes/cat").mkdir(parents=True)
    (folder / "classes/cat/a.png").touch()
    (folder / "twice.csv").write_text("a,a\n")
    row = {"question": "Is it?", "image": "a.png", "turns": ["a", "b"]}
    (folder / "rows.jsonl").write_text(json.dumps(row))
    table = pyarrow.Table.from_pylist([row])
    pyarrow.parquet.write_table(table, folder / "rows.parquet")
    pyarrow.feather.write_feather(table, folder / "rows.arrow")
    (folder / "broken.parquet").write_bytes((folder / "rows.parquet").read_bytes()[:-9])
    found = list(missing_data(validated(tables(**train))))
    assert len(found) == (line is not None) and (line is None or line in found[0]), found
