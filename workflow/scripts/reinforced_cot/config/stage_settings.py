"""Which part of the configuration each stage reads: what its settings file holds, and so what makes it rerun."""

from collections.abc import Mapping
from typing import Any

from reinforced_cot.config.launch_checks import processes_of
from reinforced_cot.planning.batch_sizes import generation_batch_size, global_batch_size

Config = Mapping[str, Any]

_LOADING = ("dtype", "attn_implementation", "trust_remote_code", "vision_cache")


def policies(config: Config) -> list[str]:
    """Every policy that is evaluated, in the order of the report."""
    return ["base", "sft", *config["policies"]]


def seed_folders(config: Config) -> dict[int, str]:
    """The run of each seed: its folder below the results, the first seed's being the results folder itself."""
    return {config["seed"]: ""} | {seed: f"seed_{seed}/" for seed in config["seeds"]}


def replica(config: Config, seed: int) -> dict[str, Any]:
    """The configuration of the same run at another seed."""
    results = f"{config['pathvars']['results']}/seed_{seed}"
    return {**config, "seed": seed, "seeds": [], "pathvars": {"results": results}}


def data_settings(config: Config, split: str) -> dict[str, Any]:
    """What prepare_data reads for one split: nothing of the other splits."""
    data = {**config["data"], "splits": {split: config["data"]["splits"][split]}}
    if data["source"] != "digits":
        del data["digits"]
    return {"seed": config["seed"], "image": config["image"], "data": data}


def base_settings(config: Config) -> dict[str, Any]:
    """What base_model reads; the tiny model's sizes only where it is built."""
    base_model = {key: value for key, value in config["base_model"].items() if key != "vision_cache"}
    if base_model["path"] is not None:
        del base_model["tiny"]
    return {
        "seed": config["seed"],
        "image": config["image"],
        "base_model": base_model,
    }


def train_settings(config: Config, policy: str) -> dict[str, Any]:
    """What sft, or RL for one policy, reads."""
    common = {"seed": config["seed"], "prompt": config["prompt"], "base_model": _loading(config)}
    if policy == "base":
        return base_settings(config)
    if policy == "sft":
        return {**common, "sft": _with_totals(config, "sft", config["sft"])}
    rl = {key: value for key, value in config["rl"][policy].items() if key not in ("rewards", "like")}
    settings = {**common, "rewards": rewards(config, policy), "rl": _with_totals(config, "rl", rl)}
    # With a quantized base, merging asks the questions of val: `merging.quantized_and_merged`.
    return {**settings, "selection": config["sft"]["selection"]} if is_quantized(config, policy) else settings


def training_section(config: Config, policy: str) -> Mapping[str, Any]:
    """The section of the policy that SFT, or RL, makes."""
    section: Mapping[str, Any] = config["sft"] if policy == "sft" else config["rl"][policy]
    return section


def is_quantized(config: Config, policy: str) -> bool:
    """Whether a policy's adapter is trained on a quantized base."""
    return training_section(config, policy)["quantization"] is not None


def is_adapted(config: Config, policy: str) -> bool:
    """Whether a policy is trained as an adapter, which is then merged; the others are trained in full."""
    return training_section(config, policy)["lora"] is not None


def parent(config: Config, policy: str) -> str:
    """The policy whose model a policy's adapter belongs to, or whose weights are trained in full."""
    return "base" if policy == "sft" or config["rl"][policy]["start"] == "adapter" else "sft"


def rewards(config: Config, policy: str) -> Any:
    """The rewards of an RL policy: its own, or those of all."""
    own = config["rl"][policy]["rewards"]
    return config["rewards"] if own is None else own


def eval_settings(config: Config) -> dict[str, Any]:
    """What answer reads; the same for every policy. GQA's files are read by the rules that score and check."""
    asked = {key: value for key, value in config["evaluation"].items() if not key.startswith("gqa_")}
    return {
        "seed": config["seed"],
        "prompt": config["prompt"],
        "base_model": _loading(config),
        "evaluation": asked,
    }


def _with_totals(config: Config, stage: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """A training section that says how many rows all processes take together: what is learned follows from that.

    How many processes there are is left away, so that the same batch spread over other GPUs makes nothing stale.
    """
    processes, training = processes_of(config["launch"], stage), dict(section["training"])
    total = global_batch_size(section, training, processes)
    if stage == "rl":
        training["generation_batch_size"] = generation_batch_size(section, training, processes)
    for by_process in ("gradient_accumulation_steps", "steps_per_generation"):
        training.pop(by_process, None)
    return {**section, "global_batch_size": total, "training": training}


def _loading(config: Config) -> dict[str, Any]:
    return {key: config["base_model"][key] for key in _LOADING}
