"""Reinforcement learning with TRL's `GRPOTrainer`: GRPO, GSPO and whatever else its fields select."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import ProcessorMixin
from trl import GRPOConfig, GRPOTrainer

from reinforced_cot.adapters import lora_config
from reinforced_cot.conversations import prompt_lengths, rl_dataset
from reinforced_cot.examples import Example
from reinforced_cot.models import context_length, load_model
from reinforced_cot.processors import load_processor, vision_token_ids
from reinforced_cot.rewards import REWARDS
from reinforced_cot.training import run, trainer_arguments


def train(
    settings: Mapping[str, Any],
    examples: Sequence[Example],
    data: Path,
    parent: Path,
    output: Path,
    resume_from: Path | None,
) -> None:
    """Train a fresh adapter on ``parent``; write ``adapter/``, ``adapter.json`` and ``metrics.json`` under ``output``.

    Args:
        settings: sections seed, base_model, prompt, rewards and rl (this policy's own).
        data: the folder that the examples' images are relative to.
        parent: ``results/sft``, whose merged model is the start.
        output: ``results/{policy}``.

    Raises:
        DataError: a prompt is too long.
    """
    rl, prompt = settings["rl"], settings["prompt"]
    examples = examples[: rl["examples"]]
    processor = load_processor(parent / "model")
    new_tokens = rl["training"]["max_completion_length"]
    prompt_lengths(processor, examples, data, prompt, context_length(parent / "model"), new_tokens)
    functions, weights = reward_functions(settings["rewards"])
    model = load_model(parent / "model", settings["base_model"], rl["quantization"])
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=functions,
        args=grpo_config(settings, weights, processor, output),
        train_dataset=rl_dataset(examples, data, prompt),
        processing_class=processor,
        peft_config=lora_config(rl["lora"], model),
    )
    run(trainer, resume_from, parent, output, settings["seed"])


def reward_functions(rewards: Mapping[str, float | None]) -> tuple[list[Callable[..., list[float]]], list[float]]:
    """The functions that have a weight, and their weights, in the order of the config."""
    chosen = {name: weight for name, weight in rewards.items() if weight is not None}
    return [REWARDS[name] for name in chosen], list(chosen.values())


def grpo_config(
    settings: Mapping[str, Any], weights: Sequence[float], processor: ProcessorMixin, output: Path
) -> GRPOConfig:
    """TRL's configuration: the user's fields, the rewards' weights, and samplers that never draw an image token."""
    training = dict(settings["rl"]["training"])
    generation = dict(training.pop("generation_kwargs", None) or {})
    banned = vision_token_ids(processor.tokenizer)
    if training.get("use_vllm"):
        generation["logit_bias"] = {**generation.get("logit_bias", {}), **dict.fromkeys(banned, -100.0)}
    else:
        generation["suppress_tokens"] = [*generation.get("suppress_tokens", []), *banned]
    return GRPOConfig(
        **trainer_arguments(training, settings["base_model"]["dtype"], settings["seed"], output),
        reward_weights=list(weights),
        generation_kwargs=generation,
        log_multimodal=False,  # else every generation gathers all images between ranks
    )
