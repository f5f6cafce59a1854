"""Checks of the configuration that span several keys: what TRL would refuse an hour later is refused here at once."""

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from reinforced_cot.config import launch_checks, rl_checks
from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.models.families import FAMILIES, Family, check_vllm_rollouts, family_of_checkpoint
from reinforced_cot.planning import batch_sizes
from reinforced_cot.scoring.reward_loading import missing, used_weights

Settings = Mapping[str, Any]

_SCENE_PIXELS = 56 * 56  # of a digit scene (`digit_scenes`)


def problems(config: Settings, defaults: Mapping[str, Settings], sound: Callable[..., bool]) -> Iterator[str]:
    """One line a problem.

    Args:
        config: with the schema's defaults filled in.
        defaults: of SFTConfig under ``sft``, of GRPOConfig under ``rl``.
        sound: whether a section, given by its path, agrees with the schema; others are left alone.
    """
    if sound("seeds") and config["seed"] in config["seeds"]:
        yield f"`seeds` names {config['seed']}, which is `seed` itself; leave it out: seeds are further ones"
    if sound("data"):
        yield from _data(config["data"])
    if sound("image") and config["image"]["min_pixels"] > config["image"]["max_pixels"]:
        yield f"`image.min_pixels` is {config['image']['min_pixels']}; it must not be above `image.max_pixels`"
    if sound("base_model"):
        yield from _base_model(config["base_model"])
        if config["base_model"]["path"] is None:
            yield from _tiny(config["base_model"]["tiny"])
            if config["base_model"]["tiny"]["pretraining"] and sound("image"):
                yield from _scenes_fit(config["image"])
            yield from _room_for_prompts(config, defaults["rl"], sound)
    # bf16 follows the base model's dtype where it is not written (`training.trainer_arguments`).
    bf16 = sound("base_model") and config["base_model"]["dtype"] == "bfloat16"
    launched = sound("launch")
    if launched:
        yield from launch_checks.problems(config["launch"], _quantized(config, sound))
        if sound("base_model"):
            yield from launch_checks.attention_problems(config["launch"], config["base_model"])
    if sound("sft"):
        training = {**defaults["sft"], "bf16": bf16, **config["sft"]["training"]}
        processes = launch_checks.processes_of(config["launch"], "sft") if launched else 1
        yield from _sft(config["sft"], training)
        yield from batch_sizes.problems("sft", config["sft"], training, processes)
    if sound("rewards"):
        yield from _rewards("rewards", config["rewards"])
    if sound("evaluation") and sound("data"):
        yield from _gqa(config["evaluation"], config["data"])
    if not sound("policies") or not isinstance(config.get("rl"), dict):
        return
    processes = launch_checks.processes_of(config["launch"], "rl") if launched else 1
    for policy in config["policies"]:
        key = f"rl.{policy}"
        if policy not in config["rl"]:
            near = difflib.get_close_matches(policy, config["rl"], n=1)
            hint = f"did you mean {near[0]}?" if near else f"add `{key}` or remove the name"
            yield f"`policies` names {policy}, which has no settings under `rl`; {hint}"
        elif sound("rl", policy):
            settings = config["rl"][policy]
            if settings["rewards"] is not None:
                yield from _rewards(f"{key}.rewards", settings["rewards"])
            training = {**defaults["rl"], "bf16": bf16, **settings["training"]}
            yield from _trainer(key, settings, training)
            if sound("sft"):
                yield from rl_checks.start_problems(key, settings, config["sft"])
            if refused := list(batch_sizes.problems(key, settings, training, processes)):
                yield from refused
                continue
            yield from rl_checks.problems(key, settings, training, processes)
            if sound("prompt") and training["use_vllm"]:
                yield from rl_checks.room_in_vllm(key, training, config["prompt"]["max_tokens"])
            if launched:
                yield from launch_checks.rollout_problems(config["launch"], key, settings, training)
            if sound("base_model") and training["use_vllm"]:
                yield from _vllm_rollouts(key, config["base_model"])
            if sound("data"):
                yield from rl_checks.enough_prompts(key, settings, training, processes, config["data"])


def _quantized(config: Settings, sound: Callable[..., bool]) -> dict[str, list[str]]:
    """Which sections of the stages sft and rl have a quantized base."""
    policies = config["policies"] if sound("policies") and sound("rl") else []
    return {
        "sft": ["sft"] if sound("sft") and config["sft"]["quantization"] else [],
        "rl": [f"rl.{name}" for name in policies if name in config["rl"] and config["rl"][name]["quantization"]],
    }


def _rewards(key: str, rewards: str | Mapping[str, float | None] | None) -> Iterator[str]:
    weights = used_weights(rewards or {})
    if not any(weights.values()):
        yield f"`{key}` has no weight above 0; a policy needs something to learn from"
    for name in (name for name in weights if ":" in name):
        if problem := missing(name):
            yield f"`{key}` names {name}; {problem}"


def _gqa(evaluation: Settings, data: Settings) -> Iterator[str]:
    """GQA's official metrics are defined over all balanced questions."""
    if evaluation["gqa_choices"] and not evaluation["gqa_questions"]:
        yield "`evaluation.gqa_choices` is only read with `evaluation.gqa_questions`; set that too, or this null"
    test = data["splits"]["test"]
    if evaluation["gqa_questions"] and (data["source"] != "gqa_cot" or test["size"] is not None or test["part"]):
        yield (
            "`evaluation.gqa_questions` asks for GQA's official metrics, which need all of the test split: set "
            "`data.source` gqa_cot, `data.splits.test.size` null and its `part` null"
        )


def missing_data(config: Settings) -> Iterator[str]:
    """One line a raw file or folder that is not there: Snakemake would take what was made of another as up to date."""
    paths = {
        f"data.splits.{split}.{key}": settings[key]
        for split, settings in config["data"]["splits"].items()
        for key in ("file", "images")
    }
    paths |= {f"evaluation.{key}": config["evaluation"][key] for key in ("gqa_questions", "gqa_choices")}
    for key, path in paths.items():
        if path is not None and not Path(path).exists():
            yield f"`{key}` is {path}, which does not exist; correct it"


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
            "correct the folder, or pin the model's commit (40 hexadecimal digits; it can change under its name): "
            f"git ls-remote https://huggingface.co/{path} HEAD"
        )
    if revision is not None and (path is None or is_folder):
        yield f"`base_model.revision` is {revision}; it pins a hub id, and `base_model.path` is none; set it null"
    try:
        _family(base_model)
    except DataError as error:
        yield f"`base_model.path`: {error}"
    if base_model["trust_remote_code"] and revision is None:
        yield "`base_model.trust_remote_code` is true; code is only run from a hub id with its `base_model.revision`"


def _family(base_model: Settings) -> Family | None:
    """Of a folder or the tiny model; what a hub id is of is seen once it is fetched, before any model is loaded."""
    if base_model["path"] is None:
        return FAMILIES["qwen2_5_vl"]
    folder = Path(base_model["path"])
    return family_of_checkpoint(folder) if folder.is_dir() else None


def _vllm_rollouts(key: str, base_model: Settings) -> Iterator[str]:
    try:
        if family := _family(base_model):
            check_vllm_rollouts(family, key)
    except DataError:
        return  # `_base_model` says so
    except PipelineError as error:
        yield str(error)


def _tiny(tiny: Settings) -> Iterator[str]:
    """What Qwen2.5-VL's rotary embeddings ask of its sizes: half a head for text, a quarter for an image's two axes."""
    sizes, key = tiny["architecture"], "base_model.tiny.architecture"
    heads, groups, seeing = (sizes[f"{name}_heads"] for name in ("num_attention", "num_key_value", "vision_num"))
    if sizes["hidden_size"] % (2 * heads):
        yield (
            f"`{key}.hidden_size` is {sizes['hidden_size']}; it must be a multiple of "
            f"2 x num_attention_heads, {2 * heads}"
        )
    if heads % groups:
        yield f"`{key}.num_attention_heads` is {heads}; it must be a multiple of num_key_value_heads, {groups}"
    if sizes["vision_hidden_size"] % (4 * seeing):
        yield (
            f"`{key}.vision_hidden_size` is {sizes['vision_hidden_size']}; it must be a multiple of "
            f"4 x vision_num_heads, {4 * seeing}"
        )
    if tiny["pretraining"] and not any(tiny["pretraining"]["mix"].values()):
        yield "`base_model.tiny.pretraining.mix` has no share above 0; the language model needs something to read"


def _scenes_fit(image: Settings) -> Iterator[str]:
    """Pretraining aligns one visual token with each of a digit scene's cells: the scenes must keep their size."""
    resized = {"min_pixels": image["min_pixels"] > _SCENE_PIXELS, "max_pixels": image["max_pixels"] < _SCENE_PIXELS}
    for key in (key for key, bad in resized.items() if bad):
        yield (
            f"`image.{key}` is {image[key]}; the tiny model is trained on digit scenes of {_SCENE_PIXELS} pixels, "
            "which must stay as they are: change it or set `base_model.tiny.pretraining` null"
        )


def _room_for_prompts(config: Settings, rl_defaults: Settings, sound: Callable[..., bool]) -> Iterator[str]:
    """Completions as long as the tiny model's context; what each prompt needs is counted when a stage starts."""
    lengths = {}
    if sound("sft", "selection"):
        lengths["sft.selection.max_new_tokens"] = config["sft"]["selection"]["max_new_tokens"]
    if sound("evaluation"):
        lengths["evaluation.max_new_tokens"] = config["evaluation"]["max_new_tokens"]
    if sound("policies") and sound("rl"):
        for policy in (name for name in config["policies"] if name in config["rl"]):
            training = {**rl_defaults, **config["rl"][policy]["training"]}
            lengths[f"rl.{policy}.training.max_completion_length"] = training["max_completion_length"]
    context = config["base_model"]["tiny"]["architecture"]["max_position_embeddings"]
    for key, length in lengths.items():
        if length >= context:
            yield f"`{key}` is {length}; the tiny model has {context} positions, for prompt and completion together"


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
    if checkpointing.get("selective") and key != "sft":
        yield f"`{key}.training.gradient_checkpointing_kwargs.selective` is there for `sft` alone: leave it out"
    elif checkpointing.get("selective") and (
        checkpointing.get("use_reentrant") or not training["gradient_checkpointing"]
    ):
        yield (
            f"`{key}.training.gradient_checkpointing_kwargs.selective` needs `gradient_checkpointing: true` and "
            "no `use_reentrant`"
        )
    if settings["lora"] is None:
        if settings["quantization"]:
            yield (
                f"`{key}.lora` is null and `{key}.quantization` is {settings['quantization']}; quantized weights "
                "cannot be trained: give an adapter, or set quantization null"
            )
        return
    targets = settings["lora"]["target_modules"]
    if targets is None:
        yield f"`{key}.lora.target_modules` is null; name the modules, for instance [q_proj, k_proj, v_proj]"
    elif isinstance(targets, str) and not _is_regular_expression(targets):
        yield f"`{key}.lora.target_modules` is {targets}; give a list of names, all-linear, or a regular expression"
    elif "lm_head" in targets:
        yield f"`{key}.lora.target_modules` holds lm_head; TRL multiplies with its weight directly: leave it out"


def _is_regular_expression(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True
