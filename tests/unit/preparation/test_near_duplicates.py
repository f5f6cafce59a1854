"""Another size, compression or brightness of an image is nearly the same image; another image is not."""

import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from reinforced_cot.data.examples import Example
from reinforced_cot.data.images import difference_hash
from reinforced_cot.errors import DataError
from reinforced_cot.files import write_json
from reinforced_cot.preparation.near_duplicates import near_duplicates
from reinforced_cot.preparation.split_checks import check


def picture(seed: int) -> Image.Image:
    """Random patches of colour with soft edges, as a photograph has."""
    small = Image.frombytes("RGB", (12, 9), random.Random(seed).randbytes(12 * 9 * 3))
    return small.resize((240, 180), Image.Resampling.BICUBIC)


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


ALIKE: dict[str, Callable[[Image.Image], Image.Image]] = {
    "the same": lambda image: image,
    "compressed": lambda image: as_jpeg(image, 20),
    "half the size": lambda image: image.resize((120, 90), Image.Resampling.BICUBIC),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "cut by a percent": lambda image: image.crop((2, 2, 238, 178)),
}
UNLIKE: dict[str, Callable[[Image.Image], Image.Image]] = {
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "upside down": lambda image: image.rotate(180),
    "cut by a third": lambda image: image.crop((40, 30, 200, 150)),
    "in other colours": lambda image: Image.merge("RGB", image.split()[::-1]),
    "of one colour": lambda image: Image.new("RGB", image.size, (120, 30, 30)),
}


def saved(folder: Path, images: dict[str, Image.Image]) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in images.items():
        image.save(folder / name)
    return {name: difference_hash(image) for name, image in images.items()}


@pytest.mark.parametrize("change", ALIKE)
def test_nearly_equal_images_are_found(tmp_path: Path, change: str) -> None:
    first = saved(tmp_path, {f"a{seed}.png": picture(seed) for seed in range(12)})
    second = saved(tmp_path, {"b.png": ALIKE[change](picture(7)), "c.png": picture(99)})
    assert near_duplicates(first, second, tmp_path) == [("a7.png", "b.png")]


@pytest.mark.parametrize("change", UNLIKE)
def test_other_images_are_not(tmp_path: Path, change: str) -> None:
    first = saved(tmp_path, {f"a{seed}.png": picture(seed) for seed in range(12)})
    assert near_duplicates(first, saved(tmp_path, {"b.png": UNLIKE[change](picture(7))}), tmp_path) == []


def test_images_of_one_colour_are_told_apart_by_nothing_but_their_content(tmp_path: Path) -> None:
    """Their hashes are equal, and there is nothing to correlate."""
    first = saved(tmp_path, {"a.png": Image.new("RGB", (60, 60), "red")})
    assert near_duplicates(first, saved(tmp_path, {"b.png": Image.new("RGB", (60, 60), "blue")}), tmp_path) == []


def test_no_images(tmp_path: Path) -> None:
    assert near_duplicates({}, {"a": "0" * 32}, tmp_path) == near_duplicates({"a": "0" * 32}, {}, tmp_path) == []


def splits(folder: Path) -> dict[str, list[Example]]:
    """Ten images of val, one of which is nearly that of train."""
    images = {"train": [picture(0)], "val": [as_jpeg(picture(0), 30), *map(picture, range(1, 10))]}
    examples = {}
    for split, shown in images.items():
        names = [f"images/{split}/{split}{number}.png" for number in range(len(shown))]
        (folder / "images" / split).mkdir(parents=True)
        hashes = saved(folder, dict(zip(names, shown, strict=True)))
        files = {name: {"difference_hash": digest} for name, digest in hashes.items()}
        write_json(folder / f"{split}.json", {"files": files})
        examples[split] = [
            Example(id=name, images=(name,), question="?", answers=("yes",), question_type="x") for name in names
        ]
    return examples


def test_they_are_in_the_summary(tmp_path: Path) -> None:
    summary = check(splits(tmp_path), {}, tmp_path, (), 0.1)
    pair = "images/train/train0.png and images/val/val0.png"
    assert summary["near_duplicates"] == {"train/val": {"images": 1, "pairs": [pair]}}


def test_too_many_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"1 of 10 images of split 'val' are nearly the same .*max_near_duplicate_share"
    ):
        check(splits(tmp_path), {}, tmp_path, (), 0.05)
