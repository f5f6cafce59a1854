"""Configurations that are taken: what is allowed, what is filled in, and what is warned about."""

import copy
from typing import Any

import pytest
from config_samples import COMMIT, GRPO, LORA, ON_GPUS, PHOTOS, TINY, changed, photos, problems
from places import REPO

from reinforced_cot.config.checks import warnings_of
from reinforced_cot.config.stage_settings import with_trl_defaults
from reinforced_cot.config.validation import refuse_policy, validated
from reinforced_cot.errors import ConfigError
from reinforced_cot.sources.settings import Source

LATER = {"method": "grpo", "from": "sft", "lora": LORA, "training": {"num_iterations": 2, "save_steps": 7}}
GENERATED = {"source": "digits", "size": 100}
ALLOWED: list[dict[str, Any]] = [
    {},
    {"report": ["base", "sft"]},
    {"report": ["base"]},
    {"report": ["gspo", "base"]},
    {"policies.zero": {"like": "grpo", "from": "base"}, "report": ["base", "zero"]},
    {"policies.twice": {"like": "sft", "from": "grpo"}, "report": ["twice"]},
    {"rewards": {"correctness": 1.0, "brevity": None}},
    {"rewards": "original"},
    {"policies.grpo.rewards": "original"},
    {"policies.grpo.rewards": None},
    {"policies.grpo.rewards": {"original": 0.5, "format": 1}},
    {"seeds": [2, 3]},
    photos(),
    photos(val={"file": "b.jsonl", "images": "photos"}),
    photos(val=[{**PHOTOS, "part": [0.5, 0.6]}, {**PHOTOS, "file": "b.jsonl", "part": [0.1, 0.3], "size": 0.5}]),
    photos(test=[{"source": "digits", "size": 5}, {**PHOTOS, "part": [0.7, 1], "size": 7}]),
    {"data.splits.test": {"source": "gqa_cot", **PHOTOS}},
    {"data.source": None, "data.splits": {split: [GENERATED] for split in ("train", "val", "test")}},
    {
        "base_model.path": "Qwen/Qwen2.5-VL-3B-Instruct",
        "base_model.revision": COMMIT,
        "base_model.trust_remote_code": True,
    },
    {"base_model.path": str(REPO / "tests/data/checkpoint")},  # a folder needs no revision
    {"policies.later": LATER},  # not made: nothing in the report needs it
    {f"{GRPO}.fp16": True, f"{GRPO}.bf16": False, "base_model.dtype": "bfloat16"},
    {f"{GRPO}.steps_per_generation": 3, f"{GRPO}.gradient_accumulation_steps": 3},
    {f"{GRPO}.generation_batch_size": 128, f"{GRPO}.save_steps": 4},
    {"policies.grpo.global_batch_size": 64, f"{GRPO}.per_device_train_batch_size": 32, "launch.grpo.processes": 2},
    {"launch.sft": {"topology": "zero2", "processes": 8}, "policies.sft.quantization": "nf4"},
    {"launch.answer": {"topology": "multi_gpu", "processes": 8}},
    {"policies.sft.lora": None, "policies.grpo.lora": None},
    {"base_model.attn_implementation": "flash_attention_2", "base_model.dtype": "bfloat16", **ON_GPUS},
    {"policies.grpo.start": "adapter"},
    {"policies.grpo.start": "adapter", "policies.grpo.quantization": "nf4"},
    {f"{GRPO}.learning_rate": 1},  # an integer is a number
    {f"{TINY}.hidden_size": 24, f"{TINY}.vision_hidden_size": 80},
    {"policies.sft.lora.target_modules": "all-linear"},
    {"policies.sft.lora.target_modules": r".*language_model.*\.(q|k)_proj"},
    {
        "base_model.path": str(REPO / "tests/data/checkpoint"),
        "answer.max_new_tokens": 4096,
    },
]


@pytest.mark.parametrize("changes", ALLOWED)
def test_what_is_right_passes(changes: dict[str, Any]) -> None:
    assert problems(changed(changes)) == []


def test_defaults_are_filled_in_a_copy() -> None:
    config = changed({"rewards": {"format": 1.0}, "policies.later": LATER})
    before = copy.deepcopy(config)
    result = validated(config)
    assert config == before
    assert (result.seed, result.report, result.rewards) == (1, ("base", "sft", "grpo", "gspo"), {"format": 1.0})
    assert result.made == ["sft", "grpo", "gspo"]
    [source] = result.data.sources("val")
    assert source.as_dict() == dict.fromkeys(Source.model_fields) | {"source": "digits", "size": 100}
    assert result.base_model.tiny.architecture.hidden_size == 96
    assert result.launch.of("merge_lora").as_dict() == {"topology": "cpu", "processes": None, "threads": 1}
    # TRL's and PEFT's defaults stay theirs, but for the fields that stage scripts read.
    assert result.policies["sft"].lora == LORA
    assert result.policies["sft"].training == config["policies"]["sft"]["training"]
    assert with_trl_defaults(result.policies["sft"]).training == {
        "save_strategy": "epoch",
        "save_steps": 500,
        "per_device_train_batch_size": 8,
        "gradient_accumulation_steps": 1,
    }
    assert with_trl_defaults(result.policies["grpo"]).training == {
        **config["policies"]["grpo"]["training"],
        "gradient_accumulation_steps": 1,
        "generation_batch_size": None,
        "steps_per_generation": None,
        "num_generations": 8,
        "max_completion_length": 512,
    }


def test_a_policy_that_the_report_does_not_need_is_checked_where_it_is_asked_for() -> None:
    config = validated(changed({"policies.later": LATER}))
    with pytest.raises(ConfigError, match=r"`policies.later.training.save_steps` is 7; it must be a multiple of"):
        refuse_policy(config, "later")
    for further in ({}, {"global_batch_size": 128}):
        refuse_policy(validated(changed({"policies.later": {"like": "grpo", "from": "base", **further}})), "later")


GSPO = "policies.gspo.training"
WARNINGS = [
    ({}, []),
    (
        {f"{GSPO}.epsilon": 0.2},
        [
            f"`{GSPO}.epsilon` is 0.2 at sequence level; a sequence's ratio is a geometric mean, stays near 1 and "
            "is never clipped: GSPO's paper has epsilon 3.0e-4 and epsilon_high 4.0e-4"
        ],
    ),
    ({f"{GSPO}.epsilon": 3.0e-4, f"{GSPO}.epsilon_high": 4.0e-4}, []),
    (
        {f"{GSPO}.loss_type": "bnpo"},
        [
            f"`{GSPO}.loss_type` is bnpo at sequence level; it weighs long completions more, and GSPO's paper averages "
            "over sequences: use grpo"
        ],
    ),
    ({f"{GSPO}.beta": 0.04}, [f"`{GSPO}.beta` is 0.04 at sequence level; GSPO's paper has no KL term: use 0.0"]),
    (
        {f"{GRPO}.epsilon": 3.0e-4},
        [
            f"`{GRPO}.epsilon` is 0.0003 at token level, where ratios deviate more from 1, and most tokens would be "
            "clipped: use 0.2, or importance_sampling_level sequence"
        ],
    ),
    (
        {f"{GRPO}.num_iterations": 1},
        [
            f"`{GRPO}` makes one optimizer step per generation, so that every importance ratio is 1 and "
            "importance_sampling_level and epsilon have no effect: raise num_iterations or steps_per_generation"
        ],
    ),
    ({f"{GRPO}.num_iterations": 1, f"{GRPO}.steps_per_generation": 2}, []),
    ({f"{GSPO}.epsilon": 0.2, "report": ["base", "sft", "grpo"]}, []),  # not made
    # what contradicts the paper of the loss that is named
    (
        {f"{GRPO}.loss_type": "dr_grpo"},
        [
            f"`{GRPO}.scale_rewards` is group with loss_type dr_grpo; its paper does not divide by the deviation, "
            'which favours questions that are too easy or too hard: use "none"'
        ],
    ),
    ({f"{GRPO}.loss_type": "dr_grpo", f"{GRPO}.scale_rewards": "none"}, []),
    (
        {f"{GRPO}.loss_type": "cispo", f"{GRPO}.epsilon_high": 0.28},
        [
            f"`{GRPO}.epsilon_high` is 0.28 with loss_type cispo, where it is the largest importance weight itself, so "
            "that every weight would be cut: use 5.0"
        ],
    ),
    ({f"{GRPO}.loss_type": "cispo", f"{GRPO}.epsilon_high": 5.0}, []),
    (
        {f"{GRPO}.loss_type": "sapo", f"{GRPO}.sapo_temperature_neg": 1.0},
        [
            f"`{GRPO}.sapo_temperature_neg` is 1.0, not above sapo_temperature_pos; its paper lets the gate of "
            "negative advantages close sooner: use 1.05 and 1.0"
        ],
    ),
    (
        {f"{GRPO}.loss_type": "dapo", f"{GRPO}.beta": 0.04},
        [
            f"`{GRPO}.beta` is 0.04 with loss_type dapo; its paper has no KL term: use 0.0",
            f"`{GRPO}.epsilon_high` is null with loss_type dapo; its paper clips higher above than below: use 0.28",
        ],
    ),
]


@pytest.mark.parametrize(("changes", "expected"), WARNINGS)
def test_what_contradicts_the_method_is_warned_about(changes: dict[str, Any], expected: list[str]) -> None:
    assert warnings_of(validated(changed({"answer.max_new_tokens": 512, **changes}))) == expected


def test_answers_that_would_be_cut_off_and_keys_that_are_not_set_are_warned_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = {"by": "endpoint", "url": "http://a/v1", "model": "m", "key_env": "NO_SUCH_KEY"}
    changes = {"answer.max_new_tokens": 100, f"{GRPO}.max_completion_length": 200, "judges": {"grader": judge}}
    given = changed({**changes, "report": ["grpo"], "rewards": {"judges.grader": 1.0}})
    assert warnings_of(validated(given)) == [
        f"`answer.max_new_tokens` is 100, and `{GRPO}.max_completion_length` lets completions have 200 tokens: longer "
        "answers to the test split are cut off, and none of those is right",
        "the environment has no NO_SUCH_KEY, which a judge names as key_env: export it where the job runs",
    ]
    monkeypatch.setenv("NO_SUCH_KEY", "x")
    assert len(warnings_of(validated(given))) == 1
