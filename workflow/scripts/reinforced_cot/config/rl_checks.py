"""Checks of one RL policy's settings: batch arithmetic, sampling that would bias the loss, and what the papers ask."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from reinforced_cot.launch.vllm_server import server_gpus
from reinforced_cot.planning.batch_sizes import generation_batch_size, global_batch_size

Settings = Mapping[str, Any]

# Anything that reshapes the distribution completions are drawn from: the ratio of log-probabilities knows nothing of it
# (trl#6789).
NEUTRAL_SAMPLING = {
    "top_p": 1.0,
    "top_k": 0,
    "min_p": None,
    "repetition_penalty": 1.0,
    "vllm_structured_outputs_regex": None,
}
# What `generate` may be told on top: how it computes, never what it draws or when it stops.
EXECUTION = {"cache_implementation", "cache_config", "compile_config", "prefill_chunk_size", "use_cache"}


def problems(key: str, settings: Settings, training: Settings, processes: int) -> Iterator[str]:
    """One line a problem of one policy.

    Args:
        key: ``rl.{policy}``.
        settings: the policy's section, with the schema's defaults filled in.
        training: its ``training``, with GRPOConfig's defaults filled in.
        processes: of the stage's topology.
    """
    yield from _sampling(f"{key}.training", training)
    yield from _generation_batch(f"{key}.training", settings, training, processes)
    if settings["shared_prefix"] == "on":
        yield from _nothing_shared(key, settings, training)
    if settings["refill_generations"]:
        yield from _advantages_by_group(f"{key}.training", training)
    low, high = training["vllm_importance_sampling_clip_min"], training["vllm_importance_sampling_clip_max"]
    if low is not None and high is not None and low >= high:
        yield f"`{key}.training.vllm_importance_sampling_clip_min` is {low}; it must be below the clip_max, {high}"
    if settings["quantization"] and training["use_vllm"]:
        yield (
            f"`{key}.quantization` is {settings['quantization']} and `{key}.training.use_vllm` is true; vLLM cannot "
            "take over the weights of a quantized policy: set quantization null or use_vllm false"
        )
    if training["use_vllm"]:
        yield from _vllm(f"{key}.training", training, processes)


def room_in_vllm(key: str, training: Settings, prompt: int) -> Iterator[str]:
    """Whether vLLM takes the longest prompt, of ``prompt`` tokens, with its completion; arguments as for `problems`."""
    room, longest = training["vllm_max_model_length"], prompt + training["max_completion_length"]
    if room is not None and room < longest:
        yield (
            f"`{key}.training.vllm_max_model_length` is {room}; it must hold prompt.max_tokens and "
            f"max_completion_length, {longest}: raise it, or leave it out"
        )


def start_problems(key: str, settings: Settings, sft: Settings) -> Iterator[str]:
    """Whether there is an adapter to go on with; arguments as for `problems`, and the config's section ``sft``."""
    if settings["start"] == "model":
        return
    if sft["lora"] is None:
        yield f"`{key}.start` is adapter and `sft.lora` is null, so that there is none: use start model"
    elif settings["lora"] != sft["lora"]:
        yield f"`{key}.start` is adapter, and `{key}.lora` differs from `sft.lora`, whose adapter it is: write the same"


def _vllm(key: str, training: Settings, processes: int) -> Iterator[str]:
    parts = training["vllm_tensor_parallel_size"]
    if not server_gpus(training) and processes % parts:
        yield (
            f"`{key}.vllm_tensor_parallel_size` is {parts}; in colocate mode it must divide the number of processes, "
            f"{processes}"
        )
    if not training["vllm_importance_sampling_correction"]:
        yield (
            f"`{key}.vllm_importance_sampling_correction` is false; without it TRL does not compare vLLM's "
            "log-probabilities with the trainer's, and rollouts of another policy would pass unseen: leave it true"
        )


def _sampling(key: str, training: Settings) -> Iterator[str]:
    why = "log-probabilities know nothing of it, so that the importance ratio would be biased"
    for name, neutral in NEUTRAL_SAMPLING.items():
        if training[name] != neutral:
            wanted = "null" if neutral is None else neutral
            yield f"`{key}.{name}` is {training[name]}; it must be {wanted} while training: {why}"
    for name in sorted((training["generation_kwargs"] or {}).keys() - EXECUTION):
        yield f"`{key}.generation_kwargs.{name}` is not available while training: {why}"


def _nothing_shared(key: str, settings: Settings, training: Settings) -> Iterator[str]:
    """What a trainer that is to share prompts would refuse at its first step."""
    insisted = f"`{key}.shared_prefix` is on"
    if training["per_device_train_batch_size"] == 1:
        name = f"`{key}.training.per_device_train_batch_size`"
        yield f"{insisted} and {name} 1, which shares nothing: make it num_generations or more"
    if settings["lora"] and settings["lora"].get("lora_dropout") and not training["disable_dropout"]:
        name = f"`{key}.training.disable_dropout`"
        yield f"{insisted}, and dropout is drawn for each completion: set {name} true, or auto"
    if training["neftune_noise_alpha"]:
        yield f"{insisted}, and NEFTune's noise depends on how long a row is: set shared_prefix auto"


def _advantages_by_group(key: str, training: Settings) -> Iterator[str]:
    """With refill_generations: a group keeps its advantages among other groups."""
    why = "with refill_generations, whose groups are not drawn together, advantages must follow from the group alone"
    for name, refused, wanted in (
        ("scale_rewards", "batch", "group or none"),
        ("multi_objective_aggregation", "normalize_then_sum", "sum_then_normalize"),
    ):
        if training[name] == refused:
            yield f"`{key}.{name}` is {refused}; {why}: use {wanted}"


def _generation_batch(key: str, settings: Settings, training: Settings, processes: int) -> Iterator[str]:
    """The rules of ``GRPOConfig.__post_init__``, and saving at generation boundaries only."""
    stated, group = training["generation_batch_size"], training["num_generations"]
    micro = training["per_device_train_batch_size"] * processes
    if stated is not None and training["steps_per_generation"] is not None:
        yield f"`{key}.generation_batch_size` and `{key}.steps_per_generation` are both set; keep one"
        return
    if stated is not None and stated % micro:
        yield (
            f"`{key}.generation_batch_size` is {stated}; it must be a multiple of per_device_train_batch_size x "
            f"processes, {micro}"
        )
        return
    drawn = generation_batch_size(settings, training, processes)
    if drawn % group:
        yield (
            f"`{key}.num_generations` is {group}; the {drawn} completions of one generation "
            f"(per_device_train_batch_size x steps_per_generation x processes) must be a multiple of it"
        )
    elif settings["refill_generations"] and drawn // processes % group:
        yield (
            f"`{key}.num_generations` is {group}; with refill_generations, the {drawn // processes} completions of one "
            f"generation on each of {processes} processes must be a multiple of it: a group that is spread over them "
            "cannot be replaced"
        )
    if training["save_strategy"] != "steps":
        yield f"`{key}.save_strategy` is {training['save_strategy']}; RL saves between two generations only: use steps"
        return
    cycle, update = drawn * training["num_iterations"], global_batch_size(settings, training, processes)
    if training["save_steps"] < 1 or training["save_steps"] * update % cycle:
        yield (
            f"`{key}.save_steps` is {training['save_steps']}; it must be a multiple of "
            f"{cycle // math.gcd(cycle, update)}, the optimizer steps from one generation to the next: "
            "a checkpoint in between cannot be resumed exactly"
        )


def enough_prompts(key: str, settings: Settings, training: Settings, processes: int, data: Settings) -> Iterator[str]:
    """TRL draws the prompts of one generation without repetition, and a refill others; arguments as for `problems`."""
    sizes = {f"{key}.examples": settings["examples"], "data.splits.train.size": data["splits"]["train"]["size"]}
    prompts = generation_batch_size(settings, training, processes) // training["num_generations"]
    for name, size in sizes.items():
        if size is not None and size < prompts:
            yield f"`{name}` is {size}; one generation of `{key}` takes {prompts} different prompts"
        elif size is not None and settings["refill_generations"] and size < prompts + processes:
            yield (
                f"`{name}` is {size}; one generation of `{key}` takes {prompts}, so that refill_generations has no "
                f"other question for each of {processes} processes: raise it, or set refill_generations 0"
            )


def warnings(config: Settings, defaults: Settings, processes: int) -> Iterator[str]:
    """What is allowed but hardly meant (GSPO: arXiv 2507.18071; trl#3834)."""
    for policy in config["policies"]:
        key, training = f"rl.{policy}.training", {**defaults, **config["rl"][policy]["training"]}
        epsilon = max(training["epsilon"], training["epsilon_high"] or 0)
        if training["importance_sampling_level"] == "sequence":
            if epsilon > 0.1:
                yield (
                    f"`{key}.epsilon` is {epsilon} at sequence level; a sequence's ratio is a geometric mean, hardly "
                    "leaves 1 and is never clipped: GSPO's paper has epsilon 3.0e-4 and epsilon_high 4.0e-4"
                )
            if training["loss_type"] not in ("grpo", "luspo"):
                yield (
                    f"`{key}.loss_type` is {training['loss_type']} at sequence level; it weighs long completions more, "
                    "and GSPO's paper means over sequences: use grpo"
                )
            if training["beta"] != 0:
                yield f"`{key}.beta` is {training['beta']} at sequence level; GSPO's paper has no KL term: use 0.0"
        elif epsilon < 0.01:
            yield (
                f"`{key}.epsilon` is {epsilon} at token level, where ratios leave 1 by more, and most tokens would be "
                "clipped: use 0.2, or importance_sampling_level sequence"
            )
        if training["vllm_mode"] == "server" and not training["use_vllm"]:
            yield f"`{key}.vllm_mode` is server and use_vllm is false, so that there is none: set use_vllm true"
        share = config["rl"][policy]["training"].get("vllm_gpu_memory_utilization", 1.0)
        if server_gpus(training) and share < 0.8:
            yield (
                f"`{key}.vllm_gpu_memory_utilization` is {share} with vllm_mode server, which has its GPUs to itself: "
                "use 0.9"
            )
        yield from _against_its_paper(key, training)
        settings = config["rl"][policy]
        drawn = generation_batch_size(settings, training, processes)
        if global_batch_size(settings, training, processes) % (drawn * training["num_iterations"]) == 0:
            yield (
                f"`{key}` makes one optimizer step a generation, so that every importance ratio is 1 and "
                "importance_sampling_level and epsilon have no effect: raise num_iterations or steps_per_generation"
            )


def _against_its_paper(key: str, training: Settings) -> Iterator[str]:
    """What contradicts the paper of the loss that is named (arXiv 2503.20783, 2503.14476, 2510.13786, 2511.20347)."""
    loss, low, high = training["loss_type"], training["epsilon"], training["epsilon_high"]
    if loss == "dr_grpo" and training["scale_rewards"] not in ("none", False):
        yield (
            f"`{key}.scale_rewards` is {training['scale_rewards']} with loss_type dr_grpo; its paper does not divide "
            'by the deviation, which favours questions that are too easy or too hard: use "none"'
        )
    if loss == "cispo" and (high is None or high < 1):
        yield (
            f"`{key}.epsilon_high` is {high} with loss_type cispo, where it is the largest importance weight itself, "
            "so that every weight would be cut: use 5.0"
        )
    if loss == "sapo" and training["sapo_temperature_neg"] <= training["sapo_temperature_pos"]:
        yield (
            f"`{key}.sapo_temperature_neg` is {training['sapo_temperature_neg']}, not above sapo_temperature_pos; its "
            "paper lets the gate of negative advantages close sooner: use 1.05 and 1.0"
        )
    if loss == "dapo" and training["beta"] != 0:
        yield f"`{key}.beta` is {training['beta']} with loss_type dapo; its paper has no KL term: use 0.0"
    if loss == "dapo" and (high is None or high <= low):
        yield f"`{key}.epsilon_high` is {high} with loss_type dapo; its paper clips higher above than below: use 0.28"
