"""Checks of the configuration that span several keys: what TRL would refuse an hour later is refused here at once."""

import difflib
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

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
RESHAPING = {
    *("top_p", "top_k", "top_h", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff", "temperature", "do_sample"),
    *(
        "repetition_penalty",
        "presence_penalty",
        "frequency_penalty",
        "no_repeat_ngram_size",
        "num_beams",
        "bad_words_ids",
    ),
}


def problems(
    config: Settings, defaults: Mapping[str, Settings], sound: Callable[..., bool], processes: int
) -> Iterator[str]:
    """One line a problem.

    Args:
        config: with the schema's defaults filled in.
        defaults: of SFTConfig under ``sft``, of GRPOConfig under ``rl``.
        sound: whether a section, given by its path, agrees with the schema; others are left alone.
        processes: how many processes train a policy together.
    """
    if sound("data"):
        yield from _data(config["data"])
    if sound("image") and config["image"]["min_pixels"] > config["image"]["max_pixels"]:
        yield f"`image.min_pixels` is {config['image']['min_pixels']}; it must not be above `image.max_pixels`"
    if sound("base_model"):
        yield from _base_model(config["base_model"])
    # bf16 follows the base model's dtype where it is not written (`training.trainer_arguments`).
    bf16 = sound("base_model") and config["base_model"]["dtype"] == "bfloat16"
    if sound("sft"):
        yield from _sft(config["sft"], {**defaults["sft"], "bf16": bf16, **config["sft"]["training"]})
    if sound("rewards") and not any(config["rewards"].values()):
        yield "`rewards` has no weight above 0; a policy needs something to learn from"
    if sound("launch"):
        for stage, asked in config["launch"].items():
            if asked["gpus"] > 1:
                yield f"`launch.{stage}.gpus` is {asked['gpus']}; a stage is one process with one GPU: set it to 1 or 0"
    if not sound("policies") or not isinstance(config.get("rl"), dict):
        return
    for policy in config["policies"]:
        key = f"rl.{policy}"
        if policy not in config["rl"]:
            near = difflib.get_close_matches(policy, config["rl"], n=1)
            hint = f"did you mean {near[0]}?" if near else f"add `{key}` or remove the name"
            yield f"`policies` names {policy}, which has no settings under `rl`; {hint}"
        elif sound("rl", policy):
            settings = config["rl"][policy]
            training = {**defaults["rl"], "bf16": bf16, **settings["training"]}
            yield from _rl(key, settings, training, processes)
            if sound("data"):
                yield from _enough_prompts(key, settings, training, processes, config["data"])
            if settings["quantization"] is None:
                yield from _vllm(f"{key}.training", training)


def _data(data: Settings) -> Iterator[str]:
    for split, settings in data["splits"].items():
        key = f"data.splits.{split}"
        if data["source"] == "digits":
            if settings["size"] is None:
                yield f"`{key}.size` is null; digits are generated, say how many questions"
            for name in ("file", "images", "part"):
                if settings[name] is not None:
                    yield f"`{key}.{name}` is only read with `data.source: gqa_cot`; set it null or change the source"
            continue
        for name in ("file", "images"):
            if settings[name] is None:
                yield f"`{key}.{name}` is missing; `data.source: gqa_cot` reads it"
        if settings["part"] and settings["part"][0] >= settings["part"][1]:
            yield f"`{key}.part` is {settings['part']}; it must be [from, to] with from below to"
    if data["source"] == "gqa_cot":
        yield from _overlaps(data["splits"])


def _overlaps(splits: Mapping[str, Settings]) -> Iterator[str]:
    for (first, a), (second, b) in combinations(splits.items(), 2):
        if a["file"] is None or b["file"] is None or os.path.normpath(a["file"]) != os.path.normpath(b["file"]):
            continue
        (from_a, to_a), (from_b, to_b) = a["part"] or (0, 1), b["part"] or (0, 1)
        if max(from_a, from_b) < min(to_a, to_b):
            yield (
                f"`data.splits.{first}.part` [{from_a}, {to_a}] and `data.splits.{second}.part` [{from_b}, {to_b}] "
                f"overlap, and both read {a['file']}; give parts that share nothing"
            )


def _base_model(base_model: Settings) -> Iterator[str]:
    path, revision = base_model["path"], base_model["revision"]
    is_folder = path is not None and Path(path).is_dir()
    if path is not None and not is_folder and not re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", path):
        yield f"`base_model.path` is {path}; it is neither a folder that exists nor a hub id like owner/name"
    elif path is not None and not is_folder and revision is None:
        yield (
            f"`base_model.revision` is null and `base_model.path` {path} is no folder here, so it is read as a hub id; "
            "pin its commit (40 hexadecimal digits), since a model can change under its name"
        )
    if revision is not None and (path is None or is_folder):
        yield f"`base_model.revision` is {revision}; it pins a hub id, and `base_model.path` is none; set it null"
    if base_model["trust_remote_code"] and revision is None:
        yield "`base_model.trust_remote_code` is true; code is only run from a hub id with its `base_model.revision`"


def _sft(sft: Settings, training: Settings) -> Iterator[str]:
    yield from _trainer("sft", sft, training)
    if training["save_strategy"] not in ("steps", "epoch"):
        yield (
            f"`sft.training.save_strategy` is {training['save_strategy']}; "
            "the best checkpoint is chosen among the saved ones: use steps or epoch"
        )


def _trainer(key: str, settings: Settings, training: Settings) -> Iterator[str]:
    """What SFTTrainer and GRPOTrainer both refuse."""
    if training["bf16"] and training["fp16"]:
        yield f"`{key}.training.fp16` is true and so is bf16, which follows `base_model.dtype` unless written; keep one"
    if training["dataloader_prefetch_factor"] is not None and training["dataloader_num_workers"] == 0:
        yield f"`{key}.training.dataloader_prefetch_factor` needs `dataloader_num_workers` of 1 or more"
    for name in ("logging_steps", "save_steps"):
        if training[name] > 1 and training[name] != int(training[name]):
            yield f"`{key}.training.{name}` is {training[name]}; above 1 it must be a whole number"
    checkpointing = training["gradient_checkpointing_kwargs"] or {}
    if checkpointing.get("selective") and (
        checkpointing.get("use_reentrant") or not training["gradient_checkpointing"]
    ):
        yield (
            f"`{key}.training.gradient_checkpointing_kwargs.selective` needs `gradient_checkpointing: true` and "
            "no `use_reentrant`"
        )
    targets = settings["lora"]["target_modules"]
    if targets is None:
        yield f"`{key}.lora.target_modules` is null; name the modules, for instance [q_proj, k_proj, v_proj]"
    elif "lm_head" in targets:
        yield f"`{key}.lora.target_modules` holds lm_head; TRL multiplies with its weight directly: leave it out"


def _rl(key: str, settings: Settings, training: Settings, processes: int) -> Iterator[str]:
    yield from _trainer(key, settings, training)
    yield from _sampling(f"{key}.training", training)
    yield from _generation_batch(f"{key}.training", training, processes)
    low, high = training["vllm_importance_sampling_clip_min"], training["vllm_importance_sampling_clip_max"]
    if low is not None and high is not None and low >= high:
        yield f"`{key}.training.vllm_importance_sampling_clip_min` is {low}; it must be below the clip_max, {high}"
    if settings["quantization"] and training["use_vllm"]:
        yield (
            f"`{key}.quantization` is {settings['quantization']} and `{key}.training.use_vllm` is true; vLLM cannot "
            "take over the weights of a quantized policy: set quantization null or use_vllm false"
        )


def _sampling(key: str, training: Settings) -> Iterator[str]:
    why = "log-probabilities know nothing of it, so that the importance ratio would be biased"
    for name, neutral in NEUTRAL_SAMPLING.items():
        if training[name] != neutral:
            wanted = "null" if neutral is None else neutral
            yield f"`{key}.{name}` is {training[name]}; it must be {wanted} while training: {why}"
    for name in sorted(RESHAPING & (training["generation_kwargs"] or {}).keys()):
        yield f"`{key}.generation_kwargs.{name}` is not available while training: {why}"


def generation_steps(training: Settings, processes: int) -> int:
    """Batches that one generation serves, as GRPOConfig computes them; it may be 0 where TRL would refuse."""
    steps: int = training["steps_per_generation"] or training["gradient_accumulation_steps"]
    if training["generation_batch_size"] is not None:
        steps = training["generation_batch_size"] // (training["per_device_train_batch_size"] * processes)
    return steps


def _generation_batch(key: str, training: Settings, processes: int) -> Iterator[str]:
    """The rules of ``GRPOConfig.__post_init__``, and saving at generation boundaries only."""
    stated, group = training["generation_batch_size"], training["num_generations"]
    batch = training["per_device_train_batch_size"] * processes
    steps = generation_steps(training, processes)
    if stated is not None and training["steps_per_generation"] is not None:
        yield f"`{key}.generation_batch_size` and `{key}.steps_per_generation` are both set; keep one"
        return
    if stated is not None and stated % batch:
        yield (
            f"`{key}.generation_batch_size` is {stated}; it must be a multiple of {batch} "
            "(per_device_train_batch_size x processes)"
        )
        return
    if batch * steps % group:
        yield (
            f"`{key}.num_generations` is {group}; the {batch * steps} completions of one generation "
            f"(per_device_train_batch_size {training['per_device_train_batch_size']} x steps_per_generation {steps} x "
            f"processes {processes}) must be a multiple of it"
        )
    if training["save_strategy"] != "steps":
        yield f"`{key}.save_strategy` is {training['save_strategy']}; RL saves between two generations only: use steps"
        return
    cycle, accumulated = steps * training["num_iterations"], training["gradient_accumulation_steps"]
    if training["save_steps"] < 1 or training["save_steps"] * accumulated % cycle:
        yield (
            f"`{key}.save_steps` is {training['save_steps']}; it must be a multiple of "
            f"{cycle // math.gcd(cycle, accumulated)}, the optimizer steps from one generation to the next: "
            "a checkpoint in between cannot be resumed exactly"
        )


def _enough_prompts(key: str, settings: Settings, training: Settings, processes: int, data: Settings) -> Iterator[str]:
    sizes = {f"{key}.examples": settings["examples"], "data.splits.train.size": data["splits"]["train"]["size"]}
    completions = training["per_device_train_batch_size"] * processes * generation_steps(training, processes)
    prompts = completions // training["num_generations"]
    for name, size in sizes.items():
        if size is not None and size < prompts:
            yield f"`{name}` is {size}; one generation of `{key}` takes {prompts} different prompts"


def _vllm(key: str, training: Settings) -> Iterator[str]:
    if training["use_vllm"]:
        yield (
            f"`{key}.use_vllm` is true; set it false: TRL 1.16.0 sends vLLM image tokens that are expanded, vLLM "
            "expands them again (trl#6294), and every rollout would answer a corrupted prompt"
        )


def warnings(config: Settings, defaults: Mapping[str, Settings], processes: int) -> Iterator[str]:
    """What is allowed but hardly meant (GSPO: arXiv 2507.18071; trl#3834)."""
    for policy in config["policies"]:
        key, training = f"rl.{policy}.training", {**defaults["rl"], **config["rl"][policy]["training"]}
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
        if (
            training["gradient_accumulation_steps"]
            % (generation_steps(training, processes) * training["num_iterations"])
            == 0
        ):
            yield (
                f"`{key}` makes one optimizer step a generation, so that every importance ratio is 1 and "
                "importance_sampling_level and epsilon have no effect: raise num_iterations or steps_per_generation"
            )
