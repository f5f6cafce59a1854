"""The preset that is written for somebody's own data is sound, and fits the data."""

import csv
import json
import random
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import preset
import pytest
from PIL import Image

from reinforced_cot.config.composition import checked, compose
from reinforced_cot.config.configuration import Config
from reinforced_cot.config.new_preset import cuts_of
from reinforced_cot.errors import PipelineError
from reinforced_cot.policies.grpo import GrpoPolicy


@pytest.fixture
def cars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of twenty photographs, from which a user calls `make preset`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(preset, "PRESETS", tmp_path / "presets")
    (tmp_path / "photos").mkdir()
    for number in range(20):
        Image.new("RGB", (80, 60), (number * 12, 40, 200 - number * 9)).save(tmp_path / f"photos/{number}.jpg")
    return tmp_path


def table(folder: Path, header: list[str], rows: list[list[Any]], name: str = "train.csv") -> None:
    with open(folder / name, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def written(folder: Path, *arguments: str) -> Config:
    preset.main(["--data", "train.csv", "--name", "cars", *arguments])
    return checked(compose([folder / "presets/cars.yaml"]))


def test_a_table_with_chains(cars: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [[f"{n % 20}.jpg", f"Is car {n} red?", "yes", "It is as red as a cherry."] for n in range(60)]
    table(cars, ["image", "question", "answer", "cot"], rows)
    config = written(cars, "--images", "photos")
    assert list(config.report) == ["base", "sft", "grpo"]
    train, val, test = (config.data.sources(split)[0] for split in ("train", "val", "test"))
    assert train.part and val.part and test.part
    assert train.part[1] == val.part[0] and val.part[1] == test.part[0]
    assert train.columns is None and train.size is None
    sft, grpo = config.policies["sft"], config.policies["grpo"]
    assert sft.selection.max_new_tokens == config.answer.max_new_tokens >= 2 * 7
    assert grpo.from_policy == "sft" and isinstance(grpo, GrpoPolicy)
    assert "snakemake --configfile config/presets/cars.yaml --cores all" in capsys.readouterr().out


def test_a_table_without_chains_and_with_other_names(cars: Path) -> None:
    table(cars, ["pic", "what", "thing"], [[n, f"What is in picture {n}?", "car"] for n in range(20)])
    config = written(cars, "--images", "photos")
    assert list(config.report) == ["base", "grpo"] and config.policies["grpo"].from_policy == "base"
    assert "<think>" in str(config.prompt.system)
    columns = config.data.sources("train")[0].columns
    assert columns is not None
    assert (columns.images, columns.question, columns.answers) == ("pic", "what", "thing")
    assert config.policies["grpo"].training["per_device_train_batch_size"] == 8 * 8  # of 16 questions, half


def test_a_test_file_of_its_own(cars: Path) -> None:
    for name, images in (("train.csv", range(15)), ("test.csv", range(15, 20))):
        table(cars, ["image", "question", "answer"], [[f"photos/{n}.jpg", "Is it?", "no"] for n in images], name)
    config = written(cars, "--test", "test.csv")
    train, val, test = (config.data.sources(split)[0] for split in ("train", "val", "test"))
    assert test.part is None and train.part and val.part and train.part[1] == val.part[0] < 1 == val.part[1]


def test_the_tests_images_are_its_own(cars: Path) -> None:
    for name in ("train.csv", "test.csv"):
        table(cars, ["image", "question", "answer"], [[f"{n}.jpg", "Is it?", "no"] for n in range(20)], name)
    shutil.copytree(cars / "photos", cars / "others")
    with pytest.raises(PipelineError, match=r"test\.csv names 20 images that train\.csv names, too, .* TEST_IMAGES"):
        preset.main(["--data", "train.csv", "--name", "cars", "--test", "test.csv", "--images", "photos"])
    config = written(cars, "--test", "test.csv", "--images", "photos", "--test-images", "others")
    assert [config.data.sources(split)[0].images for split in ("train", "test")] == ["photos", "others"]


@pytest.mark.parametrize(
    ("model", "base"),
    [
        ("Qwen/Qwen2.5-VL-3B-Instruct", "Qwen/Qwen2.5-VL-3B-Instruct"),
        ("Qwen/Qwen3-VL-4B-Instruct", "Qwen/Qwen3-VL-4B-Instruct"),
        (".", "."),
    ],
)
def test_a_model_of_ones_own(cars: Path, model: str, base: str) -> None:
    table(cars, ["image", "question", "answer"], [[f"photos/{n}.jpg", "Is it?", "no"] for n in range(20)])
    preset.main(["--data", "train.csv", "--name", "cars", "--model", model])
    composed = compose([cars / "presets/cars.yaml"]).config
    assert composed["base_model"]["path"] == base


@pytest.mark.parametrize("count", [3, 4, 10, 29, 299])
def test_every_split_of_few_images_has_some(count: int) -> None:
    draw = random.Random(count)
    places = sorted(draw.random() for _ in range(count))
    first, second = cuts_of(places)
    sizes = [sum(low <= place < high for place in places) for low, high in ((0, first), (first, second), (second, 1))]
    assert sum(sizes) == count and sizes[1] == max(1, round(count / 10)) and sizes[0] >= 1
    assert sizes[2] == {3: 1, 4: 1, 10: 2, 29: 7, 299: 30}[count]


def test_a_folder_of_images_is_not_inherited(cars: Path) -> None:
    table(cars, ["image", "question", "answer"], [[f"photos/{n}.jpg", "Is it?", "no"] for n in range(20)])
    preset.main(["--data", "train.csv", "--name", "cars", "--model", "Qwen/Qwen2.5-VL-3B-Instruct"])
    composed = compose([cars / "presets/cars.yaml"]).config
    assert all(composed["data"]["splits"][split]["images"] is None for split in ("train", "val", "test"))


def test_unnamed_columns_of_json(cars: Path) -> None:
    rows = [[f"is there a car in picture {n}?", "yes", n] for n in range(20)]
    (cars / "train.json").write_text(json.dumps(rows))
    preset.main(["--data", "train.json", "--name", "cars", "--images", "photos"])
    columns = checked(compose([cars / "presets/cars.yaml"])).data.sources("train")[0].columns
    assert columns is not None and (columns.question, columns.answers, columns.images) == ("0", "1", "2")


def test_columns_and_a_question_may_be_given(cars: Path, capsys: pytest.CaptureFixture[str]) -> None:
    why = "It is as red as a cherry, so it is a red car."
    table(cars, ["pic", "color", "why"], [[n, "red" if n % 2 else "blue", why] for n in range(20)])
    config = written(cars, "--images", "photos", "--question", "What color is it?", "--columns", "answer=color")
    assert list(config.report) == ["base", "grpo"]
    assert "Column why holds texts; if they are chains of thought, add COLUMNS=chain=why" in capsys.readouterr().err
    (cars / "presets/cars.yaml").unlink()
    columns = "answer=color, chain=why"
    config = written(cars, "--images", "photos", "--question", "What color is it?", "--columns", columns)
    (source,) = config.data.sources("train")
    assert list(config.report) == ["base", "sft", "grpo"] and source.question == "What color is it?"
    assert source.columns is not None and (source.columns.images, source.columns.chain) == ("pic", "why")


def test_names_of_columns_that_look_common(cars: Path) -> None:
    rows = [[n, "Is it a car?", "yes" if n % 2 else "no", "train"] for n in range(20)]
    table(cars, ["image", " question", " Answer", " split"], rows)
    assert written(cars, "--images", "photos").data.sources("train")[0].columns is None
    (cars / "presets/cars.yaml").unlink()
    table(cars, ["datei", "frage", "antwort", "split"], rows)  # a column with one value is no answer
    columns = written(cars, "--images", "photos").data.sources("train")[0].columns
    assert columns is not None and (columns.images, columns.answers) == ("datei", "antwort")


def test_conversations_in_a_folder_or_an_archive(cars: Path) -> None:
    turns = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "a car"}]
    (cars / "set").mkdir()
    rows = [{"image": f"photos/{n}.jpg", "conversations": turns} for n in range(20)]
    (cars / "set/told.jsonl").write_text("\n".join(map(json.dumps, rows)))
    shutil.copytree(cars / "photos", cars / "set/photos")
    preset.main(["--data", "set", "--name", "cars"])
    (source,) = checked(compose([cars / "presets/cars.yaml"])).data.sources("train")
    assert (source.source, source.file) == ("conversations", "set/told.jsonl")
    shutil.make_archive("packed", "zip", ".", "set")
    preset.main(["--data", "packed.zip", "--name", "packed"])
    (source,) = checked(compose([cars / "presets/packed.yaml"])).data.sources("train")
    assert (source.source, source.file, source.member) == ("conversations", "packed.zip", "set/told.jsonl")


def test_files_of_several_splits_are_not_one_table(cars: Path) -> None:
    (cars / "set").mkdir()
    for name in ("set/train.csv", "set/test.csv"):
        table(cars, ["image", "question", "answer"], [["a.jpg", "Is it?", "no"]], name)
    with pytest.raises(PipelineError, match=r"set holds train\.csv and test\.csv, which would be read as one table"):
        preset.main(["--data", "set", "--name", "cars"])


def test_a_users_own_preset_is_not_extended(cars: Path) -> None:
    table(cars, ["image", "question", "answer"], [[f"photos/{n}.jpg", "Is it?", "no"] for n in range(20)])
    for name in ("first", "second"):
        preset.main(["--data", "train.csv", "--name", name, "--model", "some/model"])
    assert "extends: full-size" in (cars / "presets/second.yaml").read_text()


def test_sizes_follow_the_chains_and_not_the_questions(cars: Path) -> None:
    chains = ["It is as red as a cherry."] * 10 + [""] * 90
    rows = [[f"{n % 20}.jpg", f"Is car {n} red?", "yes", chain] for n, chain in enumerate(chains)]
    table(cars, ["image", "question", "answer", "cot"], rows)
    training = written(cars, "--images", "photos").policies["sft"].training
    assert training["num_train_epochs"] == 60  # of 8 chains
    (cars / "presets/cars.yaml").unlink()
    chinese = "图片里有一辆汽车,汽车是红色的,因为它和樱桃一样红。" * 4
    table(cars, ["image", "question", "answer", "cot"], [[f"{n}.jpg", "是吗?", "是", chinese] for n in range(20)])
    assert written(cars, "--images", "photos").answer.max_new_tokens >= 1.5 * len(chinese)


def test_images_that_cannot_be_read_are_no_images_of_a_split(cars: Path) -> None:
    table(cars, ["image", "question", "answer"], [[f"{n}.jpg", "Is it?", "no"] for n in range(20)])
    for number in range(3, 20):
        (cars / f"photos/{number}.jpg").write_bytes(b"<html>")
    config = written(cars, "--images", "photos")
    parts = [config.data.sources(split)[0].part for split in ("train", "val", "test")]
    places = [int(sha256((cars / f"photos/{n}.jpg").read_bytes()).hexdigest(), 16) / 2**256 for n in range(3)]
    assert all(any(part[0] <= place < part[1] for place in places) for part in parts if part)


def test_folders_of_classes(cars: Path) -> None:
    for number in range(20):
        (cars / f"classes/{number % 2}").mkdir(parents=True, exist_ok=True)
        shutil.copy(cars / f"photos/{number}.jpg", cars / f"classes/{number % 2}/{number}.jpg")
    with pytest.raises(PipelineError, match=r"needs `question` \(QUESTION=\.\.\.\)"):
        preset.main(["--data", "classes", "--name", "cars"])
    preset.main(["--data", "classes", "--name", "cars", "--question", "Which class?"])
    (source,) = checked(compose([cars / "presets/cars.yaml"])).data.sources("train")
    assert (source.file, source.question, source.columns) == ("classes", "Which class?", None)


def test_an_archive_of_questions_and_photographs(cars: Path) -> None:
    table(cars, ["pic", "what", "thing"], [[f"photos/{n}.jpg", f"What is in picture {n}?", "car"] for n in range(20)])
    shutil.make_archive("packed", "zip", ".")
    preset.main(["--data", "packed.zip", "--name", "cars"])
    (source,) = checked(compose([cars / "presets/cars.yaml"])).data.sources("train")
    assert source.file == "packed.zip" and source.columns is not None and source.columns.images == "pic"
    assert list(Path("results/cars/data/.unpacked").glob("*/photos/0.jpg"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "tran.csv", "--name", "cars"], r"tran\.csv does not exist; \. holds .*train\.csv"),
        (["--data", "train.csv", "--name", "my cars"], "NAME is 'my cars'"),
        (["--data", "", "--name", "cars"], "give the questions as DATA="),
        (["--data", "train.csv", "--name", "cars", "--test", "./train.csv"], "leave it out"),
        (["--data", "train.csv", "--name", "cars", "--columns", "chian=why"], "COLUMNS has 'chian=why'; .* chain"),
        (["--data", "train.csv", "--name", "cars", "--columns", "why"], "COLUMNS has 'why'; write name=column"),
        (["--data", "train.csv", "--name", "cars", "--columns", "answer=a,answers=b"], "answer and answers"),
        (["--data", "train.csv", "--name", "cars", "--columns", "answer = a", "--convert", "a:b"], "CONVERT makes the"),
        (["--data", "train.csv", "--name", "cars", "--convert", "my_data"], "write module:function"),
        (["--data", "train.csv", "--name", "old"], r"old\.yaml exists"),
        (["--data", "train.csv", "--name", "cars"], "none of its first 20 records can be used"),
        (["--data", "empty.csv", "--name", "cars"], "empty.csv"),
    ],
)
def test_what_cannot_be_written_is_refused(cars: Path, arguments: list[str], message: str) -> None:
    table(cars, ["image", "question", "answer"], [[f"{n}.jpg", "Is it?", "no"] for n in range(20)])  # not in photos/
    (cars / "empty.csv").write_text("")
    (cars / "presets").mkdir()
    (cars / "presets/old.yaml").touch()
    with pytest.raises(PipelineError, match=message):
        preset.main(arguments)
