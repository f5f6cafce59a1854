"""Checks of one policy made by `grpo`: batch arithmetic, sampling that would bias the loss, what the papers ask."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from reinforced_cot.config.configuration import LaunchSettings
from reinforced_cot.config.launch_checks import stage_topology
from reinforced_cot.config.messages import shown
from reinforced_cot.config.policy_checks import Candidate
from reinforced_cot.data.settings import Prompt
from reinforced_cot.errors import ConfigError
from reinforced_cot.planning.batch_sizes import generation_batch_size, global_batch_size
from reinforced_cot.policies.grpo import server_gpus
from reinforced_cot.sources.settings import DataSettings

Training = Mapping[str, Any]

# Settings that reshape the distribution from which completions are drawn: the ratio of log-probabilities ignores them
# (trl#6789).
NEUTRAL_SAMPLING = {
    "top_p": 1.0,
    "top_k": 0,
    "min_p": None,
    "repetition_penalty": 1.0,
    "vllm_structured_outputs_regex": None,
}
# The arguments of `generate` that are allowed: they say how it computes, not what it draws or when it stops.
EXECUTION = {"cache_implementation", "cache_config", "compile_config", "prefill_chunk_size", "use_cache"}


def grpo_problems(candidate: Candidate) -> Iterator[str]:
    """What TRL would refuse, and settings by which training would optimize something else than they say."""
    key, policy, training = f"{candidate.key}.training", candidate.policy, candidate.policy.training
    yield from _sampling(key, training)
    yield from _generation_batch(candidate)
    if policy.shared_prefix == "on":
        yield from _sharing_problems(candidate)
    if policy.refill_generations:
        yield from _advantages_by_group(key, training)
    if (training["gradient_checkpointing_kwargs"] or {}).get("selective"):
        yield f"`{key}.gradient_checkpointing_kwargs.selective` works with the method sft only: leave it out"
    low, high = training["vllm_importance_sampling_clip_min"], training["vllm_importance_sampling_clip_max"]
    if low is not None and high is not None and low >= high:
        yield f"`{key}.vllm_importance_sampling_clip_min` is {low}; it must be below the clip_max, {high}"
    if policy.quantization and training["use_vllm"]:
        yield (
            f"`{candidate.key}.quantization` is {policy.quantization} and `{key}.use_vllm` is true; vLLM cannot "
            "take over the weights of a quantized policy: set quantization null, or use_vllm false "
            "(config/presets/qwen2.5-vl-3b-gqa-24gb.yaml fits one GPU of 24 GB)"
        )
    if training["use_vllm"]:
        yield from _vllm(key, training, candidate.processes)


def vllm_room_problems(candidate: Candidate, prompt: Prompt) -> Iterator[str]:
    """Whether vLLM takes the longest prompt with its completion."""
    training = candidate.policy.training
    room, longest = training["vllm_max_model_length"], prompt.max_tokens + training["max_completion_length"]
    if training["use_vllm"] and room is not None and room < longest:
        yield (
            f"`{candidate.key}.training.vllm_max_model_length` is {room}; it must hold prompt.max_tokens and "
            f"max_completion_length, {longest}: raise it, or leave it out"
        )


def validation_problems(candidate: Candidate) -> Iterator[str]:
    """Whether what says how RL is validated belongs together."""
    key, selection = f"{candidate.key}.selection", candidate.policy.selection
    longest = candidate.policy.training["max_completion_length"]
    if not selection.every and selection.patience:
        yield f"`{key}.patience` is only read with `{key}.every`; set that too, or this null"
    saves = candidate.policy.training["save_steps"]
    if selection.every and saves >= 1 and selection.every % saves:
        yield (
            f"`{key}.every` is {selection.every}; it must be a multiple of `{candidate.key}.training.save_steps`, "
            f"{saves:g}: a checkpoint is chosen among the saved ones"
        )
    if selection.every and selection.max_new_tokens < longest and not selection.allow_cut_off:
        yield (
            f"`{key}.max_new_tokens` is {selection.max_new_tokens}, and completions may have {longest} tokens "
            f"(`{candidate.key}.training.max_completion_length`): longer answers would be cut off, and be wrong; set "
            f"it to {longest}, or `allow_cut_off` true"
        )


def rollout_problems(candidate: Candidate, launch: LaunchSettings) -> Iterator[str]:
    """Whether a policy can draw rollouts on the topology of `launch.grpo`."""
    training = candidate.policy.training
    try:
        topology = stage_topology(launch, "grpo")
    except ConfigError:
        return  # `topology_problems` says so
    where = f"`launch.grpo.topology` is {launch.of('grpo').topology}"
    served = f"`{candidate.key}.training.vllm_mode` is server and {where}"
    if server_gpus(training) and topology.use_cpu:
        yield f"{served}; weights reach a server from GPU to GPU: use a topology with GPUs, or vllm_mode colocate"
    elif server_gpus(training) and topology.machines > 1:
        yield f"{served}; trainer and server share one machine: use a topology of one, or vllm_mode colocate"
    elif topology.distributed_type == "FSDP" and candidate.policy.is_adapted and not training["use_vllm"]:
        yield (
            f"{where} and `{candidate.key}` trains an adapter; FSDP2 cannot generate with one before it has trained: "
            "use zero3, use_vllm true, or lora null"
        )


def _vllm(key: str, training: Training, processes: int) -> Iterator[str]:
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


def _sampling(key: str, training: Training) -> Iterator[str]:
    why = "log-probabilities ignore it, so that the importance ratio would be biased"
    for name, neutral in NEUTRAL_SAMPLING.items():
        if training[name] != neutral:
            wanted = "null" if neutral is None else neutral
            yield f"`{key}.{name}` is {_plain(training[name])}; it must be {wanted} while training: {why}"
    for name in sorted((training["generation_kwargs"] or {}).keys() - EXECUTION):
        yield f"`{key}.generation_kwargs.{name}` is not available while training: {why}"


def _sharing_problems(candidate: Candidate) -> Iterator[str]:
    """What a trainer with `shared_prefix: on` would refuse at its first step."""
    insisted, training = f"`{candidate.key}.shared_prefix` is on", candidate.policy.training
    if training["per_device_train_batch_size"] == 1:
        name = f"`{candidate.key}.training.per_device_train_batch_size`"
        yield f"{insisted} and {name} 1, which shares nothing: make it num_generations or more"
    if (candidate.policy.lora or {}).get("lora_dropout") and not training["disable_dropout"]:
        name = f"`{candidate.key}.training.disable_dropout`"
        yield f"{insisted}, and dropout is drawn per completion: set {name} true, or auto"
    if training["neftune_noise_alpha"]:
        yield f"{insisted}, and NEFTune's noise depends on how long a row is: set shared_prefix auto"


def _advantages_by_group(key: str, training: Training) -> Iterator[str]:
    """With refill_generations: a group keeps its advantages among other groups."""
    why = "with refill_generations, whose groups are not drawn together, advantages must follow from the group alone"
    for name, refused, wanted in (
        ("scale_rewards", "batch", "group or none"),
        ("multi_objective_aggregation", "normalize_then_sum", "sum_then_normalize"),
    ):
        if training[name] == refused:
            yield f"`{key}.{name}` is {refused}; {why}: use {wanted}"


def _generation_batch(candidate: Candidate) -> Iterator[str]:
    """The rules of ``GRPOConfig.__post_init__``, and saving at generation boundaries only."""
    key, training, processes = f"{candidate.key}.training", candidate.policy.training, candidate.processes
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
    drawn = generation_batch_size(candidate.policy, training, processes)
    if drawn % group:
        yield (
            f"`{key}.num_generations` is {group}; the {drawn} completions of one generation "
            f"(per_device_train_batch_size x steps_per_generation x processes) must be a multiple of it"
        )
    elif candidate.policy.refill_generations and drawn // processes % group:
        yield (
            f"`{key}.num_generations` is {group}; with refill_generations, the {drawn // processes} completions of one "
            f"generation on each of {processes} processes must be a multiple of it: a group that is spread over "
            "processes cannot be replaced"
        )
    if training["save_strategy"] != "steps":
        yield f"`{key}.save_strategy` is {training['save_strategy']}; RL saves between two generations only: use steps"
        return
    cycle, update = drawn * training["num_iterations"], global_batch_size(candidate.policy, training, processes)
    if training["save_steps"] < 1 or training["save_steps"] * update % cycle:
        yield (
            f"`{key}.save_steps` is {training['save_steps']}; it must be a multiple of "
            f"{cycle // math.gcd(cycle, update)}, the optimizer steps from one generation to the next: "
            "a checkpoint in between cannot be resumed exactly"
        )


def prompts_problems(candidate: Candidate, data: DataSettings) -> Iterator[str]:
    """TRL draws the prompts of one generation without repetition, and a refill draws others."""
    key, policy, training = candidate.key, candidate.policy, candidate.policy.training
    drawn = [source.size for source in data.sources("train")]
    total = sum(size for size in drawn if isinstance(size, int)) if all(isinstance(n, int) for n in drawn) else None
    sizes = {f"{key}.examples": policy.examples, "data.splits.train.size": total}
    prompts = generation_batch_size(policy, training, candidate.processes) // training["num_generations"]
    for name, size in sizes.items():
        if size is not None and size < prompts:
            yield f"`{name}` is {size}; one generation of `{key}` takes {prompts} different prompts"
        elif size is not None and policy.refill_generations and size < prompts + candidate.processes:
            yield (
                f"`{name}` is {size}; one generation of `{key}` takes {prompts}, so that refill_generations has no "
                f"other question for each of {candidate.processes} processes: raise it, or set refill_generations 0"
            )


def grpo_warnings(candidate: Candidate) -> Iterator[str]:
    """Settings that are allowed but probably a mistake (GSPO: arXiv 2507.18071; trl#3834)."""
    key, training, processes = f"{candidate.key}.training", candidate.policy.training, candidate.processes
    epsilon = max(training["epsilon"], training["epsilon_high"] or 0)
    if training["importance_sampling_level"] == "sequence":
        if epsilon > 0.1:
            yield (
                f"`{key}.epsilon` is {epsilon} at sequence level; a sequence's ratio is a geometric mean, stays "
                "near 1 and is never clipped: GSPO's paper has epsilon 3.0e-4 and epsilon_high 4.0e-4"
            )
        if training["loss_type"] not in ("grpo", "luspo"):
            yield (
                f"`{key}.loss_type` is {training['loss_type']} at sequence level; it weighs long completions more, "
                "and GSPO's paper averages over sequences: use grpo"
            )
        if training["beta"] != 0:
            yield f"`{key}.beta` is {training['beta']} at sequence level; GSPO's paper has no KL term: use 0.0"
    elif epsilon < 0.01:
        yield (
            f"`{key}.epsilon` is {epsilon} at token level, where ratios deviate more from 1, and most tokens would be "
            "clipped: use 0.2, or importance_sampling_level sequence"
        )
    every, steps = candidate.policy.selection.every, training["max_steps"]
    if every and 0 < steps < 2 * every:
        yield (
            f"`{candidate.key}.selection.every` is {every}, and training has {steps} steps: besides its start and its "
            "end, hardly a checkpoint is compared; lower it"
        )
    if training["vllm_mode"] == "server" and not training["use_vllm"]:
        yield f"`{key}.vllm_mode` is server and use_vllm is false, so no server is started: set use_vllm true"
    share = candidate.stated.get("vllm_gpu_memory_utilization", 1.0)
    if server_gpus(training) and share < 0.8:
        yield (
            f"`{key}.vllm_gpu_memory_utilization` is {share} with vllm_mode server, which has its GPUs to itself: "
            "use 0.9"
        )
    yield from _against_its_paper(key, training)
    drawn = generation_batch_size(candidate.policy, training, processes)
    if global_batch_size(candidate.policy, training, processes) % (drawn * training["num_iterations"]) == 0:
        yield (
            f"`{key}` makes one optimizer step per generation, so that every importance ratio is 1 and "
            "importance_sampling_level and epsilon have no effect: raise num_iterations or steps_per_generation"
        )


def _plain(value: Any) -> str:
    """A value as YAML writes it: null and true, words without quotes."""
    return value if isinstance(value, str) else shown(value)


def _against_its_paper(key: str, training: Training) -> Iterator[str]:
    """What contradicts the paper of the loss that is named (arXiv 2503.20783, 2503.14476, 2510.13786, 2511.20347)."""
    loss, low, high = training["loss_type"], training["epsilon"], training["epsilon_high"]
    if loss == "dr_grpo" and training["scale_rewards"] not in ("none", False):
        yield (
            f"`{key}.scale_rewards` is {_plain(training['scale_rewards'])} with loss_type dr_grpo; its paper does not "
            'divide by the deviation, which favours questions that are too easy or too hard: use "none"'
        )
    if loss == "cispo" and (high is None or high < 1):
        yield (
            f"`{key}.epsilon_high` is {_plain(high)} with loss_type cispo, where it is the largest importance weight "
            "itself, so that every weight would be cut: use 5.0"
        )
    if loss == "sapo" and training["sapo_temperature_neg"] <= training["sapo_temperature_pos"]:
        yield (
            f"`{key}.sapo_temperature_neg` is {training['sapo_temperature_neg']}, not above sapo_temperature_pos; its "
            "paper lets the gate of negative advantages close sooner: use 1.05 and 1.0"
        )
    if loss == "dapo" and training["beta"] != 0:
        yield f"`{key}.beta` is {training['beta']} with loss_type dapo; its paper has no KL term: use 0.0"
    if loss == "dapo" and (high is None or high <= low):
        yield (
            f"`{key}.epsilon_high` is {_plain(high)} with loss_type dapo; its paper clips higher above than below: "
            "use 0.28"
        )
