"""A killed run continues from its newest complete checkpoint, and only from its own."""

from pathlib import Path
from typing import Any

import pytest

from reinforced_cot.code_hashes import code_hashes
from reinforced_cot.files import read_json, write_json
from reinforced_cot.paths import SCRIPTS
from reinforced_cot.run_fingerprint import fingerprint, resume_point

RUN = {"settings": {"seed": 1}, "code": {"sft": "1f"}, "inputs": {"train.jsonl": "2e"}}


def checkpoint(folder: Path, step: int, complete: bool = True) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "adapter_model.safetensors").write_bytes(b"weights")
    if complete:
        (path / "trainer_state.json").write_text("{}")
    return path


def test_a_first_run_starts_afresh(tmp_path: Path) -> None:
    assert resume_point(tmp_path / "checkpoints", RUN) is None
    assert read_json(tmp_path / "checkpoints/fingerprint.json") == RUN


def test_the_newest_complete_checkpoint_is_taken(tmp_path: Path) -> None:
    assert resume_point(tmp_path, RUN) is None
    for step in (2, 10, 9):
        checkpoint(tmp_path, step)
    checkpoint(tmp_path, 11, complete=False)
    assert resume_point(tmp_path, RUN) == tmp_path / "checkpoint-10"
    assert resume_point(tmp_path, RUN) == tmp_path / "checkpoint-10"  # looking changes nothing


def test_without_a_complete_checkpoint_a_run_starts_afresh(tmp_path: Path) -> None:
    resume_point(tmp_path, RUN)
    checkpoint(tmp_path, 2, complete=False)
    assert resume_point(tmp_path, RUN) is None


@pytest.mark.parametrize(
    "other",
    [
        {**RUN, "settings": {"seed": 2}},
        {**RUN, "code": {"sft": "1e"}},
        {**RUN, "inputs": {"train.jsonl": "2f"}},
        {key: value for key, value in RUN.items() if key != "inputs"},
    ],
)
def test_another_runs_checkpoints_are_removed(tmp_path: Path, other: dict[str, Any]) -> None:
    resume_point(tmp_path, RUN)
    old = checkpoint(tmp_path, 2)
    assert resume_point(tmp_path, other) is None
    assert not old.exists() and read_json(tmp_path / "fingerprint.json") == other


def test_checkpoints_without_a_fingerprint_are_removed(tmp_path: Path) -> None:
    old = checkpoint(tmp_path, 2)
    assert resume_point(tmp_path, RUN) is None
    assert not old.exists()


def test_the_fingerprint_depends_on_all_that_a_run_reads(tmp_path: Path) -> None:
    script, inputs = SCRIPTS / "sft.py", [tmp_path / "train.jsonl", tmp_path / "model.json"]
    for path in inputs:
        path.write_text(path.name)
    settings = {"seed": 1, "policy": {"lora": {"target_modules": ["q_proj"]}, "examples": None}}
    mark = fingerprint(script, settings, inputs)
    assert mark == fingerprint(script, settings, inputs)
    assert mark["code"] == code_hashes(script)
    assert set(mark["libraries"]) == {"torch", "transformers", "trl", "peft", "accelerate"}
    assert set(mark["inputs"]) == {"train.jsonl", "model.json"}
    write_json(tmp_path / "mark.json", mark)
    assert read_json(tmp_path / "mark.json") == mark  # otherwise no run would ever resume
    assert fingerprint(script, {**settings, "seed": 2}, inputs) != mark
    assert fingerprint(SCRIPTS / "grpo.py", settings, inputs) != mark
    inputs[0].touch()
    assert fingerprint(script, settings, inputs) == mark  # by content, not by time
    inputs[0].write_text("another")
    assert fingerprint(script, settings, inputs) != mark
