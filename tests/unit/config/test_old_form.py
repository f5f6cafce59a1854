"""Files in the old form are refused, with the same file in the present form."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from config_samples import LORA
from snakemake.utils import update_config

from reinforced_cot.config.old_form import in_new_form, is_old_form
from reinforced_cot.config.validation import validated
from reinforced_cot.config.yaml_files import refuse_files
from reinforced_cot.errors import ConfigError

TRAINING = {"per_device_train_batch_size": 64, "num_iterations": 2, "save_steps": 20}
OLD: dict[str, Any] = {
    "policies": ["grpo", "continued"],
    "data": {"source": "digits", "splits": {split: {"size": 100} for split in ("train", "val", "test")}},
    "sft": {"lora": LORA, "training": {"save_strategy": "epoch"}, "selection": {"examples": 7}},
    "rl": {
        "grpo": {"lora": LORA, "quantization": "nf4", "training": TRAINING},
        "continued": {"like": "grpo", "start": "adapter"},
    },
    "evaluation": {"batch_size": 3, "gqa_questions": None},
    "launch": {"rl": {"threads": 2}, "evaluate": {"threads": 3}, "sft": {"threads": 1}},
}


def test_a_file_in_the_old_form_becomes_a_valid_one_that_says_the_same() -> None:
    new = in_new_form(OLD)
    assert list(new) == ["report", "data", "policies", "answer", "evaluate", "launch"]
    config = validated(new)
    assert config.report == ("base", "sft", "grpo", "continued") and config.made == ["sft", "grpo", "continued"]
    grpo, continued = config.policies["grpo"], config.policies["continued"]
    assert (grpo.method, grpo.from_policy, grpo.start, grpo.quantization) == ("grpo", "sft", "model", "nf4")
    assert grpo.selection.examples == 7  # what a merge of its adapter asks was SFT's before
    assert continued.start == "adapter" and continued.training == grpo.training
    assert config.policies["sft"].selection.examples == 7 and config.answer.batch_size == 3
    assert [config.launch.of(stage).threads for stage in ("sft", "grpo", "answer")] == [1, 2, 3]
    assert not is_old_form(new) and in_new_form(new) == new


def test_a_preset_in_the_old_form_may_say_little() -> None:
    preset = {"policies": ["grpo", "mine"], "rl": {"mine": {"like": "grpo", "training": {"beta": 0.1}}}}
    merged = in_new_form(OLD)
    update_config(merged, in_new_form(preset))
    config = validated(merged)
    assert config.report == ("base", "sft", "grpo", "mine") and config.policies["mine"].training["beta"] == 0.1


@pytest.mark.parametrize("key", ["sft", "rl", "evaluation", "policies", "launch"])
def test_each_key_of_the_old_form_is_known(key: str) -> None:
    assert is_old_form({key: OLD[key]})


def test_the_refusal_shows_the_file_in_the_present_form(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(OLD))
    with pytest.raises(ConfigError) as caught:
        refuse_files([path])
    head, _, shown = str(caught.value).partition("\n\n")
    assert head.startswith(f"{path} is in the form that was used before `policies` became a graph.")
    assert yaml.safe_load(shown) == in_new_form(OLD)


@pytest.mark.parametrize(
    "content",
    [{"rl": [1]}, {"rl": 3}, {"sft": "x"}, {"sft": [1]}, {"evaluation": ["a"]}, {"policies": None}, {"policies": [1]}],
)
def test_what_is_of_another_type_is_left_to_the_validation(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(yaml.safe_dump(content))
    refuse_files([path])
    assert not is_old_form(content)


def test_what_stands_in_both_forms_is_kept() -> None:
    both = {"policies": None, "sft": {"lora": LORA}, "answer": {"samples": 1}, "evaluation": {"batch_size": 2}}
    new = in_new_form(both)
    assert new["policies"]["sft"]["lora"] == LORA and new["answer"] == {"samples": 1, "batch_size": 2}
    assert in_new_form({"policies": ["base", "sft", "grpo"]}) == {"report": ["base", "sft", "grpo"]}


def test_jobs_of_a_stage_under_both_names_are_merged() -> None:
    launch = {"evaluate": {"threads": 1}, "answer": {"processes": 2}, "rl": None}
    assert in_new_form({"launch": launch}) == {"launch": {"answer": {"threads": 1, "processes": 2}}}
