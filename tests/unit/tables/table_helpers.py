"""What the tests of tables share: ten records in many forms, and the reading of one file."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from reinforced_cot.data.records import RawRecord, Rejection
from reinforced_cot.sources.settings import Source
from reinforced_cot.sources.table import read_table

RECORDS: list[dict[str, Any]] = [
    {
        "id": f"q{number}",
        "image": f"photo{number % 4}.png",
        "question": question,
        "answer": answer,
        "cot": chain,
        "options": options,
    }
    for number, (question, answer, chain, options) in enumerate(
        [
            ("What is it?", "cat", "I look.\nIt is a cat.", ""),
            ('Which "word" is shown, left or right?', "None", "", ""),
            ("What number?", "007", "It says 007.", ""),
            ("Is it red?", "yes", "It is.", ""),
            ("Which one?", "dog", "", "cat|dog"),
            ("Which letter?", "B", "", "cat|dog|cow"),
            ("¿Qué es? 猫", "naïve café", "Two\n\nparagraphs, with commas", ""),
            ("How many?", "12.0", "", ""),
            ("NA?", "NA", "", ""),
            ("Is <image> bright?", "no", "", ""),
        ]
    )
]


def make_images(folder: Path, count: int = 4) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (32, 40), (60 * number, 10, 90)).save(folder / f"photo{number}.png")


def write_jsonl(path: Path, rows: Iterable[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path, split: str = "train", **keys: Any) -> list[RawRecord | Rejection]:
    """The records of one table."""
    return list(read_table(Source(source="table", file=str(path), **keys), split)())


def records(path: Path, **keys: Any) -> list[RawRecord]:
    """The records of a table without rejections."""
    found = read(path, **keys)
    assert all(isinstance(record, RawRecord) for record in found), found
    return [record for record in found if isinstance(record, RawRecord)]


def one_row(folder: Path, row: Any, **keys: Any) -> RawRecord | Rejection:
    """What becomes of one row of a JSONL file beside the images."""
    make_images(folder)
    (found,) = read(write_jsonl(folder / "data.jsonl", [row]), **keys)
    return found


GOOD = {"image": "photo0.png", "question": "What is it?", "answer": "cat"}
