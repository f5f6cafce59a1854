"""A fingerprint tells one run from another, and says in what they differ."""

from pathlib import Path

import pytest

from reinforced_cot.code_hashes import code_hashes
from reinforced_cot.files import read_json, write_json
from reinforced_cot.paths import SCRIPTS
from reinforced_cot.run_fingerprint import FINGERPRINT, claim_folder, differences, fingerprint


def test_the_fingerprint_depends_on_all_that_a_run_reads(tmp_path: Path) -> None:
    script, inputs = SCRIPTS / "sft.py", [tmp_path / "train.jsonl", tmp_path / "model.json"]
    for path in inputs:
        path.write_text(path.name)
    settings = {"seed": 1, "policy": {"lora": {"target_modules": ["q_proj"]}, "examples": None}}
    mark = fingerprint(script, settings, inputs)
    assert mark == fingerprint(script, settings, inputs)
    assert mark["code"] == code_hashes(script)
    of_answers = {"math-verify", "sympy", "pint"}
    assert set(mark["libraries"]) == {"torch", "transformers", "trl", "peft", "accelerate", *of_answers}
    assert set(mark["inputs"]) == {"train.jsonl", "model.json"}
    write_json(tmp_path / "mark.json", mark)
    assert read_json(tmp_path / "mark.json") == mark  # otherwise no run would ever resume
    assert fingerprint(script, {**settings, "seed": 2}, inputs) != mark
    assert fingerprint(SCRIPTS / "grpo.py", settings, inputs) != mark
    inputs[0].touch()
    assert fingerprint(script, settings, inputs) == mark  # by content, not by time
    inputs[0].write_text("another")
    assert fingerprint(script, settings, inputs) != mark


def test_what_differs_is_named() -> None:
    before = {"settings": {"seed": 1, "policy": {"training": {"learning_rate": 0.1}}}, "code": {"sft": "1f", "a": "2"}}
    now = {"settings": {"seed": 1, "policy": {"training": {"learning_rate": 0.2}}}, "code": {"sft": "1e", "a": "2"}}
    assert list(differences(before, now)) == ["code.sft", "settings.policy.training.learning_rate 0.1 -> 0.2"]
    assert list(differences(before, before)) == []
    assert list(differences({"a": 1}, {})) == ["a 1 -> None"]
    assert list(differences({"a": "x" * 50}, {"a": "y"})) == ["a"]


@pytest.mark.parametrize("damaged", ["", "{", "null", '{"settings": 2}', None])
def test_a_folder_whose_fingerprint_is_damaged_is_emptied(tmp_path: Path, damaged: str | None) -> None:
    folder, mark = tmp_path / "partial", {"settings": 1}
    claim_folder(folder, mark)
    (folder / "shard_0.jsonl").touch()
    claim_folder(folder, mark)
    assert (folder / "shard_0.jsonl").is_file()
    (folder / FINGERPRINT).unlink() if damaged is None else (folder / FINGERPRINT).write_text(damaged)
    claim_folder(folder, mark)
    assert read_json(folder / FINGERPRINT) == mark and not (folder / "shard_0.jsonl").exists()
