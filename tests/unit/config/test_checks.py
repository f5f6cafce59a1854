"""The configuration: mistakes that span several keys get their literal message, too."""

from typing import Any

import pytest
from config_samples import GRPO, ON_GPUS, changed, minimal, problems
from places import REPO

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
]


@pytest.mark.parametrize(("changes", "message"), CASES)
def test_a_mistake_that_spans_keys_is_explained(changes: dict[str, Any], message: str) -> None:
    assert problems(changed(changes)) == [message]
