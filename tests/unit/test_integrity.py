"""One flipped bit in anything that a stage loads is noticed before the stage loads it."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import answer
import base_model
import check_data
import grpo
import merge_lora
import pytest
import sft
import yaml
from tiny_run import TinyRun

from reinforced_cot import integrity
from reinforced_cot.errors import DataError
from reinforced_cot.files import read_json, sha256_of
from reinforced_cot.generation.batching import opened
from reinforced_cot.integrity import STAMPS, check_published, check_split, check_start, record_split
from reinforced_cot.manifests import write_manifest
from reinforced_cot.preparation.prepare import prepare


def flip(file: Path) -> None:
    """Change one bit in the middle of a file, and neither its size nor its time."""
    times, content = file.stat(), bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def cut(file: Path) -> None:
    """Lose the second half of a file."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy's folder with a published model, one of whose files is large here."""
    model = tmp_path / "sft/model"
    model.mkdir(parents=True)
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        (model / name).write_bytes(bytes(range(200)) * (20 if name.startswith("model") else 1))
    write_manifest(model, model.with_suffix(".json"), base="base")
    return tmp_path / "sft"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are hashed; a file of 1000 bytes is large, and one second old."""
    names: list[str] = []
    plain = integrity.has_hash

    def has_hash(file: Path, sha256: str) -> bool:
        names.append(file.name)
        return plain(file, sha256)

    monkeypatch.setattr(integrity, "has_hash", has_hash)
    monkeypatch.setattr(integrity, "LARGE", 1000)
    monkeypatch.setattr(integrity, "_SETTLED", -1.0)
    return names


SMALL = ["config.json", "tokenizer.json"]


def test_a_large_file_is_hashed_again_only_when_it_was_touched(policy: Path, hashed: list[str]) -> None:
    assert check_published(policy / "model")["base"] == "base"
    assert sorted(hashed) == [*SMALL[:1], "model.safetensors", SMALL[1]]
    hashed.clear()
    check_published(policy / "model")
    assert sorted(hashed) == SMALL
    flip(policy / "model/model.safetensors")  # its time is restored, but not that of the change of its entry
    with pytest.raises(DataError, match=r"model/model\.safetensors is damaged: its content is not what .*delete"):
        check_published(policy / "model")


def test_a_copied_folder_is_hashed_again(policy: Path, hashed: list[str], tmp_path: Path) -> None:
    check_published(policy / "model")
    shutil.copytree(policy, tmp_path / "copy")
    hashed.clear()
    check_published(tmp_path / "copy/model")
    assert "model.safetensors" in hashed


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"model/model.safetensors": 3}', b"\xff", None])
def test_damaged_stamps_do_no_harm(policy: Path, hashed: list[str], content: bytes | None) -> None:
    stamps = policy / STAMPS
    if content is None:
        stamps.mkdir()  # as in a folder that may only be read, nothing can be written there
    else:
        stamps.write_bytes(content)
    check_published(policy / "model")
    assert "model.safetensors" in hashed


def test_a_wrong_stamp_accuses_no_file(policy: Path, hashed: list[str]) -> None:
    check_published(policy / "model")
    stamps = json.loads((policy / STAMPS).read_text())
    stamps["model/model.safetensors"]["sha256"] = "0" * 64
    (policy / STAMPS).write_text(json.dumps(stamps))
    check_published(policy / "model")


def test_a_file_that_may_still_change_gets_no_stamp(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "LARGE", 1000)
    check_published(policy / "model")
    assert not (policy / STAMPS).exists()


def test_the_first_process_hashes_for_all(policy: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    check_published(policy / "model")
    check_start(policy, "model")
    assert hashed == []
    cut(policy / "model/config.json")  # a size costs nothing
    with pytest.raises(DataError, match=r"config\.json is damaged: it has 100 bytes, .*model\.json says 200"):
        check_published(policy / "model")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, r"model\.json is not valid JSON.*: delete \S*model\.json and give the same command with"),
        (lambda file: file.write_text('{"base": "base"}'), r"model\.json has no key files: delete \S*model\.json"),
        (lambda file: file.write_text("3"), r"model\.json holds 3 alone: delete \S*model\.json"),
        (
            lambda file: file.write_text(file.read_text().replace('"bytes"', '"byts"')),
            r"model\.json has no key files\.config\.json\.bytes: delete",
        ),
        (lambda file: file.unlink(), r"model\.json does not exist"),
    ],
)
def test_a_damaged_manifest_is_named(policy: Path, damage: Callable[[Path], Any], message: str) -> None:
    damage(policy / "model.json")
    with pytest.raises(DataError, match=message):
        check_published(policy / "model")


def test_the_file_behind_a_link_is_named(policy: Path, tmp_path: Path) -> None:
    """A published model's weights are linked; making the folder again would link to the same damaged file."""
    file = policy / "model/model.safetensors"
    shutil.move(file, tmp_path / "blob")
    file.symlink_to(tmp_path / "blob")
    check_published(policy / "model")
    flip(tmp_path / "blob")
    with pytest.raises(DataError, match=r"model\.safetensors is damaged: .*; restore \S*/blob, to which it links; "):
        check_published(policy / "model")


def test_data_of_another_origin_has_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("{}\n")
    check_split(tmp_path, "train")
    record_split(tmp_path, "train", {})
    (tmp_path / "train.jsonl").write_text("[]\n")
    with pytest.raises(DataError, match=r"train\.jsonl is damaged: .*delete \S*train\.jsonl and give"):
        check_split(tmp_path, "train")


def test_a_stage_that_opens_no_image_compares_records_alone(tmp_path: Path) -> None:
    image = tmp_path / "images/train/a.png"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"pixels")
    (tmp_path / "train.jsonl").write_text("{}\n")
    record_split(tmp_path, "train", {"a.png": {"bytes": 6, "sha256": sha256_of(image)}})
    flip(image)
    check_split(tmp_path, "train", images=False)
    with pytest.raises(DataError, match=r"a\.png is damaged"):
        check_split(tmp_path, "train")
    flip(tmp_path / "train.jsonl")
    with pytest.raises(DataError, match=r"train\.jsonl is damaged"):
        check_split(tmp_path, "train", images=False)


@dataclass
class Run:
    """A copy of the tiny run with all splits, and the commands of its stages."""

    root: Path
    settings: dict[str, Any]

    def start(self, stage: str) -> None:
        """Start a stage, which must end before it claims a device or loads anything."""
        settings = self.root / f"{stage}.yaml"
        settings.write_text(yaml.safe_dump(self.settings[stage].as_dict() if stage in self.settings else {}))
        data = ("--data", f"{self.root}/data")
        told, output = ("--settings", str(settings)), ("--output", f"{self.root}/new")
        if stage == "sft":
            sft.main([*told, *data, "--from", f"{self.root}/base", *output])
        elif stage == "grpo":
            grpo.main([*told, *data, "--from", f"{self.root}/sft", *output])
        elif stage == "merge":
            merge_lora.main([*told, *data, "--base", f"{self.root}/base", "--output", f"{self.root}/sft"])
        elif stage == "answer":
            answer.main([*told, *data, "--policy", f"{self.root}/base"])
        elif stage == "base":
            base_model.main([*told, *data, *output])
        else:
            check_data.main([*data, "--splits", "train", "val", "test", "--output", f"{self.root}/summary.json"])


@pytest.fixture
def run(tiny_run: TinyRun, tmp_path: Path) -> Run:
    for name in ("base", "sft", "data"):
        shutil.copytree(getattr(tiny_run, name), tmp_path / name)
    for split in ("val", "test"):  # the same questions
        text = (tmp_path / "data/train.jsonl").read_text().replace("images/train", f"images/{split}")
        (tmp_path / f"data/{split}.jsonl").write_text(text)
        shutil.copytree(tmp_path / "data/images/train", tmp_path / f"data/images/{split}")
        images = read_json(tmp_path / "data/train.json")["files"]
        named = {Path(name).name: stated for name, stated in images.items() if name.startswith("images/")}
        record_split(tmp_path / "data", split, named)
    continuing = tiny_run.settings(grpo__start="adapter")
    stages = {name: getattr(continuing, name) for name in ("sft", "grpo", "merge", "answer", "base")}
    return Run(tmp_path, stages)


MODEL = ["model.safetensors", "tokenizer.json", "chat_template.jinja", "config.json", "processor_config.json"]
ADAPTER = ["adapter_model.safetensors", "adapter_config.json"]
LOADED = [
    *[(stage, f"base/model/{name}") for stage in ("sft", "answer", "merge", "grpo") for name in MODEL],
    *[(stage, f"sft/adapter/{name}") for stage in ("merge", "grpo") for name in ADAPTER],
    *[("sft", f"data/{file}") for file in ("train.jsonl", "val.jsonl", "images/train", "images/val")],
    *[("grpo", f"data/{file}") for file in ("train.jsonl", "images/train")],
    *[("answer", f"data/{file}") for file in ("test.jsonl", "images/test")],
    *[("base", "data/train.jsonl"), ("check", "data/val.jsonl"), ("check", "data/images/test")],
]


@pytest.mark.parametrize(("stage", "file"), LOADED)
def test_every_stage_refuses_a_flipped_bit(run: Run, stage: str, file: str) -> None:
    path = run.root / file
    damaged = sorted(path.iterdir())[0] if path.is_dir() else path
    flip(damaged)
    with pytest.raises(DataError) as refused:
        run.start(stage)
    of_data, folder = file.startswith("data"), path.parent
    split = "val" if "val" in file else "test" if "test" in file else "train"
    deleted = run.root / f"data/{split}.jsonl" if of_data else folder.with_suffix(".json")
    manifest = deleted.with_suffix(".json")
    message = f"{damaged} is damaged: its content is not what {manifest} recorded; delete {deleted} and give"
    assert str(refused.value).startswith(message)


def test_an_image_that_is_cut_is_named(run: Run) -> None:
    image = next((run.root / "data/images/test").iterdir())
    cut(image)
    with pytest.raises(DataError, match=rf"{image} is damaged: it has \d+ bytes"):
        run.start("answer")
    image.unlink()
    with pytest.raises(DataError, match=rf"{image} is missing though .*test\.json lists it; delete \S*test\.jsonl and"):
        run.start("answer")


def test_preparing_a_split_again_mends_it(tiny_run: TinyRun, tmp_path: Path) -> None:
    from tiny_run import SETTINGS, PixelBudget, make_record

    for damage in (flip, cut):
        prepare(lambda: map(make_record, range(3)), PixelBudget(**SETTINGS["image"]), tmp_path, "train", 0.0)
        check_split(tmp_path, "train")
        damage(tmp_path / "train.jsonl")
        with pytest.raises(DataError, match="delete"):
            check_split(tmp_path, "train")


@pytest.mark.parametrize("damage", [cut, lambda file: file.write_bytes(b"no image"), Path.unlink])
def test_an_image_without_a_manifest_is_named_when_it_is_opened(run: Run, damage: Callable[[Path], Any]) -> None:
    image = next((run.root / "data/images/test").iterdir())
    damage(image)
    with pytest.raises(DataError, match=rf"{image} is damaged \(.*\): delete {image.parent} and give the same command"):
        opened(image)
