"""What each stage's settings hold: a change reruns the stages that read it, and no other."""

import copy
from typing import Any

import pytest
import yaml
from places import REPO

from reinforced_cot.config import stage_settings
from reinforced_cot.config.validation import validated


def default() -> dict[str, Any]:
    """config.yaml as a run reads it; cases overwrite keys, so that tuning its values breaks none."""
    return validated(yaml.safe_load((REPO / "config/config.yaml").read_text(encoding="utf-8")))


def settings(config: dict[str, Any]) -> dict[str, str]:
    """Every settings file's text, by stage."""
    found: dict[str, Any] = {
        f"data/{split}": stage_settings.data_settings(config, split) for split in config["data"]["splits"]
    }
    found |= {policy: stage_settings.train_settings(config, policy) for policy in stage_settings.policies(config)}
    found["evaluation"] = stage_settings.eval_settings(config)
    return {stage: yaml.safe_dump(value, sort_keys=True) for stage, value in found.items()}


TRAINED = {"sft", "grpo", "gspo"}
DATA = {"data/train", "data/val", "data/test"}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("rl.grpo.training.learning_rate", 0.123, {"grpo"}),
        ("rl.grpo.training.num_iterations", 5, {"grpo"}),
        ("rl.grpo.lora.r", 3, {"grpo"}),
        ("rl.grpo.lora", None, {"grpo"}),
        ("rl.grpo.start", "adapter", {"grpo"}),
        ("rl.grpo.examples", 7, {"grpo"}),
        ("rl.gspo.training.epsilon", 0.007, {"gspo"}),
        ("rewards.brevity", 0.123, {"grpo", "gspo"}),
        ("sft.training.learning_rate", 0.123, {"sft"}),
        ("sft.selection.examples", 3, {"sft"}),
        ("evaluation.samples", 9, {"evaluation"}),
        ("evaluation.max_new_tokens", 9, {"evaluation"}),
        ("prompt.instruction", "Think.", TRAINED | {"evaluation"}),
        ("data.splits.test.size", 7, {"data/test"}),
        ("data.splits.train.size", 7, {"data/train"}),
        ("data.max_rejected_share", 0.5, DATA),
        ("image.max_pixels", 12345, DATA | {"base"}),
        ("base_model.tiny.pretraining", None, {"base"}),
        ("base_model.dtype", "bfloat16", TRAINED | {"base", "evaluation"}),
        ("seed", 99, DATA | TRAINED | {"base", "evaluation"}),
        ("launch.rl.threads", 7, set()),
        ("policies", ["grpo", "gspo"], set()),
    ],
)
def test_a_change_reaches_the_stages_that_read_it(key: str, value: Any, expected: set[str]) -> None:
    config = default()
    changed = copy.deepcopy(config)
    *path, last = key.split(".")
    section = changed
    for name in path:
        section = section[name]
    section[last] = value
    before, after = settings(config), settings(changed)
    assert {stage for stage in before if before[stage] != after[stage]} == expected


def test_policies_stand_in_the_order_of_the_report() -> None:
    assert stage_settings.policies({"policies": ["gspo", "mine"]}) == ["base", "sft", "gspo", "mine"]


def test_another_policys_section_is_not_read() -> None:
    config = default()
    del config["rl"]["gspo"]
    config["policies"] = ["grpo"]
    assert stage_settings.train_settings(config, "grpo") == stage_settings.train_settings(default(), "grpo")


def test_each_stage_gets_its_sections_alone() -> None:
    config = default()
    assert set(stage_settings.train_settings(config, "base")) == {"seed", "image", "base_model"}
    assert set(stage_settings.train_settings(config, "sft")) == {"seed", "prompt", "base_model", "sft"}
    assert set(stage_settings.train_settings(config, "grpo")) == {"seed", "prompt", "base_model", "rewards", "rl"}
    assert set(stage_settings.eval_settings(config)) == {"seed", "prompt", "base_model", "evaluation"}
    assert list(stage_settings.data_settings(config, "val")["data"]["splits"]) == ["val"]


def test_a_published_base_does_not_read_the_tiny_models_sizes() -> None:
    config = default()
    config["base_model"] |= {"path": "org/model", "revision": "a" * 40}
    assert "tiny" not in stage_settings.train_settings(config, "base")["base_model"]
    assert "tiny" in config["base_model"]  # the config stays as it was
