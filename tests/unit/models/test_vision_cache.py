"""The vision cache: each image is computed once for all stages, and the cached features are the tower's."""

import resource
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_run import LOADING, LORA, PROMPT, TinyRun, lottery, with_large_weights

from reinforced_cot import switches
from reinforced_cot.errors import PipelineError
from reinforced_cot.evaluation import answering
from reinforced_cot.evaluation.answer_log import AnswerLog
from reinforced_cot.generation.batching import opened
from reinforced_cot.generation.rendering import rendered_prompt
from reinforced_cot.manifests import write_manifest
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import load_processor
from reinforced_cot.models.vision_cache import VISION_CACHE, fingerprints, tower_hash, use_vision_cache
from reinforced_cot.scoring.rewards import REWARDS
from reinforced_cot.training import grpo as grpo_stage
from reinforced_cot.training import sft as sft_stage

KEPT = LOADING.model_copy(update={"vision_cache": "on"})


def load(run: TinyRun) -> Any:
    return load_model(run.base / "model", LOADING).requires_grad_(False)


def inputs_of(run: TinyRun, numbers: list[int]) -> Any:
    processor = load_processor(run.base / "model")
    examples = [run.examples[number] for number in numbers]
    texts = [rendered_prompt(processor, example, PROMPT) for example in examples]
    images = [opened(run.data / example.images[0]) for example in examples]
    return processor(text=texts, images=images, padding=True, return_tensors="pt")


def count_images(model: Any) -> list[int]:
    """How many patches each call of the vision tower gets, in the order of the calls."""
    calls: list[int] = []
    model.model.visual.register_forward_pre_hook(lambda module, inputs: calls.append(len(inputs[0])))
    return calls


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.safetensors"))


def test_an_image_is_computed_once_by_all_models_and_processes(tiny_run: TinyRun, tmp_path: Path) -> None:
    inputs = inputs_of(tiny_run, [0, 1, 2, 0])
    expected = load(tiny_run)(**inputs).logits
    model = load(tiny_run)
    use_vision_cache(model, tmp_path, KEPT)
    calls = count_images(model)
    assert torch.allclose(model(**inputs).logits, expected, atol=1e-5)
    assert len(calls) == 3  # the fourth is the first one again
    other = load(tiny_run)  # another policy: its language model differs, its tower does not
    other.lm_head.weight.data += 1
    use_vision_cache(other, tmp_path, KEPT)
    seen = count_images(other)
    other(**inputs_of(tiny_run, [2, 1, 5]))
    assert len(seen) == 1 and len(files_of(tmp_path)) == 4
    assert not list(tmp_path.glob("*/*.part"))


def test_features_do_not_depend_on_the_batch(tiny_run: TinyRun, tmp_path: Path) -> None:
    logits = []
    for name, first in (("alone", [1]), ("together", [0, 1, 2])):
        model = load(tiny_run)
        use_vision_cache(model, tmp_path / name, KEPT)
        model(**inputs_of(tiny_run, first))
        logits.append(model(**inputs_of(tiny_run, [1])).logits)
    assert torch.equal(*logits)


def test_another_tower_or_dtype_has_separate_features(tiny_run: TinyRun) -> None:
    model = load(tiny_run)
    known = tower_hash(model.model.visual)
    assert known == tower_hash(load(tiny_run).model.visual)
    assert tower_hash(load(tiny_run).to(torch.bfloat16).model.visual) != known
    model.model.visual.config.window_size *= 2
    changed = tower_hash(model.model.visual)
    weight = next(model.model.visual.parameters()).data.flatten()
    weight[-1] += 1e-3
    assert len({known, changed, tower_hash(model.model.visual)}) == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_changes_no_feature(tiny_run: TinyRun, tmp_path: Path, dtype: torch.dtype) -> None:
    """Passes of training compute under autocast, rollouts do not: whichever is first, both use one file per image."""
    inputs = inputs_of(tiny_run, [0, 1])
    written = []
    for name, autocast in (("passes first", True), ("rollouts first", False)):
        model = load(tiny_run).to(dtype)
        use_vision_cache(model, tmp_path / name, KEPT)
        for enabled in (autocast, not autocast):
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                model(**inputs)
        files = files_of(tmp_path / name)
        assert {part.dtype for file in files for part in load_file(file).values()} == {dtype}
        written.append([file.read_bytes() for file in files])
    assert len(written[0]) == 2 and written[0] == written[1]


def test_a_full_cache_keeps_what_it_has(tiny_run: TinyRun, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Other processes write, too: what they have written counts."""
    inputs = inputs_of(tiny_run, [0, 1, 2])
    expected = load(tiny_run)(**inputs).logits
    model = load(tiny_run)
    use_vision_cache(model, tmp_path / "all", KEPT)
    model(**inputs)
    sizes = [file.stat().st_size for file in files_of(tmp_path / "all")]
    (tmp_path / "some" / "another tower").mkdir(parents=True)
    (tmp_path / "some" / "another tower" / "image.safetensors").write_bytes(bytes(1000))
    bound = (1000 + max(sizes) + min(sizes) / 2) / 2**30
    model = load(tiny_run)
    use_vision_cache(model, tmp_path / "some", KEPT.model_copy(update={"vision_cache_gib": bound}))
    calls = count_images(model)
    for _ in range(2):
        assert torch.allclose(model(**inputs).logits, expected, atol=1e-5)
    assert len(files_of(tmp_path / "some")) == 2 and len(calls) == 3 + 2
    assert caplog.text.count("that base_model.vision_cache_gib allows") == 1
    model = load(tiny_run)
    use_vision_cache(model, tmp_path / "none", KEPT.model_copy(update={"vision_cache_gib": 0.0}))
    assert torch.allclose(model(**inputs).logits, expected, atol=1e-5) and not files_of(tmp_path / "none")


def test_images_are_told_apart_by_each_of_their_values() -> None:
    torch.manual_seed(0)
    image, grid = torch.randn(16, 48), torch.tensor([[1, 4, 4]])
    known = fingerprints([image], grid)
    assert known == fingerprints([image.clone()], grid) and known != fingerprints([image], torch.tensor([[1, 2, 8]]))
    larger = torch.randn(36, 48)
    assert fingerprints([larger, image], torch.tensor([[1, 6, 6], [1, 4, 4]]))[1] == known[0]
    keys = set(known)
    for patch, value in [(0, 0), (0, 47), (15, 0), (7, 20)]:
        for change in (-1.0, 1 + 2**-23):  # the sign, and the last bit
            other = image.clone()
            other[patch, value] *= change
            keys.add(fingerprints([other], grid)[0])
    keys.add(fingerprints([image[torch.arange(15, -1, -1)]], grid)[0])  # the order of the patches
    keys.add(fingerprints([image.flip(1)], grid)[0])
    assert len(keys) == 11


@pytest.mark.parametrize("damage", ["cut", "flipped", "another"])
def test_a_damaged_file_is_written_anew(tiny_run: TinyRun, tmp_path: Path, damage: str) -> None:
    inputs = inputs_of(tiny_run, [0])
    model = load(tiny_run)
    use_vision_cache(model, tmp_path, KEPT)
    expected = model(**inputs).logits
    [file] = files_of(tmp_path)
    content = file.read_bytes()
    model(**inputs_of(tiny_run, [3]))
    [other] = [path for path in files_of(tmp_path) if path != file]
    flipped = bytes([*content[:-9], content[-9] ^ 1, *content[-8:]])
    file.write_bytes({"cut": content[:100], "flipped": flipped, "another": other.read_bytes()}[damage])
    assert torch.equal(model(**inputs).logits, expected) and file.read_bytes() == content


def test_a_full_disk_does_not_end_the_run(tiny_run: TinyRun, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = load(tiny_run)
    use_vision_cache(model, tmp_path, KEPT)
    inputs = inputs_of(tiny_run, [0, 1])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # the largest size of a file, in bytes
    try:
        logits = model(**inputs).logits
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert torch.allclose(logits, load(tiny_run)(**inputs).logits, atol=1e-5)
    assert caplog.text.count("image features are no longer kept") == 1 and not list(tmp_path.glob("*/*"))


def test_the_cache_may_be_deleted_at_any_time(tiny_run: TinyRun, tmp_path: Path) -> None:
    model = load(tiny_run)
    use_vision_cache(model, tmp_path / "cache", KEPT)
    expected = model(**inputs_of(tiny_run, [0, 1])).logits
    shutil.rmtree(tmp_path / "cache")
    assert torch.equal(model(**inputs_of(tiny_run, [0, 1])).logits, expected)
    assert len(files_of(tmp_path / "cache")) == 2


def test_features_of_a_trained_tower_are_not_kept(
    tiny_run: TinyRun, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    switches._log_once.cache_clear()  # a message is logged once per process
    tower = {**LORA, "target_modules": ["q_proj", "qkv"]}
    data = tiny_run.examples, tiny_run.examples, tiny_run.data, tiny_run.base
    sft_stage.train(tiny_run.settings(sft__lora=tower).sft, *data, tmp_path / "sft", None)
    assert "base_model.vision_cache is off: the vision tower is trained" in caplog.text
    assert not (tmp_path / VISION_CACHE).exists()
    settings = tiny_run.settings(sft__lora=tower, base_model__vision_cache="on").sft
    with pytest.raises(
        PipelineError,
        match=r"base_model.vision_cache is on, and cannot be: the vision tower is trained; set it auto or off",
    ):
        sft_stage.train(settings, *data, tmp_path / "again", None)


def test_stages_share_what_was_computed(tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SFT, RL and the evaluation of the base see the same images: the tower computes each image only once."""
    monkeypatch.setitem(REWARDS, "lottery", lottery)
    epochs = {"num_train_epochs": 2, "max_steps": -1, "save_strategy": "epoch"}
    settings = tiny_run.settings(
        grpo__training__max_steps=3,
        grpo__rewards={"lottery": 1.0},
        **{f"sft__training__{name}": value for name, value in epochs.items()},
    )
    examples = tiny_run.examples
    sft_stage.train(settings.sft, examples, examples, tiny_run.data, tiny_run.base, tmp_path / "sft", None)
    files = {path: path.stat().st_mtime_ns for path in files_of(tmp_path / VISION_CACHE)}
    assert len(files) == len({example.images for example in tiny_run.examples}) == 24
    grpo_stage.train(settings.grpo, tiny_run.examples, tiny_run.data, tiny_run.base, tmp_path / "grpo", None)
    (tmp_path / "base").symlink_to(tiny_run.base)
    log = tmp_path / "log"
    log.mkdir()
    answering.answer(settings.answer, tiny_run.examples, tiny_run.data, tmp_path / "base" / "model", AnswerLog(log))
    assert files == {path: path.stat().st_mtime_ns for path in files_of(tmp_path / VISION_CACHE)}


def test_answers_are_the_same_with_and_without(tiny_run: TinyRun, tmp_path: Path) -> None:
    model = tmp_path / "base" / "model"
    shutil.copytree(tiny_run.base / "model", model)
    with_large_weights(load(tiny_run)).save_pretrained(model)
    write_manifest(model, model.with_suffix(".json"))
    answers: list[Any] = []
    for wanted in ("off", "auto", "auto"):
        settings = tiny_run.settings(base_model__vision_cache=wanted)
        log = tmp_path / f"log {len(answers)}"
        log.mkdir()
        answering.answer(settings.answer, tiny_run.examples, tiny_run.data, model, AnswerLog(log))
        answers.append([answered.texts for answered in AnswerLog(log).read().values()])
    assert answers[0] == answers[1] == answers[2]
    assert len({str(texts) for texts in answers[0]}) == len(answers[0]) > 5
