"""Configurations for tests: a small valid one, changes of it, and presets merged over the default."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reinforced_cot.config.composition import compose
from reinforced_cot.config.validation import validated
from reinforced_cot.errors import ConfigError

COMMIT = "66285546d2b821cf421d4f5eb2576359d3770cd3"
LORA = {"r": 16, "lora_alpha": 32, "target_modules": ["q_proj", "k_proj", "v_proj"]}
PHOTOS = {"file": "a.jsonl", "images": "photos"}
GRPO = "policies.grpo.training"
TINY = "base_model.tiny.architecture"
ON_GPUS = {f"launch.{stage}.topology": "single_gpu" for stage in ("sft", "grpo", "merge_lora", "answer")}


def minimal() -> dict[str, Any]:
    """A small valid configuration: test cases give their changes of it, so that tuning the demo breaks none."""
    training = {"per_device_train_batch_size": 64, "num_iterations": 2, "save_steps": 20, "loss_type": "grpo"}
    sequence = {**training, "importance_sampling_level": "sequence", "epsilon": 0.05}
    return {
        "data": {"source": "digits", "splits": {split: {"size": 100} for split in ("train", "val", "test")}},
        "report": ["base", "sft", "grpo", "gspo"],
        "policies": {
            "sft": {"method": "sft", "from": "base", "lora": dict(LORA), "training": {"save_strategy": "epoch"}},
            "grpo": {"method": "grpo", "from": "sft", "lora": dict(LORA), "training": training},
            "gspo": {"method": "grpo", "from": "sft", "lora": dict(LORA), "training": sequence},
        },
    }


def changed(changes: Mapping[str, Any]) -> dict[str, Any]:
    """`minimal` with values set by dotted key, as the merge of a preset sets them."""
    config = minimal()
    for key, value in changes.items():
        *path, last = key.split(".")
        section = config
        for name in path:
            section = section.setdefault(name, {})
        section[last] = value
    return config


def photos(**splits: dict[str, Any]) -> dict[str, Any]:
    """Changes that read photographs."""
    default = {
        "train": {**PHOTOS, "part": [0, 0.5]},
        "val": {**PHOTOS, "part": [0.5, 0.7]},
        "test": {**PHOTOS, "part": [0.7, 1]},
    }
    return {"data.source": "gqa_cot", "data.splits": {**default, **splits}}


def problems(config: Mapping[str, Any]) -> list[str]:
    try:
        validated(config)
    except ConfigError as error:
        return str(error).splitlines()
    return []


def merged(*files: Path) -> dict[str, Any]:
    """The configuration that files come to, the demo's without any."""
    return compose(files).config
