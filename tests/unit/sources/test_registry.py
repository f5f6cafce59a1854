"""A split from one source or several: which records it takes, and what they are called."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reinforced_cot.data.records import RawRecord, Rejection
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.errors import ConfigError, DataError
from reinforced_cot.sources.registry import read_split
from reinforced_cot.sources.settings import PreparedSplit, Source, source_names

DIGITS = {"source": "digits", "size": 3}


def photos(folder: Path, name: str, count: int = 10, shade: int = 0, **changes: Any) -> dict[str, Any]:
    """A source of questions about ``count`` images each of its own."""
    (folder / "images").mkdir(exist_ok=True, parents=True)
    lines = []
    for number in range(count):
        Image.new("RGB", (8, 8), (number, shade, 9)).save(folder / "images" / f"{name}{number}.png")
        lines.append(json.dumps({"imageId": f"{name}{number}", "instruction": "Is it red?", "answer": "no"}))
    (folder / f"{name}.jsonl").write_text("\n".join(lines))
    return {"source": "gqa_cot", "file": f"{folder}/{name}.jsonl", "images": f"{folder}/images", **changes}


def ids(*sources: dict[str, Any], split: str = "train", seed: int = 1) -> list[str]:
    stated = tuple(Source(**source) for source in sources)
    settings = PreparedSplit(seed=seed, image=PixelBudget(), digits=None, max_rejected_share=0.0, sources=stated)
    records = read_split(settings, split)
    found = [record.id for record in records()]
    assert found == [record.id for record in records()]  # it is read more than once
    return found


def test_one_source_keeps_its_ids(tmp_path: Path) -> None:
    assert ids(photos(tmp_path, "a", 3)) == ["a0-0", "a1-0", "a2-0"]
    assert len({*ids(DIGITS)}) == 3


def test_several_sources_follow_each_other_with_their_names(tmp_path: Path) -> None:
    a, b = photos(tmp_path, "a", 2), photos(tmp_path, "b", 1)
    assert ids(b, DIGITS, a) == ["b:b0-0", *(f"digits:{id}" for id in ids(DIGITS)), "a:a0-0", "a:a1-0"]


def test_sources_of_one_name_are_numbered(tmp_path: Path) -> None:
    first, second = photos(tmp_path / "x", "a", 1), photos(tmp_path / "y", "a", 1)
    assert ids(first, DIGITS, second)[::4] == ["a-1:a0-0", "a-2:a0-0"]
    assert source_names([Source(source="digits"), Source(file="b.jsonl"), Source(source="digits")]) == [
        "digits-1",
        "b",
        "digits-2",
    ]


def test_part_and_size_are_those_of_each_source(tmp_path: Path) -> None:
    a, b = photos(tmp_path, "a", 20), photos(tmp_path, "b", 20, shade=1)
    of_a = ids({**a, "part": (0.0, 0.5)})
    assert 0 < len(of_a) < 20 and sorted(of_a + ids({**a, "part": (0.5, 1.0)})) == sorted(ids(a))
    drawn = ids({**a, "part": (0.0, 0.5), "size": 0.5}, {**b, "size": 3})
    assert len(drawn) == round(len(of_a) / 2) + 3
    assert {id.removeprefix("a:") for id in drawn if id.startswith("a:")} <= {*of_a}
    assert [id.removeprefix("b:") for id in drawn if id.startswith("b:")] == ids({**b, "size": 3})
    with pytest.raises(DataError, match="20 questions, fewer than its size 21"):
        ids({**a, "size": 21}, b)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"source": "digits"}, "data.splits.val.size is None; digits are generated: set the number of questions"),
        ({"source": "digits", "size": 0.5}, r"data.splits.val.size is 0\.5; digits are generated"),
        ({"source": "gqa_cot", "images": "x"}, "source gqa_cot needs file"),
        ({}, "data.splits.val: source None is unknown; expected digits, gqa_cot"),
    ],
)
def test_a_source_that_says_too_little_is_refused(source: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ids(DIGITS, source, split="val")


def test_messages_and_places_name_an_archive_as_the_user_does(tmp_path: Path) -> None:
    source = photos(tmp_path, "a", 2)
    with open(tmp_path / "a.jsonl", "a") as file:
        file.write('\n{"imageId": "a7", "instruction": "Is it red?", "answer": "no"}')
    with zipfile.ZipFile(tmp_path / "cars.zip", "w") as archive:
        archive.write(tmp_path / "a.jsonl", "data/a.jsonl")
    shutil.make_archive(str(tmp_path / "photos"), "tar", tmp_path / "images")

    def records(member: str) -> list[RawRecord | Rejection]:
        packed = {**source, "file": f"{tmp_path}/cars.zip", "images": f"{tmp_path}/photos.tar", "member": member}
        sources = (Source(**packed),)
        settings = PreparedSplit(seed=1, image=PixelBudget(), digits=None, max_rejected_share=0.0, sources=sources)
        return list(read_split(settings, "train", tmp_path / "prepared")())

    first, _, rejected = records("data/a.jsonl")
    assert str(first.place) == f"{tmp_path}/cars.zip/data/a.jsonl, line 1"
    assert isinstance(rejected, Rejection) and f"in {tmp_path}/photos.tar; " in rejected.detail
    with zipfile.ZipFile(tmp_path / "cars.zip", "w") as archive:
        archive.writestr("data/a.jsonl", "\n[")
    with pytest.raises(DataError, match=f"^{tmp_path}/cars.zip/data/a.jsonl, line 2"):
        records("data/a.jsonl")
