"""The base policy's folder: a tiny model built from scratch, or a published checkpoint laid out."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_run import LOADING, MAX_PIXELS, MIN_PIXELS, TinyRun
from transformers import AutoModelForImageTextToText, AutoTokenizer

from reinforced_cot.base import base_model
from reinforced_cot.base.base_model import make_base
from reinforced_cot.errors import DataError
from reinforced_cot.files import read_json
from reinforced_cot.manifests import check_manifest
from reinforced_cot.models.checkpoints import weights_hash
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import load_processor
from reinforced_cot.models.settings import BaseSettings

REVISION = "66285546d2b821cf421d4f5eb2576359d3770cd3"


def budget(folder: Path) -> tuple[int, int]:
    """The pixel budget that the folder's own files state."""
    size = read_json(folder / "processor_config.json")["image_processor"]["size"]
    return size["shortest_edge"], size["longest_edge"]


def test_a_tiny_base_is_a_complete_checkpoint(tiny_run: TinyRun) -> None:
    folder = tiny_run.base / "model"
    manifest = check_manifest(folder, tiny_run.base / "model.json")
    assert (manifest["source"], manifest["revision"]) == ("built from its config", None)
    assert manifest["pretraining"] is None
    assert set(manifest["files"]) == {path.name for path in folder.iterdir()}
    assert AutoModelForImageTextToText.from_pretrained(folder).config.model_type == "qwen2_5_vl"
    assert read_json(folder / "processor_config.json")["processor_class"] == "Qwen2_5_VLProcessor"
    # The stock processor loads it where torchvision is installed.
    video = read_json(folder / "video_preprocessor_config.json")
    assert video["video_processor_type"] == "Qwen2VLVideoProcessor"
    assert "# base" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_pixel_budget_is_saved(tiny_run: TinyRun) -> None:
    assert budget(tiny_run.base / "model") == (MIN_PIXELS, MAX_PIXELS)


def test_left_padding_is_saved(tiny_run: TinyRun, tmp_path: Path) -> None:
    """A policy that generates from prompts padded on the right writes nonsense (trl#5785)."""
    assert AutoTokenizer.from_pretrained(tiny_run.base / "model").padding_side == "left"
    processor = load_processor(tiny_run.base / "model")
    assert processor.tokenizer.padding_side == "left"
    processor.save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path).padding_side == "left"


@pytest.mark.parametrize("stated", ["right", None])
def test_a_processor_that_pads_right_is_made_to_pad_left(tiny_run: TinyRun, tmp_path: Path, stated: str | None) -> None:
    shutil.copytree(tiny_run.base / "model", tmp_path / "model")
    path = tmp_path / "model/tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    assert config.pop("padding_side") == "left"
    path.write_text(json.dumps(config | ({"padding_side": stated} if stated else {})), encoding="utf-8")
    processor = load_processor(tmp_path / "model")
    assert processor.tokenizer.padding_side == "left"
    assert processor(text=["one", "one two three"], padding=True)["attention_mask"][0][0] == 0
    processor.save_pretrained(tmp_path / "saved")
    assert AutoTokenizer.from_pretrained(tmp_path / "saved").padding_side == "left"


def test_the_seed_determines_the_weights(tiny_run: TinyRun, tmp_path: Path) -> None:
    make_base(tiny_run.settings().base, tiny_run.examples, tmp_path / "same")
    make_base(tiny_run.settings(seed=2).base, tiny_run.examples, tmp_path / "other")
    rebuilt, other, base = (
        read_json(path / "model.json") for path in (tmp_path / "same", tmp_path / "other", tiny_run.base)
    )
    assert rebuilt == base  # every file, byte for byte
    assert weights_hash(other) != weights_hash(base)


def published(run: TinyRun, folder: Path) -> Path:
    """A checkpoint as someone else saved it: no budget of ours, a README, a subfolder."""
    shutil.copytree(run.base / "model", folder)
    (folder / "README.md").write_text("theirs", encoding="utf-8")
    (folder / "figures").mkdir()
    path = folder / "processor_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["image_processor"]["size"] = {"shortest_edge": 3136, "longest_edge": 12845056}
    path.write_text(json.dumps(config), encoding="utf-8")
    return folder


def of_path(run: TinyRun, path: str, revision: str | None = None) -> BaseSettings:
    """Settings as `stage_settings.base_settings` makes them for a checkpoint: without a tiny model."""
    return run.settings(checkpoint__path=path, checkpoint__revision=revision, checkpoint__tiny=None).base


def test_a_local_checkpoint_is_linked_and_copied(tiny_run: TinyRun, tmp_path: Path) -> None:
    source = published(tiny_run, tmp_path / "source")
    make_base(of_path(tiny_run, str(source), REVISION), tiny_run.examples, tmp_path / "base")
    folder = tmp_path / "base/model"
    assert not folder.is_symlink()
    weights = folder / "model.safetensors"
    assert weights.is_symlink() and weights.resolve() == (source / "model.safetensors").resolve()
    others = [path for path in folder.iterdir() if path != weights]
    assert {"config.json", "tokenizer.json", "chat_template.jinja"} <= {path.name for path in others}
    assert not any(path.is_symlink() for path in others)
    manifest = check_manifest(folder, tmp_path / "base/model.json")
    assert (manifest["source"], manifest["revision"]) == (str(source), REVISION)
    assert weights_hash(manifest) == weights_hash(read_json(tiny_run.base / "model.json"))
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert REVISION in card and "theirs" not in card
    assert (source / "README.md").read_text(encoding="utf-8") == "theirs"  # the source stays as it was
    assert budget(source) == (3136, 12845056)


def test_a_local_checkpoint_gets_our_pixel_budget(tiny_run: TinyRun, tmp_path: Path) -> None:
    # vLLM and every other reader take it from the folder.
    source = published(tiny_run, tmp_path / "source")
    make_base(of_path(tiny_run, str(source)), tiny_run.examples, tmp_path / "base")
    assert budget(tmp_path / "base/model") == (MIN_PIXELS, MAX_PIXELS)
    size = load_processor(tmp_path / "base/model").image_processor.size
    assert (size["shortest_edge"], size["longest_edge"]) == (MIN_PIXELS, MAX_PIXELS)


def test_a_checkpoint_in_the_hubs_older_layout_says_everything_once(tiny_run: TinyRun, tmp_path: Path) -> None:
    """Qwen2.5-VL's own layout: two files for processor and template, whose pixel budget would contradict ours."""
    source = published(tiny_run, tmp_path / "source")
    processor = read_json(source / "processor_config.json")
    (source / "processor_config.json").unlink()
    (source / "video_preprocessor_config.json").unlink()
    stock = {**processor["image_processor"], "processor_class": processor["processor_class"]}
    stock |= {"min_pixels": 3136, "max_pixels": 12845056}
    (source / "preprocessor_config.json").write_text(json.dumps(stock), encoding="utf-8")
    template = (source / "chat_template.jinja").read_text(encoding="utf-8")
    (source / "chat_template.jinja").unlink()
    (source / "chat_template.json").write_text(json.dumps({"chat_template": template}), encoding="utf-8")
    make_base(of_path(tiny_run, str(source)), tiny_run.examples, tmp_path / "base")
    folder = tmp_path / "base/model"
    names = {path.name for path in folder.iterdir()}
    assert {"processor_config.json", "video_preprocessor_config.json", "chat_template.jinja"} <= names
    assert not names & {"preprocessor_config.json", "chat_template.json"}
    assert budget(folder) == (MIN_PIXELS, MAX_PIXELS)
    assert load_processor(folder).chat_template == template


def test_a_linked_checkpoint_computes_the_same(tiny_run: TinyRun, tmp_path: Path) -> None:
    source = published(tiny_run, tmp_path / "source")
    make_base(of_path(tiny_run, str(source)), tiny_run.examples, tmp_path / "base")
    original, linked = (load_model(base / "model", LOADING) for base in (tiny_run.base, tmp_path / "base"))
    states = zip(original.state_dict().values(), linked.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in states)


def test_a_hub_checkpoint_is_fetched_at_its_revision(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = published(tiny_run, tmp_path / "source")
    downloads: list[tuple[str, Any]] = []

    def snapshot_download(repo_id: str, revision: str, allow_patterns: list[str]) -> str:
        downloads.append((repo_id, revision))
        assert not any(Path("pytorch_model.bin").match(pattern) for pattern in allow_patterns)
        return str(source)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    make_base(of_path(tiny_run, "org/model", REVISION), tiny_run.examples, tmp_path / "base")
    assert downloads == [("org/model", REVISION)]
    manifest = read_json(tmp_path / "base/model.json")
    assert (manifest["source"], manifest["revision"]) == ("org/model", REVISION)


def test_pickles_and_empty_folders_are_refused(tiny_run: TinyRun, tmp_path: Path) -> None:
    """A pickle runs code when it is read."""
    source = published(tiny_run, tmp_path / "source")
    (source / "model.safetensors").unlink()
    settings = of_path(tiny_run, str(source))
    with pytest.raises(DataError, match=r"has no \*\.safetensors: base_model\.path must name"):
        make_base(settings, tiny_run.examples, tmp_path / "base")
    (source / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(DataError, match=r"pickled weights \(pytorch_model\.bin\)"):
        make_base(settings, tiny_run.examples, tmp_path / "base")
    assert list((tmp_path / "base").iterdir()) == []


def test_pickles_beside_safetensors_stay_behind(tiny_run: TinyRun, tmp_path: Path) -> None:
    source = published(tiny_run, tmp_path / "source")
    (source / "pytorch_model.bin").write_bytes(b"pickle")
    make_base(of_path(tiny_run, str(source)), tiny_run.examples, tmp_path / "base")
    assert not (tmp_path / "base/model/pytorch_model.bin").exists()


def test_texts_with_unseen_characters_stay_encodable(tiny_run: TinyRun) -> None:
    tokenizer = load_processor(tiny_run.base / "model").tokenizer
    text = "¿Qué? 日本 \U0001f600 <think>"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_pretraining_is_optional_and_settings_stay_as_they_were(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_if_called: Any
) -> None:
    from reinforced_cot.base import tiny_pretraining

    monkeypatch.setattr(tiny_pretraining, "pretrain", fails_if_called)
    settings = tiny_run.settings().base
    before = copy.deepcopy(settings)
    base_model.make_base(settings, tiny_run.examples, tmp_path / "base")
    assert settings == before
