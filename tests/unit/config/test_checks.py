"""The configuration: mistakes that span several keys get their literal message, too."""

import json
from typing import Any

import pytest
from config_samples import COMMIT, GRPO, ON_GPUS, PHOTOS, TINY, changed, minimal, photos, problems
from places import REPO

from reinforced_cot.scoring.rewards import REWARDS

ACCELERATE = REPO / "config" / "accelerate"
BIASED = "it must be {} while training: log-probabilities ignore it, so that the importance ratio would be biased"
CASES = [
    ({"report": ["grpo", "gsp"]}, "`report` names gsp, which is no policy; did you mean gspo?"),
    (
        {"report": ["base", "dapo_2"]},
        "`report` names dapo_2, which is no policy; add `policies.dapo_2` or remove the name",
    ),
    ({"pathvars": {"results": "results/x/"}}, '`pathvars.results` is "results/x/"; write results/x'),
    ({"pathvars": {"results": "results//x"}}, '`pathvars.results` is "results//x"; write results/x'),
    (
        {"pathvars": {"results": "~/x"}},
        '`pathvars.results` is "~/x"; a folder may not contain { or }, or begin with ~; write it out',
    ),
    (
        {"pathvars": {"results": "a{b}"}},
        '`pathvars.results` is "a{b}"; a folder may not contain { or }, or begin with ~; write it out',
    ),
    # the batch
    (
        {f"{GRPO}.num_generations": 7},
        f"`{GRPO}.num_generations` is 7; the 64 completions of one generation (per_device_train_batch_size x "
        "steps_per_generation x processes) must be a multiple of it",
    ),
    (
        {f"{GRPO}.per_device_train_batch_size": 6, f"{GRPO}.gradient_accumulation_steps": 2},
        f"`{GRPO}.num_generations` is 8; the 12 completions of one generation (per_device_train_batch_size x "
        "steps_per_generation x processes) must be a multiple of it",
    ),
    (
        {f"{GRPO}.generation_batch_size": 96},
        f"`{GRPO}.generation_batch_size` is 96; it must be a multiple of per_device_train_batch_size x processes, 64",
    ),
    (
        {"data.digits.train_question_types": ["neighbor_value", "neighbor_color"]},
        "`data.digits.train_question_types` is neighbor_value, neighbor_color; some scenes have no neighbours: add a "
        "type that every scene can answer, such as color",
    ),
    (
        {"base_model.tiny.pretraining.question_types": ["neighbor_value"]},
        "`base_model.tiny.pretraining.question_types` is neighbor_value; some scenes have no neighbours: add a type "
        "that every scene can answer, such as color",
    ),
    (
        {f"{GRPO}.generation_batch_size": 64, f"{GRPO}.steps_per_generation": 1},
        f"`{GRPO}.generation_batch_size` and `{GRPO}.steps_per_generation` are both set; keep one",
    ),
    (
        {"policies.grpo.examples": 7},
        "`policies.grpo.examples` is 7; one generation of `policies.grpo` takes 8 different prompts",
    ),
    # checkpoints that can be resumed
    (
        {f"{GRPO}.save_steps": 5},
        f"`{GRPO}.save_steps` is 5; it must be a multiple of 2, the optimizer steps from one generation to the next: "
        "a checkpoint in between cannot be resumed exactly",
    ),
    (
        {f"{GRPO}.save_steps": 10, f"{GRPO}.steps_per_generation": 6, f"{GRPO}.gradient_accumulation_steps": 4},
        f"`{GRPO}.save_steps` is 10; it must be a multiple of 3, the optimizer steps from one generation to the next: "
        "a checkpoint in between cannot be resumed exactly",
    ),
    (
        {f"{GRPO}.save_strategy": "epoch"},
        f"`{GRPO}.save_strategy` is epoch; RL saves between two generations only: use steps",
    ),
    (
        {"policies.sft.training.save_strategy": "no"},
        "`policies.sft.training.save_strategy` is no; the stage publishes a saved checkpoint: use steps",
    ),
    # sampling that would bias the importance ratio (trl#6789)
    ({f"{GRPO}.top_p": 0.9}, f"`{GRPO}.top_p` is 0.9; {BIASED.format(1.0)}"),
    ({f"{GRPO}.top_k": 50}, f"`{GRPO}.top_k` is 50; {BIASED.format(0)}"),
    ({f"{GRPO}.min_p": 0.1}, f"`{GRPO}.min_p` is 0.1; {BIASED.format('null')}"),
    (
        {f"{GRPO}.generation_kwargs": {"guidance_scale": 2.0, "use_cache": True}},
        f"`{GRPO}.generation_kwargs.guidance_scale` is not available while training: log-probabilities ignore it, "
        "so that the importance ratio would be biased",
    ),
    # vLLM
    (
        {"base_model.attn_implementation": "flash_attention_2", **ON_GPUS},
        "`base_model.attn_implementation` is flash_attention_2 and `base_model.dtype` is float32; its kernels take "
        "bfloat16: change either",
    ),
    (
        {
            **{"base_model.attn_implementation": "flash_attention_3", "base_model.dtype": "bfloat16"},
            **{**ON_GPUS, "launch.merge_lora.topology": "cpu"},
        },
        "`base_model.attn_implementation` is flash_attention_3 and `launch.merge_lora.topology` is cpu; use sdpa, "
        "or GPUs there",
    ),
    (
        {"policies.grpo.lora": None, "policies.grpo.quantization": "nf4"},
        "`policies.grpo.lora` is null and `policies.grpo.quantization` is nf4; quantized weights "
        "cannot be trained: give an "
        "adapter, or set quantization null",
    ),
    (
        {"policies.sft.lora": None, "policies.grpo.start": "adapter"},
        "`policies.grpo.start` is adapter and `policies.sft.lora` is null, so it has none: use start model",
    ),
    (
        {"policies.grpo.lora.r": 8, "policies.grpo.start": "adapter"},
        "`policies.grpo.start` is adapter, and `policies.grpo.lora` differs from "
        "`policies.sft.lora`, the adapter that it continues: make them equal",
    ),
    # the graph of policies
    ({"policies.grpo.from": "stf"}, "`policies.grpo.from` is stf, which is no policy; did you mean sft?"),
    (
        {"policies.sft.from": "grpo"},
        "`policies.sft.from` leads back to sft: sft <- grpo <- sft (by `policies.grpo.from`); let one of them name "
        "base, or add a policy (`like`)",
    ),
    (
        {"policies.sft.from": "sft"},
        "`policies.sft.from` leads back to sft: sft <- sft; let one of them name base, or add a policy (`like`)",
    ),
    (
        {"policies.sft.start": "adapter"},
        "`policies.sft.start` is adapter and `policies.sft.from` is base, which has none: use start model",
    ),
    ({"policies.grpo.start": "merged"}, '`policies.grpo.start` is "merged"; it must be one of "model", "adapter"'),
    ({"policies.sft.lora": 3}, "`policies.sft.lora` is 3; it must be a mapping of keys to values or null"),
    (
        {f"{GRPO}.use_vllm": True, "policies.grpo.quantization": "nf4"},
        f"`policies.grpo.quantization` is nf4 and `{GRPO}.use_vllm` is true; vLLM cannot take over the weights of a "
        "quantized policy: set quantization null, or use_vllm false (config/presets/qwen2.5-vl-3b-gqa-24gb.yaml fits "
        "one GPU of 24 GB)",
    ),
    (
        {f"{GRPO}.use_vllm": True, f"{GRPO}.vllm_mode": "server"},
        f"`{GRPO}.vllm_mode` is server and `launch.grpo.topology` is cpu; weights reach a server "
        f"from GPU to GPU: use a "
        "topology with GPUs, or vllm_mode colocate",
    ),
    (
        {
            **{f"{GRPO}.use_vllm": True, f"{GRPO}.vllm_mode": "server", "data.splits.train.size": 500},
            **{
                "launch.grpo.topology": "two_node",
                f"{GRPO}.save_steps": 16,
                "policies.gspo": minimal()["policies"]["gspo"],
            },
        },
        f"`{GRPO}.vllm_mode` is server and `launch.grpo.topology` is two_node; trainer and server "
        f"share one machine: use "
        "a topology of one, or vllm_mode colocate",
    ),
    (
        {f"{GRPO}.use_vllm": True, f"{GRPO}.vllm_tensor_parallel_size": 2},
        f"`{GRPO}.vllm_tensor_parallel_size` is 2; in colocate mode it must divide the number of processes, 1",
    ),
    (
        {
            "launch.grpo.topology": "fsdp2",
            "report": ["base", "sft", "gspo"],
            "policies.gspo.training.per_device_train_batch_size": 32,
        },
        "`launch.grpo.topology` is fsdp2 and `policies.gspo` trains an adapter; FSDP2 cannot "
        "generate with one before it has "
        "trained: use zero3, use_vllm true, or lora null",
    ),
    (
        {f"{GRPO}.vllm_server_port": 8000},
        f"`{GRPO}.vllm_server_port` is set by the pipeline: a stage with `vllm_mode: server` starts its server itself, "
        "and says where it is; remove it",
    ),
    (
        {f"{GRPO}.use_vllm": True, f"{GRPO}.vllm_importance_sampling_correction": False},
        f"`{GRPO}.vllm_importance_sampling_correction` is false; without it TRL does not compare vLLM's "
        "log-probabilities with the trainer's, and rollouts of another policy would pass unseen: leave it true",
    ),
    # how a stage is spread
    ({"launch.sft.topology": "zero4"}, "`launch.sft`: there is no topology zero4; did you mean zero3?"),
    (
        {"launch.grpo": {"topology": "single_gpu", "processes": 2}},
        f"`launch.grpo`: {ACCELERATE}/single_gpu.yaml is for one process, and 2 are asked for: take multi_gpu, or cpu "
        "without GPUs",
    ),
    (
        {"launch.grpo": {"topology": "two_node", "processes": 9}},
        f"`launch.grpo`: 9 processes cannot be spread evenly over the 2 machines of {ACCELERATE}/two_node.yaml",
    ),
    (
        {"launch.merge_lora.topology": "zero3"},
        "`launch.merge_lora.topology` is zero3, which is for training; use cpu, single_gpu or multi_gpu",
    ),
    (
        {"launch.merge_lora": {"topology": "multi_gpu", "processes": 8}},
        "`launch.merge_lora` asks for 8 processes; a merge is one: use cpu or single_gpu",
    ),
    (
        {"launch.answer.topology": "two_node"},
        "`launch.answer.topology` is two_node; answering stays on one machine: use multi_gpu",
    ),
    (
        {"launch.sft.topology": "fsdp2", "policies.sft.quantization": "nf4"},
        "`launch.sft.topology` is fsdp2, which splits the weights, and a quantized base cannot be split: use multi_gpu "
        "or zero2, or set `policies.sft.quantization` null",
    ),
    (
        {"launch.grpo.topology": "zero3", "policies.gspo.quantization": "nf4"},
        "`launch.grpo.topology` is zero3, which splits the weights, and a quantized base cannot "
        "be split: use multi_gpu "
        "or zero2, or set `policies.gspo.quantization` null",
    ),
    # the batch over all processes
    (
        {"launch.grpo.processes": 3, f"{GRPO}.per_device_train_batch_size": 4, "report": ["base", "sft", "grpo"]},
        f"`{GRPO}.num_generations` is 8; the 12 completions of one generation (per_device_train_batch_size x "
        "steps_per_generation x processes) must be a multiple of it",
    ),
    (
        {"policies.sft.global_batch_size": 24, "policies.sft.training.per_device_train_batch_size": 16},
        "`policies.sft.global_batch_size` is 24; it must be a multiple of "
        "per_device_train_batch_size x processes, 16 x 1: "
        "lower per_device_train_batch_size to 24 or a divisor of it",
    ),
    (
        {"policies.grpo.global_batch_size": 64, "launch.grpo.processes": 2},
        "`policies.grpo.global_batch_size` is 64; it must be a multiple of "
        "per_device_train_batch_size x processes, 64 x 2: "
        "lower per_device_train_batch_size to 32 or a divisor of it",
    ),
    (
        {"policies.sft.global_batch_size": 32, "policies.sft.training.gradient_accumulation_steps": 2},
        "`policies.sft.global_batch_size` and "
        "`policies.sft.training.gradient_accumulation_steps` are both set; keep one: each determines the "
        "other",
    ),
    (
        {f"{GRPO}.vllm_importance_sampling_clip_min": 4},
        f"`{GRPO}.vllm_importance_sampling_clip_min` is 4; it must be below the clip_max, 3.0",
    ),
    # what both trainers refuse
    (
        {f"{GRPO}.fp16": True, "base_model.dtype": "bfloat16"},
        f"`{GRPO}.fp16` is true and so is bf16, which follows `base_model.dtype` unless written; keep one",
    ),
    (
        {"policies.sft.training.dataloader_prefetch_factor": 2},
        "`policies.sft.training.dataloader_prefetch_factor` needs `dataloader_num_workers` of 1 or more",
    ),
    (
        {"policies.sft.training.logging_steps": 2.5},
        "`policies.sft.training.logging_steps` is 2.5; above 1 it must be a whole number",
    ),
    (
        {
            "policies.sft.training.gradient_checkpointing_kwargs": {"selective": True},
            "policies.sft.training.gradient_checkpointing": False,
        },
        "`policies.sft.training.gradient_checkpointing_kwargs.selective` needs `gradient_checkpointing: true` and no "
        "`use_reentrant`",
    ),
    (
        {"policies.grpo.training.gradient_checkpointing_kwargs": {"selective": True}},
        "`policies.grpo.training.gradient_checkpointing_kwargs.selective` works with the method sft only: leave it out",
    ),
    (
        {
            "policies.grpo.shared_prefix": "on",
            "policies.grpo.training.per_device_train_batch_size": 1,
            "policies.grpo.training.steps_per_generation": 10,
            "policies.grpo.training.num_generations": 2,
        },
        "`policies.grpo.shared_prefix` is on and "
        "`policies.grpo.training.per_device_train_batch_size` 1, which shares nothing: "
        "make it num_generations or more",
    ),
    (
        {"policies.grpo.shared_prefix": "on", "policies.grpo.lora.lora_dropout": 0.1},
        "`policies.grpo.shared_prefix` is on, and dropout is drawn per completion: set "
        "`policies.grpo.training.disable_dropout` true, or auto",
    ),
    (
        {"policies.grpo.shared_prefix": "on", "policies.grpo.training.neftune_noise_alpha": 5.0},
        "`policies.grpo.shared_prefix` is on, and NEFTune's noise depends on how long a row is: set shared_prefix auto",
    ),
    (
        {"policies.sft.lora.target_modules": ["lm_head"]},
        "`policies.sft.lora.target_modules` holds lm_head; TRL multiplies with its weight directly: leave it out",
    ),
    (
        {"policies.sft.lora.target_modules": None},
        "`policies.sft.lora.target_modules` is null; name the modules, for instance [q_proj, k_proj, v_proj]",
    ),
    (
        {"policies.sft.lora.target_modules": "language_model.*(q|k_proj"},
        "`policies.sft.lora.target_modules` is language_model.*(q|k_proj; give a list of names, "
        "all-linear, or a regular "
        "expression",
    ),
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
def test_a_mistake_that_spans_keys_is_explained(changes: dict[str, Any], message: str) -> None:
    assert problems(changed(changes)) == [message]


@pytest.mark.parametrize("size", [1.5, 0.0, -1, "3", True, [3]])
def test_a_size_that_is_neither_a_number_nor_a_share_is_explained_in_one_line(size: Any) -> None:
    [line] = problems(changed({"data.splits.test.size": size}))
    assert line.startswith(f"`data.splits.test.size` is {json.dumps(size)}; it must be ") and not line.endswith(" be ")
