"""An image is prepared once, and with the stock processor's result."""

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from tiny_run import TinyRun

from reinforced_cot.models.image_cache import remember_images
from reinforced_cot.models.processors import load_processor

SIZES = [(84, 56), (56, 112), (84, 56)]


@pytest.fixture
def images() -> list[Image.Image]:
    return [Image.effect_noise(size, 90).convert("RGB") for size in SIZES]


def prepared(processor: Any, images: list[Any]) -> Any:
    return processor(images=images, text=["<|image_pad|>"] * len(images), padding=True, return_tensors="pt")


@pytest.fixture
def calls(tiny_run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call of the stock processor prepares."""
    counts: list[int] = []
    kind: Any = type(load_processor(tiny_run.base / "model").image_processor)
    stock = kind._preprocess

    def counted(self: Any, images: Any, *args: Any, **options: Any) -> Any:
        counts.append(len(images))
        return stock(self, images, *args, **options)

    monkeypatch.setattr(kind, "_preprocess", counted)
    return counts


def test_the_result_is_that_of_the_stock_processor(tiny_run: TinyRun, images: list[Image.Image]) -> None:
    expected = prepared(load_processor(tiny_run.base / "model"), [*images, images[0]])
    processor = load_processor(tiny_run.base / "model")
    remember_images(processor, 8)
    for _ in range(2):
        actual = prepared(processor, [*images, images[0]])
        assert actual.keys() == expected.keys() and all(torch.equal(actual[name], expected[name]) for name in expected)
        assert isinstance(processor(images=images[:1], text=["<|image_pad|>"])["pixel_values"], numpy.ndarray)


def test_each_image_is_prepared_once(tiny_run: TinyRun, images: list[Image.Image], calls: list[int]) -> None:
    processor = load_processor(tiny_run.base / "model")
    remember_images(processor, 8)
    prepared(processor, [*images, *[image.copy() for image in images]])
    prepared(processor, images[::-1])
    assert calls == [1, 1, 1]
    images[0].putpixel((3, 3), (1, 2, 3))
    prepared(processor, images)
    assert calls == [1, 1, 1, 1]


def test_only_the_last_images_are_kept(tiny_run: TinyRun, images: list[Image.Image], calls: list[int]) -> None:
    processor = load_processor(tiny_run.base / "model")
    remember_images(processor, 2)
    for shown in (images[:1], images[1:2], images[2:], images[1:2], images[:1]):
        prepared(processor, shown)
    assert calls == [1, 1, 1, 1]  # the second was still there, the first was not


def test_a_processor_with_the_cache_is_saved_as_without(
    tiny_run: TinyRun, images: list[Image.Image], tmp_path: Path
) -> None:
    processor = load_processor(tiny_run.base / "model")
    processor.save_pretrained(tmp_path / "stock")
    remember_images(processor, 2)
    processor.save_pretrained(tmp_path / "own")
    for file in (tmp_path / "stock").iterdir():
        assert (tmp_path / "own" / file.name).read_bytes() == file.read_bytes()
