"""Data on which results would be meaningless is refused before training; all other data is described."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reinforced_cot.data.examples import Example
from reinforced_cot.errors import DataError
from reinforced_cot.preparation.split_checks import check


def example(split: str, number: int, **changes: Any) -> Example:
    group = f"{split}{number:03d}"
    image = f"images/{split}/{group}.png"
    one = Example(f"{group}-0", (image,), "Is it red?", ("yes",), "verify", chain="It is so.", group=group)
    return replace(one, **changes)


def put_images(folder: Path, splits: dict[str, list[Example]]) -> None:
    for examples in splits.values():
        for one in examples:
            for image in one.images:
                (folder / image).parent.mkdir(parents=True, exist_ok=True)
                (folder / image).touch()


@pytest.fixture
def splits() -> dict[str, list[Example]]:
    return {split: [example(split, number) for number in range(4)] for split in ("train", "val", "test")}


def test_summary(tmp_path: Path, splits: dict[str, list[Example]]) -> None:
    bare = {"answers": ("no",), "question": "Is <image> red?", "question_type": "query", "chain": ""}
    splits["train"][0] = example("train", 0, **bare)
    splits["train"][1] = example("train", 1, images=("images/train/train000.png",), chain_answer="no")
    put_images(tmp_path, splits)
    summary = check(splits, {"train": [{"reason": "missing answer"}, {"reason": "missing answer"}]}, tmp_path)
    assert summary["shared_images"] == {"train/val": 0, "train/test": 0, "val/test": 0}
    assert summary["splits"]["train"] == {
        "questions": 4,
        "images": 3,
        "chains": 3,
        "erring_chains": 1,
        "question_types": {"query": 1, "verify": 3},
        "answers": {"distinct": 2, "most_frequent": "yes", "most_frequent_share": 0.75},
        "words": {
            "question": {"min": 3, "median": 3.0, "mean": 3.25, "max": 4},
            "chain": {"min": 3, "median": 3.0, "mean": 3.0, "max": 3},
        },
        "rejected": {"missing answer": 2},
    }
    assert summary["splits"]["val"]["rejected"] == {}


def test_split_without_chains_serves_evaluation(tmp_path: Path, splits: dict[str, list[Example]]) -> None:
    splits["test"] = [replace(one, chain="") for one in splits["test"]]
    put_images(tmp_path, splits)
    assert check(splits, {}, tmp_path)["splits"]["test"]["words"]["chain"] is None


# the same content under other names
@pytest.mark.parametrize("pair", [("train", "val"), ("train", "test"), ("val", "test")])
def test_image_in_two_splits_is_refused(
    tmp_path: Path, splits: dict[str, list[Example]], pair: tuple[str, str]
) -> None:
    one, other = pair
    splits[other] = [
        replace(second, images=(*second.images, f"images/{other}/{first.group}.jpg"))
        for first, second in zip(splits[one], splits[other], strict=True)
    ]
    put_images(tmp_path, splits)
    with pytest.raises(DataError, match=rf"'{one}' and '{other}' share 4 images") as caught:
        check(splits, {}, tmp_path)
    assert f"e.g. {one}000, {one}001, {one}002;" in str(caught.value)


def test_splits_may_have_the_same_ids(tmp_path: Path, splits: dict[str, list[Example]]) -> None:
    splits["test"][2] = replace(splits["test"][2], id="val001-0")
    put_images(tmp_path, splits)
    assert check(splits, {}, tmp_path)["splits"]["test"]["questions"] == 4


def test_each_of_several_images_counts(tmp_path: Path, splits: dict[str, list[Example]]) -> None:
    splits["val"] = [example("val", 0, images=("images/val/a.png", "images/val/b.png", "images/val/a.jpg"))]
    put_images(tmp_path, splits)
    assert check(splits, {}, tmp_path)["splits"]["val"]["images"] == 2  # a.png and a.jpg have the same pixels
    (tmp_path / "images/val/b.png").unlink()
    with pytest.raises(DataError, match=r"val\.jsonl names 1 images that do not exist .* images/val/b\.png"):
        check(splits, {}, tmp_path)


def test_train_without_any_chain_is_refused(tmp_path: Path, splits: dict[str, list[Example]]) -> None:
    splits["train"] = [replace(one, chain="") for one in splits["train"]]
    put_images(tmp_path, splits)
    with pytest.raises(DataError, match="'train' has a chain"):
        check(splits, {}, tmp_path, ["sft"])
    assert check(splits, {}, tmp_path)["splits"]["train"]["chains"] == 0  # no policy learns from chains


def test_missing_image_file_is_refused(tmp_path: Path, splits: dict[str, list[Example]]) -> None:
    put_images(tmp_path, splits)
    (tmp_path / splits["val"][1].images[0]).unlink()
    with pytest.raises(DataError, match=r"val\.jsonl names 1 images that do not exist .* images/val/val001\.png"):
        check(splits, {}, tmp_path)
