"""Parts of a source share no image, whatever its files are called and questions connect."""

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reinforced_cot.data.records import ImageSource, Place, RawRecord, Rejection
from reinforced_cot.errors import ConfigError, DataError
from reinforced_cot.sources.gqa_cot import read_gqa_cot
from reinforced_cot.sources.parts import in_part

PARTS = ((0.0, 0.5), (0.5, 0.8), (0.8, 1.0))


def files(folder: Path, count: int) -> list[Path]:
    """Images that differ."""
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", (8, 8), (number % 256, number // 256, 9)).save(path)
    return paths


def record(number: int, *images: ImageSource) -> RawRecord:
    return RawRecord(f"q{number}", Place("a.jsonl", number), images, "Is it red?", ("yes",))


def divided(records: list[Any], parts: Any = PARTS) -> list[list[str]]:
    """The ids in each part; a part without images is empty."""
    found = []
    for part in parts:
        try:
            found.append([one.id for one in in_part(lambda: iter(records), part, "a.jsonl")()])
        except DataError:
            found.append([])
    return found


def fraction(content: bytes) -> float:
    """Where a content stands between 0 and 1."""
    return int(hashlib.sha256(content).hexdigest(), 16) / 2**256


@pytest.mark.parametrize("part", [(0.5, 0.5), (0.7, 0.2), (-0.1, 0.5), (0.0, 1.1)])
def test_a_part_must_be_a_range(part: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        in_part(lambda: iter([]), part, "a.jsonl")


def test_no_part_is_all() -> None:
    def records() -> Any:
        return iter([])

    assert in_part(records, None, "a.jsonl") is records


def test_each_question_is_in_one_part_by_its_images_hash(tmp_path: Path) -> None:
    images = files(tmp_path, 40)
    records = [record(n, images[n % 40]) for n in range(120)]
    found = divided(records)
    assert sorted(id for part in found for id in part) == sorted(one.id for one in records)
    for (start, end), part in zip(PARTS, found, strict=True):
        assert part == [f"q{n}" for n in range(120) if start <= fraction(images[n % 40].read_bytes()) < end]
    assert min(map(len, found)) > 0


def test_an_image_keeps_its_part_when_others_are_added(tmp_path: Path) -> None:
    images = files(tmp_path, 40)
    few = divided([record(n, images[n]) for n in range(0, 40, 2)])
    many = divided([record(n, images[n]) for n in range(40)])
    assert all(set(a) <= set(b) for a, b in zip(few, many, strict=True))


def test_copies_stay_together_whatever_they_are_called(tmp_path: Path) -> None:
    images = files(tmp_path, 40)
    copies = [image.with_name(f"copy of {image.name}") for image in images]
    for image, copy in zip(images, copies, strict=True):
        copy.write_bytes(image.read_bytes())
    records = [record(n, image) for n, image in enumerate([*images, *copies])]
    records += [record(80 + n, image.read_bytes()) for n, image in enumerate(images)]  # and without a file
    for part in divided(records):
        numbers = {int(id[1:]) for id in part}
        assert {n % 40 for n in numbers} == {n for n in numbers if n < 40} and len(numbers) % 3 == 0


def test_connected_images_stay_together(tmp_path: Path) -> None:
    """By a chain of questions, and by copies under other names; with the first of their hashes."""
    images = files(tmp_path, 60)
    copies = [image.with_name(f"copy of {image.name}") for image in images]
    for image, copy in zip(images, copies, strict=True):
        copy.write_bytes(image.read_bytes())
    records = [record(n, image) for n, image in enumerate(images)]
    chains = [(n, n + 1, n + 2) for n in range(0, 60, 3)]  # two questions connect three images
    records += [record(100 + a, images[a], images[b]) for a, b, _ in chains]
    records += [record(200 + a, copies[b], copies[c]) for a, b, c in chains]
    parts = ((0.0, 0.2), (0.2, 0.4), (0.4, 1.0))
    found = divided(records, parts)
    place_of = {id: place for place, part in enumerate(found) for id in part}
    assert len(place_of) == len(records)
    for a, b, c in chains:
        ids = [f"q{a}", f"q{b}", f"q{c}", f"q{100 + a}", f"q{200 + a}"]
        first = min(fraction(images[n].read_bytes()) for n in (a, b, c))
        expected = next(place for place, (start, end) in enumerate(parts) if start <= first < end)
        assert {place_of[id] for id in ids} == {expected}
    assert all(found)


def test_records_without_an_image_are_in_one_part_by_their_place(tmp_path: Path) -> None:
    (image,) = files(tmp_path, 1)
    rejections = [Rejection(f"r{n}", Place("a.jsonl", n), "not text", "") for n in range(30)]
    gone = [record(n, tmp_path / f"gone {n}.png") for n in range(30)]
    records: list[Any] = [*rejections, *gone, *(record(100 + n, image) for n in range(30))]
    found = divided(records)
    assert sorted(id for part in found for id in part) == sorted(one.id for one in records)
    for (start, end), part in zip(PARTS, found, strict=True):
        assert [id for id in part if id.startswith("r")] == [
            f"r{n}" for n in range(30) if start <= fraction(f"a.jsonl, line {n}".encode()) < end
        ]
    assert all(found)


def test_a_part_without_images_is_refused_when_it_is_read(tmp_path: Path) -> None:
    images = files(tmp_path, 2)
    place = fraction(images[0].read_bytes())
    part = (place / 4, place / 2) if place > 0.5 else (0.5 + place / 2, 0.6 + place / 2)
    records = in_part(lambda: iter([record(n, images[0]) for n in range(3)]), part, "a.jsonl")
    with pytest.raises(DataError, match=r"a\.jsonl has 1 images, and none falls into part \["):
        list(records())


def test_records_that_name_no_image_hide_no_image_of_a_part(tmp_path: Path) -> None:
    """They are set aside later; here they count neither as an image nor as one that was missed."""
    (image,) = files(tmp_path, 1)
    place = fraction(image.read_bytes())
    part = (0.0, 0.5) if place < 0.5 else (0.5, 1.0)
    outside = next(n for n in range(99) if not part[0] <= fraction(f"a.jsonl, line {n}".encode()) < part[1])
    assert divided([record(1000, image), record(outside)], [part]) == [["q1000"]]


def test_images_in_memory_are_told_apart() -> None:
    """As generators and tables have them."""
    images = [Image.new("RGB", (8, 8), (number, 0, 9)) for number in range(20)]
    contents = []
    for image in images:
        buffer = BytesIO()
        image.save(buffer, "PNG")
        contents.append(buffer.getvalue())
    kinds: tuple[Any, ...] = (images, contents)
    for sources in kinds:
        found = divided([record(n, source) for n, source in enumerate(sources)], [(0.0, 0.5), (0.5, 1.0)])
        assert all(found) and sorted(id for part in found for id in part) == sorted(f"q{n}" for n in range(20))


def test_the_real_sample_is_divided(repo: Path) -> None:
    sample = repo.parent / "shared/data/gqa-cot-sample"
    if not sample.is_dir():
        pytest.skip(f"needs the sample {sample}")

    def records() -> Any:
        return read_gqa_cot(sample / "train_data.jsonl", sample / "images")

    parts = [list(in_part(records, part, "sample")()) for part in ((0.0, 0.7), (0.7, 1.0))]
    assert sum(map(len, parts)) == 498 and all(parts)
    shown = [{one.images for one in part if isinstance(one, RawRecord)} for part in parts]
    assert not shown[0] & shown[1]
