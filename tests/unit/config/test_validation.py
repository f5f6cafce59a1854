"""The configuration: a mistake in a key or a value gets its literal message (in several: test_config_cross.py)."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from config_samples import GRPO, LORA, changed, minimal, problems
from places import REPO

from reinforced_cot.policies.names import RESERVED

KEY_CASES = [
    # unknown keys
    ({"sed": 1}, "unknown key `sed`; did you mean `seed`?"),
    ({f"{GRPO}.num_generation": 8}, f"unknown key `{GRPO}.num_generation`; did you mean `num_generations`?"),
    (
        {"policies.sft.learning_rate": 1.0},
        "unknown key `policies.sft.learning_rate`; did you mean `policies.sft.training.learning_rate`?",
    ),
    (
        {"policies.sft.training.num_generations": 8},
        "unknown key `policies.sft.training.num_generations`; TRL's SFTConfig has no such field",
    ),
    ({"policies.sft.lora.rank": 8}, "unknown key `policies.sft.lora.rank`; PEFT's LoraConfig has no such field"),
    ({"image.size": 8}, "unknown key `image.size`; valid keys are min_pixels, max_pixels"),
    ({"policies.grpo.tranining": {}}, "unknown key `policies.grpo.tranining`; did you mean `training`?"),
    ({"rewards.corectness": 1}, "unknown key `rewards.corectness`; did you mean `correctness`?"),
    # names from elsewhere
    ({"model_name_or_path": "x"}, "unknown key `model_name_or_path`; it is `base_model.path`"),
    (
        {f"{GRPO}.max_prompt_length": 8},
        f"unknown key `{GRPO}.max_prompt_length`; prompts are bounded by `prompt.max_tokens`, and none is truncated",
    ),
    # one spelling of each key; a key beside a missing one; keys of the old form
    (
        {"policies.sft.from_policy": "base"},
        "unknown key `policies.sft.from_policy`; valid keys are method, from, start, "
        "examples, quantization, global_batch_size, lora, selection, training, chains, padding_free, like",
    ),
    ({"rl": None}, "`rl` is a key of the form before `policies` became a graph: see docs/configuration.md; remove it"),
    ({"sft": 3}, "`sft` is a key of the form before `policies` became a graph: see docs/configuration.md; remove it"),
    (
        {"rewards": {"correctness": 1.0, "my_rewards:polite:1": None}},
        "`rewards` names my_rewards:polite:1, with two colons: write `module:function: weight`, with a blank",
    ),
    # fields that the pipeline sets
    (
        {"policies.sft.training.output_dir": "x"},
        "`policies.sft.training.output_dir` is set by the pipeline (results/{policy}/checkpoints); remove it",
    ),
    (
        {"policies.sft.training.packing": True},
        "`policies.sft.training.packing` is not available: TRL packs no sequences with images; remove it",
    ),
    (
        {f"{GRPO}.seed": 3},
        f"`{GRPO}.seed` is set by the pipeline: there is one `seed`, at the top level; remove it",
    ),
    (
        {f"{GRPO}.vllm_importance_sampling_cap": 2.0},
        f"`{GRPO}.vllm_importance_sampling_cap` is deprecated by TRL: use `vllm_importance_sampling_clip_max` instead; "
        "remove it",
    ),
    (
        {"policies.sft.training.max_lenght": 1},
        "unknown key `policies.sft.training.max_lenght`; did you mean `max_length`? It is not "
        "available: nothing is ever "
        "truncated, since a cut prompt loses image tokens (`prompt.max_tokens`)",
    ),
]
VALUE_CASES = [
    ({f"{GRPO}.learning_rate": "1e-4"}, f'`{GRPO}.learning_rate` is "1e-4"; YAML reads 1e-4 as text: write 1.0e-4'),
    ({f"{GRPO}.learning_rate": "1.5E4"}, f'`{GRPO}.learning_rate` is "1.5E4"; YAML reads 1.5E4 as text: write 1.5e+4'),
    (
        {f"{GRPO}.learning_rate": "1.0e-4"},
        f'`{GRPO}.learning_rate` is "1.0e-4"; what is nested in --config is read as text: write it into a file for '
        "--configfile",
    ),
    ({f"{GRPO}.max_steps": "1e3"}, f'`{GRPO}.max_steps` is "1e3"; YAML reads 1e3 as text: write 1000'),
    (
        {"answer.batch_size": "16"},
        '`answer.batch_size` is "16"; write 16 without quotes (what is nested in --config is read as text: write '
        "it into a file for --configfile)",
    ),
    (
        {"policies.sft.training": {"gradient_checkpointing": "true"}},
        '`policies.sft.training.gradient_checkpointing` is "true"; it must be true or false '
        "(what is nested in --config is read "
        "as text: write it into a file for --configfile)",
    ),
    (  # a stage that there is not is no KeyError
        {"launch.dpo": {"topology": "zero3"}},
        "unknown key `launch.dpo`; valid keys are prepare_data, base_model, run_programs, filter_chains, sft, grpo, "
        "merge_lora, answer",
    ),
    (  # a key in the place of its name is printed nowhere
        {"chains": {"far": {"by": "endpoint", "url": "http://x", "model": "m", "key_env": "sk-proj-SECRET"}}},
        "`chains.far.key_env` must be the name of an environment variable in capitals, such as TEACHER_KEY, and not "
        "the key itself",
    ),
    (
        {"chains": {"far": {"by": "gqa_program"}}},
        '`chains.far.by` is "gqa_program"; write policy, endpoint, gqa_programs, or a function of yours as '
        "module:function",
    ),
    ({"data.splits.val": {"sise": 3, "size": 3}}, "unknown key `data.splits.val.sise`; did you mean `size`?"),
    (
        {"data.splits.val": [{"size": 3}, {"size": 3, "sise": 3}]},
        "unknown key `data.splits.val[1].sise`; did you mean `size`?",
    ),
    ({"data.splits.valid": {"size": 3}}, "unknown key `data.splits.valid`; did you mean `val`?"),
    (
        {"policies.sft.global_batch_size": 32, "launch.sft.processes": 6},
        "`policies.sft.global_batch_size` is 32; it must be a multiple of "
        "per_device_train_batch_size x processes, 8 x 6: "
        "6 processes share no 32 rows evenly: take 30 or 36 rows",
    ),
    (
        {f"{GRPO}.use_vllm": True, f"{GRPO}.vllm_max_model_length": 600},
        f"`{GRPO}.vllm_max_model_length` is 600; it must hold prompt.max_tokens and max_completion_length, 1024: raise "
        "it, or leave it out",
    ),
    ({"answer.batch_size": 16.0}, "`answer.batch_size` is 16.0; it must be a whole number"),
    ({"answer.batch_size": True}, "`answer.batch_size` is true; it must be a whole number"),
    ({"answer.batch_size": 0}, "`answer.batch_size` is 0; it must be at least 1"),
    ({f"{GRPO}.learning_rate": float("nan")}, f"`{GRPO}.learning_rate` is NaN; it must be a number"),
    ({f"{GRPO}.temperature": 0}, f"`{GRPO}.temperature` is 0; it must be above 0"),
    ({f"{GRPO}.num_generations": 1}, f"`{GRPO}.num_generations` is 1; it must be at least 2"),
    ({"seed": 5000000000}, "`seed` is 5000000000; it must be at most 4294967295"),
    ({"data.max_rejected_share": 2}, "`data.max_rejected_share` is 2; it must be at most 1"),
    ({"policies.sft.selection.examples": 0}, "`policies.sft.selection.examples` is 0; it must be at least 1"),
    ({"policies.sft": None}, "`policies.sft` is null; it must be a mapping of keys to values"),
    ({"prompt": None}, "`prompt` is null; it must be a mapping of keys to values"),
    ({"policies.sft.quantization": "int4"}, '`policies.sft.quantization` is "int4"; did you mean "int8"?'),
    (
        {"policies.sft.training.optim": "adamw_torchh"},
        '`policies.sft.training.optim` is "adamw_torchh"; did you mean "adamw_torch"?',
    ),
    (
        {"policies.sft.training.logging_strategy": False},
        '`policies.sft.training.logging_strategy` is false; YAML reads an unquoted no as false: write "no"',
    ),
    ({"report": ["base", "base"]}, '`report` is ["base", "base"]; it names an entry twice'),
    ({"report": []}, "`report` is []; it must have at least 1 entry"),
    (
        {"policies.GRPO": {"method": "grpo", "from": "sft", "lora": LORA}},
        "`policies.GRPO`: a policy's name is lower-case letters, digits and _, and begins with a letter",
    ),
    *(
        (
            {f"policies.{name}": {"method": "sft", "from": "base", "lora": LORA}},
            f"`policies.{name}`: the results folder needs that name for {meaning}; choose another",
        )
        for name, meaning in {**RESERVED, "seed_12": RESERVED[r"seed_\d+"]}.items()
        if name.isidentifier()
    ),
    (
        {"policies.dpo": {"method": "gpro", "from": "sft", "lora": LORA}},
        '`policies.dpo.method` is "gpro"; did you mean "grpo"?',
    ),
    (
        {"policies.dpo": {"from": "sft", "lora": LORA}},
        "`policies.dpo.method` is missing; write one of sft, grpo",
    ),
    (
        {"policies.dpo": {"method": "sft", "lora": LORA}},
        "`policies.dpo.from` is missing; write base, or the name of the policy that it starts from",
    ),
    (
        {"base_model.path": "a/b", "base_model.revision": "main"},
        '`base_model.revision` is "main"; give the full commit hash (40 hexadecimal digits); a branch or a tag '
        "can move",
    ),
    (
        {"policies.grpo.lora": {"r": 8}},
        "`policies.grpo.lora.target_modules` is missing; name the modules, for instance [q_proj, k_proj, v_proj]",
    ),
]


@pytest.mark.parametrize(("changes", "message"), [*KEY_CASES, *VALUE_CASES])
def test_a_mistake_is_explained(changes: dict[str, Any], message: str) -> None:
    assert problems(changed(changes)) == [message]


def test_every_problem_is_listed_at_once() -> None:
    changes = {
        f"{GRPO}.lerning_rate": 1,
        "policies.sft.training.max_steps": "1e3",
        "image.min_pixels": 60000,
        "base_model.tiny.pretraining": None,
        "report": ["base", "gsp"],
    }
    found = problems(changed(changes))
    assert sorted(line.split("`")[1] for line in found) == [
        "image",
        f"{GRPO}.lerning_rate",
        "policies.sft.training.max_steps",
        "report",
    ]


def test_a_like_that_leads_nowhere_hides_nothing() -> None:
    changes = {"policies.gspo": {"like": "gpo"}, "policies.sft.exampels": 3, "policies.grpo.from": "nowhere"}
    assert problems(changed(changes)) == [
        "`policies.gspo.like` is gpo, which has no settings under `policies`; did you mean grpo?",
        "unknown key `policies.sft.exampels`; did you mean `examples`?",
        "`policies.grpo.from` is nowhere, which is no policy; there are base, sft, grpo, gspo",
    ]


def test_a_misspelt_like_is_named() -> None:
    assert problems(changed({"policies.zero": {"liek": "grpo", "from": "base"}})) == [
        "unknown key `policies.zero.liek`; did you mean `like`?",
        "`policies.zero.method` is missing; write one of sft, grpo",
    ]


def test_a_policy_is_like_one_of_its_own_method() -> None:
    assert problems(changed({"policies.other": {"like": "grpo", "method": "sft"}})) == [
        "`policies.other.method` is sft, and it is like grpo, whose method is grpo; a policy is only like one of its "
        "own method"
    ]


def test_like_null_is_no_like() -> None:
    assert problems(changed({"policies.grpo.like": None})) == []


def test_a_mistake_is_told_of_the_policy_that_makes_it() -> None:
    changes = {"policies.grpo.exampels": 3, "policies.gspo": {"like": "grpo"}}
    assert problems(changed(changes)) == ["unknown key `policies.grpo.exampels`; did you mean `examples`?"]


def test_missing_sections_are_named_once_each() -> None:
    config = minimal()
    del config["policies"], config["report"]
    assert problems(config) == [
        "`report` is missing; docs/configuration.md says what it means",
        "`policies` is missing; docs/configuration.md says what it means",
    ]


def checkpoint(folder: Path, content: str) -> dict[str, Any]:
    folder.mkdir()
    (folder / "config.json").write_text(content, encoding="utf-8")
    return {"base_model.path": str(folder), f"{GRPO}.use_vllm": True}


def test_the_family_of_a_folder_is_checked_at_once(tmp_path: Path) -> None:
    for number, content in enumerate(('{"model_type": "llava"}', "[]", "{")):
        (problem,) = problems(changed(checkpoint(tmp_path / f"unknown-{number}", content)))
        assert problem.startswith(f"`base_model.path`: {tmp_path}/unknown-{number} ")
    assert (
        "is a model of type llava, which is not supported; use one of Qwen2-VL (qwen2_vl), "
        in problems(changed({"base_model.path": str(tmp_path / "unknown-0")}))[0]
    )
    assert problems(changed(checkpoint(tmp_path / "qwen", '{"model_type": "qwen3_vl"}'))) == []


def test_rollouts_by_vllm_are_refused_by_family(tmp_path: Path) -> None:
    assert problems(changed(checkpoint(tmp_path / "internvl", '{"model_type": "internvl"}'))) == [
        "`policies.grpo.training.use_vllm` is true; rollouts by vLLM are known to be right for Qwen2-VL, Qwen2.5-VL, "
        "Qwen3-VL only, and the base is InternVL: set it false"
    ]


def test_dry_run_needs_no_torch() -> None:
    code = (
        "import reinforced_cot.config.validation, sys\n"
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'trl')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPO / "workflow" / "scripts").returncode == 0
