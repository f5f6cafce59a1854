"""What each stage's settings hold: a change reruns the stages that read it, and no other."""

import copy
from typing import Any

import pytest
import yaml
from places import REPO

from reinforced_cot.config import stage_settings
from reinforced_cot.config.validation import validated


def default() -> dict[str, Any]:
    """config.yaml; cases overwrite keys, so that tuning its values breaks none."""
    content: dict[str, Any] = yaml.safe_load((REPO / "config/config.yaml").read_text(encoding="utf-8"))
    return content


def settings(content: dict[str, Any]) -> dict[str, str]:
    """Every settings file's text, by stage."""
    config = validated(content)
    found: dict[str, Any] = {f"data/{split}": stage_settings.data_settings(config, split) for split in SPLITS}
    found |= {"base": stage_settings.base_settings(config), "answer": stage_settings.answer_settings(config)}
    found |= {policy: stage_settings.train_settings(config, policy) for policy in config.made}
    return {stage: yaml.safe_dump(value.as_dict(), sort_keys=True) for stage, value in found.items()}


SPLITS = ("train", "val", "test")
TRAINED = {"sft", "grpo", "gspo"}
DATA = {"data/train", "data/val", "data/test"}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("policies.grpo.training.learning_rate", 0.123, {"grpo", "gspo"}),
        ("policies.grpo.training.num_iterations", 5, {"grpo", "gspo"}),
        ("policies.grpo.lora.r", 3, {"grpo", "gspo"}),
        ("policies.grpo.lora", None, {"grpo", "gspo"}),
        ("policies.grpo.start", "adapter", {"grpo", "gspo"}),
        ("policies.grpo.examples", 17, {"grpo", "gspo"}),
        ("policies.gspo.training.epsilon", 0.007, {"gspo"}),
        ("rewards.brevity", 0.123, {"grpo", "gspo"}),
        ("policies.sft.training.learning_rate", 0.123, {"sft"}),
        ("policies.sft.selection.examples", 3, {"sft"}),
        ("policies.grpo.selection", {"examples": 3}, set()),  # read where the adapter's base is quantized
        ("policies.twice", {"like": "sft", "from": "grpo"}, set()),
        ("answer.samples", 9, {"answer"}),
        ("answer.max_new_tokens", 9, {"answer"}),
        ("prompt.instruction", "Think.", TRAINED | {"answer"}),
        ("data.splits.test.size", 7, {"data/test"}),
        ("data.splits.train.size", 70, {"data/train"}),
        ("data.max_rejected_share", 0.5, DATA),
        ("image.max_pixels", 12345, DATA | {"base"}),
        ("base_model.tiny.pretraining", None, {"base"}),
        ("base_model.dtype", "bfloat16", TRAINED | {"answer"}),
        ("seed", 99, DATA | TRAINED | {"base", "answer"}),
        ("launch.grpo.threads", 7, set()),
        ("report", ["gspo", "grpo", "sft"], set()),
    ],
)
def test_a_change_reaches_the_stages_that_read_it(key: str, value: Any, expected: set[str]) -> None:
    config = default()
    changed = copy.deepcopy(config)
    *path, last = key.split(".")
    section = changed
    for name in path:
        section = section.setdefault(name, {})
    section[last] = value
    before, after = settings(config), settings(changed)
    assert {stage for stage in before if before[stage] != after[stage]} == expected


def test_another_policys_section_is_not_read() -> None:
    content = default()
    del content["policies"]["gspo"]
    content["report"].remove("gspo")
    alone, beside = validated(content), validated(default())
    assert stage_settings.train_settings(alone, "grpo") == stage_settings.train_settings(beside, "grpo")


def test_a_published_base_does_not_read_the_tiny_models_sizes() -> None:
    content = default()
    content["base_model"] |= {"path": "org/model", "revision": "a" * 40}
    config = validated(content)
    assert stage_settings.base_settings(config).base_model.tiny is None
    assert config.base_model.tiny.vocab_size == 512


def test_a_policy_that_repeats_a_method_of_its_ancestors_is_told_so() -> None:
    content = default()
    content["policies"]["twice"] = {"like": "sft", "from": "grpo"}
    content["policies"]["thrice"] = {"like": "sft", "from": "twice"}
    config = validated(content)
    found = {name: stage_settings.train_settings(config, name).repeats for name in config.policies}
    assert found == {"sft": 0, "grpo": 0, "gspo": 0, "twice": 1, "thrice": 2}


def test_a_quantized_rl_policy_says_which_questions_its_merge_asks() -> None:
    content = default()
    content["policies"]["grpo"] |= {"quantization": "nf4", "selection": {"examples": 7}}
    settings = stage_settings.train_settings(validated(content), "grpo")
    assert settings.policy.selection.examples == 7
