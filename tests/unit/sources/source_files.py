"""What the tests of several sources need: files and images to read, and the prepared records."""

import json
from pathlib import Path
from typing import Any

from PIL import Image

from reinforced_cot.data.examples import Example, read_examples
from reinforced_cot.data.records import RawRecord, Records, Rejection
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.preparation.prepare import prepare

HALF = "\ud83d"  # the first half of a character, which JSON can spell
BUDGET = PixelBudget(min_pixels=784, max_pixels=50176)


def write(file: Path, value: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return file


def draw_images(folder: Path, *names: str) -> Path:
    """A folder with one distinct image for each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (number % 256, number // 256, 9)).save(folder / name)
    return folder


def only(records: Records) -> RawRecord:
    """The one record that there is."""
    (record,) = records()
    assert isinstance(record, RawRecord), record
    return record


def rejection(records: Records) -> Rejection:
    """The one rejection that there is; a file can hold all of it."""
    (found,) = (record for record in records() if isinstance(record, Rejection))
    f"{found.id}{found.place}{found.reason}{found.detail}".encode()
    return found


def prepared(records: Records, folder: Path, max_rejected_share: float = 0.0) -> list[Example]:
    """The records as every later stage reads them."""
    prepare(records, BUDGET, folder, "train", max_rejected_share)
    return read_examples(folder / "train.jsonl")
