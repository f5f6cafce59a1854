"""Mistakes in data, base model and tiny model that span keys: each is one line, which names the keys."""

import json
from typing import Any

import pytest
from config_samples import COMMIT, GRPO, PHOTOS, TINY, changed, photos, problems

from reinforced_cot.scoring.rewards import REWARDS

CASES = [
    # the tiny model
    (
        {f"{TINY}.hidden_size": 100},
        f"`{TINY}.hidden_size` is 100; it must be a multiple of 2 x num_attention_heads, 8",
    ),
    (
        {f"{TINY}.num_key_value_heads": 3},
        f"`{TINY}.num_attention_heads` is 4; it must be a multiple of num_key_value_heads, 3",
    ),
    (
        {f"{TINY}.vision_hidden_size": 72},
        f"`{TINY}.vision_hidden_size` is 72; it must be a multiple of 4 x vision_num_heads, 16",
    ),
    (
        {"base_model.tiny.pretraining.mix": dict.fromkeys(("caption", "short", "steps", "chain"), 0)},
        "`base_model.tiny.pretraining.mix` has no share above 0; the language model needs something to read",
    ),
    (
        {"answer.max_new_tokens": 2048},
        "`answer.max_new_tokens` is 2048; the tiny model has 2048 positions, for prompt and completion together",
    ),
    (
        {"policies.sft.selection.every": 10},
        "`policies.sft.selection.every` is 10; SFT is validated at each checkpoint: set "
        "`policies.sft.training.save_steps`, with `save_strategy: steps`",
    ),
    (
        {"policies.grpo.selection": {"every": 15, "max_new_tokens": 512}},
        "`policies.grpo.selection.every` is 15; it must be a multiple of `policies.grpo.training.save_steps`, 20: a "
        "checkpoint is chosen among the saved ones",
    ),
    (
        {"policies.grpo.selection.patience": 2},
        "`policies.grpo.selection.patience` is only read with `policies.grpo.selection.every`; set that too, or this "
        "null",
    ),
    (
        {"policies.grpo.selection": {"every": 20, "max_new_tokens": 32}},
        "`policies.grpo.selection.max_new_tokens` is 32, and completions may have 512 tokens "
        "(`policies.grpo.training.max_completion_length`): longer answers would be cut off, and be wrong; set it to "
        "512, or `allow_cut_off` true",
    ),
    (
        {"policies.sft.selection.max_new_tokens": 3000},
        "`policies.sft.selection.max_new_tokens` is 3000; the tiny model has 2048 positions, for "
        "prompt and completion together",
    ),
    (
        {f"{TINY}.max_position_embeddings": 512, "report": ["base", "sft", "grpo"]},  # TRL's default is 512, too
        f"`{GRPO}.max_completion_length` is 512; the tiny model has 512 positions, for prompt and completion together",
    ),
    (
        {"image.min_pixels": 12544},
        "`image.min_pixels` is 12544; the tiny model is trained on digit scenes of 3136 pixels, which must stay as "
        "they are: change it or set `base_model.tiny.pretraining` null",
    ),
    (
        {"launch.base_model": {"gpus": 1}},
        "unknown key `launch.base_model.gpus`; valid keys are threads",
    ),
    # data
    (
        {"data.splits.val": {"size": None}},
        "`data.splits.val.size` is null; digits are generated, say how many questions",
    ),
    (
        {"data.splits.val.file": "a.jsonl"},
        "`data.splits.val.file` is not read by source digits; remove it, or name another source",
    ),
    (
        {"data.splits.val": [{"size": 3}, {"size": 4, "images": "photos"}]},
        "`data.splits.val[1].images` is not read by source digits; remove it, or name another source",
    ),
    (
        {"data.splits.val": {"source": "gqa_cot", "file": "a.jsonl"}},
        "`data.splits.val.images` is missing; `source: gqa_cot` reads it",
    ),
    (
        {"data.source": None, "data.splits.val.source": "digits", "data.splits.test.source": "digits"},
        "`data.splits.train.source` is missing; name the source there, or one for all splits as `data.source`",
    ),
    (
        photos(test=[{**PHOTOS, "file": "b.jsonl"}, {**PHOTOS, "file": "./a.jsonl", "part": [0.6, 1]}]),
        "`data.splits.val.part` [0.5, 0.7] and `data.splits.test[1].part` [0.6, 1] overlap, and both read a.jsonl; "
        "give parts that share nothing",
    ),
    (
        {"data.splits.test": []},
        "`data.splits.test` is []; it must have at least 1 entry",
    ),
    (
        {"data.splits.train": [{"size": 3}, {"size": 4}], "report": ["base", "sft", "grpo"]},
        "`data.splits.train.size` is 7; one generation of `policies.grpo` takes 8 different prompts",
    ),
    (
        photos(val={"file": "a.jsonl", "part": [0.5, 0.7]}),
        "`data.splits.val.images` is missing; `source: gqa_cot` reads it",
    ),
    (
        photos(val={**PHOTOS, "part": [0.7, 0.5]}),
        "`data.splits.val.part` is [0.7, 0.5]; it must be [from, to] with from below to",
    ),
    (
        photos(test={**PHOTOS, "file": "./a.jsonl", "part": [0.6, 1]}),
        "`data.splits.val.part` [0.5, 0.7] and `data.splits.test.part` [0.6, 1] overlap, and both read a.jsonl; "
        "give parts that share nothing",
    ),
    (
        {"image": {"min_pixels": 60000}},
        '`image` is {"min_pixels": 60000}; min_pixels must not be above max_pixels',
    ),
    ({"rewards": dict.fromkeys(REWARDS)}, "`rewards` has no weight above 0; a policy needs something to learn from"),
    ({"rewards": None}, "`rewards` is null; it must be a mapping of keys to values"),
    ({"rewards": "orginal"}, '`rewards` is "orginal"; did you mean "original"?'),
    (
        {"policies.grpo.rewards": {"format": 0}},
        "`policies.grpo.rewards` has no weight above 0; a policy needs something to learn from",
    ),
    (
        {"rewards.mine:polite": 1.0},
        "`rewards` names mine:polite; mine.py does not exist; a reward of your own is module:function, found from the "
        "working directory",
    ),
    (
        {"policies.gspo.rewards": {"mine.polite": 1.0}},
        "unknown key `policies.gspo.rewards.mine.polite`; valid keys are format, "
        "correctness, consistency, brevity, tag_count, overlong, original; "
        "write a judge as `judges.<name>`, your own as `module:function`",
    ),
    ({"seeds": [3, 1]}, "`seeds` names 1, which is `seed` itself; leave it out: seeds are further ones"),
    ({"seeds": [3, 3]}, "`seeds` is [3, 3]; it names an entry twice"),
    (
        {"evaluate.gqa_questions": "questions.json"},
        "`evaluate.gqa_questions` asks for GQA's official metrics, which need all of the test split: let "
        "`data.splits.test` be one source, gqa_cot or gqa, with `size` null and `part` null",
    ),
    (
        {"evaluate.gqa_choices": "choices.json"},
        "`evaluate.gqa_choices` is only read with `evaluate.gqa_questions`; set that too, or this null",
    ),
    # the base model
    (
        {"base_model.path": "Qwen/Qwen2.5-VL-3B-Instruct"},
        "`base_model.revision` is null and `base_model.path` Qwen/Qwen2.5-VL-3B-Instruct is no folder here, so it is "
        "read as a hub id; correct the folder, or pin the model's commit (40 hexadecimal digits; it can change under "
        "its name): git ls-remote https://huggingface.co/Qwen/Qwen2.5-VL-3B-Instruct HEAD",
    ),
    (
        {"base_model.path": "./checkpoints/qwen"},
        "`base_model.path` is ./checkpoints/qwen; it is neither a folder that exists nor a hub id like owner/name",
    ),
    (
        {"base_model.revision": COMMIT},
        f"`base_model.revision` is {COMMIT}; it pins a hub id, and `base_model.path` is none; set it null",
    ),
    (
        {"base_model.trust_remote_code": True},
        "`base_model.trust_remote_code` is true; code is only run from a hub id with its `base_model.revision`",
    ),
]


@pytest.mark.parametrize(("changes", "message"), CASES)
def test_a_mistake_in_data_or_base_is_explained(changes: dict[str, Any], message: str) -> None:
    assert problems(changed(changes)) == [message]


@pytest.mark.parametrize("size", [1.5, 0.0, -1, "3", True, [3]])
def test_a_size_that_is_neither_a_number_nor_a_share_is_explained_in_one_line(size: Any) -> None:
    [line] = problems(changed({"data.splits.test.size": size}))
    assert line.startswith(f"`data.splits.test.size` is {json.dumps(size)}; it must be ") and not line.endswith(" be ")
