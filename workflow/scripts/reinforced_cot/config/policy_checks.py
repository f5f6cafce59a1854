"""Checks of one trained policy that hold for every method, and those of SFT."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Candidate:
    """A policy that is checked.

    Attributes:
        key: ``policies.{name}``.
        policy: its settings, whose ``training`` has all of TRL's fields: the user's values, and TRL's defaults.
        stated: its ``training`` as the user wrote it.
        processes: of its stage's topology.
    """

    key: str
    policy: Any
    stated: Mapping[str, Any]
    processes: int


def trainer_problems(candidate: Candidate) -> Iterator[str]:
    """What TRL's trainers or PEFT would refuse, for every method."""
    key, policy, training = candidate.key, candidate.policy, candidate.policy.training
    if training["bf16"] and training["fp16"]:
        yield f"`{key}.training.fp16` is true and so is bf16, which follows `base_model.dtype` unless written; keep one"
    if training["dataloader_prefetch_factor"] is not None and training["dataloader_num_workers"] == 0:
        yield f"`{key}.training.dataloader_prefetch_factor` needs `dataloader_num_workers` of 1 or more"
    for name in ("logging_steps", "save_steps"):
        if training[name] > 1 and training[name] != int(training[name]):
            yield f"`{key}.training.{name}` is {training[name]}; above 1 it must be a whole number"
    if training["save_strategy"] == "no":
        yield f"`{key}.training.save_strategy` is no; the stage publishes a saved checkpoint: use steps"
    if policy.lora is None:
        if policy.quantization:
            yield (
                f"`{key}.lora` is null and `{key}.quantization` is {policy.quantization}; quantized weights "
                "cannot be trained: give an adapter, or set quantization null"
            )
        return
    targets = policy.lora["target_modules"]
    if targets is None:
        yield f"`{key}.lora.target_modules` is null; name the modules, for instance [q_proj, k_proj, v_proj]"
    elif isinstance(targets, str) and not _is_regular_expression(targets):
        yield f"`{key}.lora.target_modules` is {targets}; give a list of names, all-linear, or a regular expression"
    elif "lm_head" in targets:
        yield f"`{key}.lora.target_modules` holds lm_head; TRL multiplies with its weight directly: leave it out"


def sft_problems(candidate: Candidate) -> Iterator[str]:
    """What the selection of a checkpoint, and TRL's selective checkpointing, ask for."""
    if candidate.policy.selection.every:
        yield (
            f"`{candidate.key}.selection.every` is {candidate.policy.selection.every}; SFT is validated at each "
            f"checkpoint: set `{candidate.key}.training.save_steps`, with `save_strategy: steps`"
        )
    key, training = f"{candidate.key}.training", candidate.policy.training
    if training["save_strategy"] not in ("steps", "epoch", "no"):
        yield (
            f"`{key}.save_strategy` is {training['save_strategy']}; "
            "the best checkpoint is chosen among the saved ones: use steps or epoch"
        )
    checkpointing = training["gradient_checkpointing_kwargs"] or {}
    if checkpointing.get("selective") and (
        checkpointing.get("use_reentrant") or not training["gradient_checkpointing"]
    ):
        yield (
            f"`{key}.gradient_checkpointing_kwargs.selective` needs `gradient_checkpointing: true` and no "
            "`use_reentrant`"
        )


def _is_regular_expression(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True
