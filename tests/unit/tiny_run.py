"""A tiny run on disk: 24 questions about patterns, an untrained tiny base, an adapter of it that changes something."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reinforced_cot.data.examples import Example, read_examples
from reinforced_cot.data.images import PixelBudget
from reinforced_cot.data.preparation import RawRecord, prepare

MIN_PIXELS, MAX_PIXELS = 28 * 28, 16 * 28 * 28
COLORS, PLACES = ("red", "green", "blue", "yellow"), ("top left", "top right", "bottom")
SIZES = ((84, 56), (56, 112), (56, 56))
LORA = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "k_proj", "v_proj"]}
TRAINING = {
    "per_device_train_batch_size": 4,
    "max_steps": 2,
    "save_strategy": "steps",
    "save_steps": 1,
    "logging_steps": 1,
    "learning_rate": 1.0e-2,
}
SETTINGS: dict[str, Any] = {
    "seed": 1,
    "image": {"min_pixels": MIN_PIXELS, "max_pixels": MAX_PIXELS},
    "prompt": {"system": None, "instruction": "", "max_tokens": 512},
    "base_model": {
        "path": None,
        "revision": None,
        "dtype": "float32",
        "attn_implementation": "sdpa",
        "trust_remote_code": False,
        "vision_cache": "auto",
        "tiny": {
            "vocab_size": 400,
            "architecture": {"hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 48, "vision_depth": 1},
            "pretraining": None,
        },
    },
    "sft": {
        "examples": None,
        "quantization": None,
        "padding_free": "auto",
        "global_batch_size": 4,
        "lora": LORA,
        "selection": {"examples": 3, "batch_size": 2, "max_new_tokens": 4, "samples": 0},
        "training": TRAINING,
    },
    "rewards": {"format": 0.5, "correctness": 2.0, "consistency": None, "tag_count": 1.0},
    "rl": {
        "start": "model",
        "shared_prefix": "auto",
        "refill_generations": 0,
        "examples": None,
        "quantization": None,
        "global_batch_size": 4,
        "lora": LORA,
        "max_sampling_logp_difference": 0.1,
        "probes": {"every": None, "questions": 4, "batch_size": 4},
        "training": TRAINING
        | {"num_generations": 2, "generation_batch_size": 4, "max_completion_length": 6, "beta": 0.0},
    },
    "evaluation": {
        "batch_size": 3,
        "max_new_tokens": 4,
        "samples": 0,
        "direct": False,
        "probes": 0,
        "engine": "transformers",
        "gpu_memory_utilization": 0.5,
    },
}


@dataclass(frozen=True)
class TinyRun:
    """`data` and `results` of a run up to an SFT adapter; tests read it and write elsewhere."""

    data: Path
    base: Path
    sft: Path
    examples: Sequence[Example]

    def settings(self, **changes: Any) -> dict[str, Any]:
        """`SETTINGS` with values set by a key of underscored parts: ``sft__training__max_steps=4``."""
        settings = copy.deepcopy(SETTINGS)
        for key, value in changes.items():
            *path, last = key.split("__")
            section = settings
            for name in path:
                section = section[name]
            section[last] = value
        return settings


def make_tiny_run(root: Path) -> TinyRun:
    """Write the data, the untrained base and an adapter of it under ``root``."""
    data, base, sft = root / "data", root / "base", root / "sft"
    prepare(map(make_record, range(24)), PixelBudget(MIN_PIXELS, MAX_PIXELS), data, "train", 0.0)
    examples = read_examples(data / "train.jsonl")

    from peft import PeftModel, get_peft_model

    from reinforced_cot.lora.adapter import lora_config, publish_adapter
    from reinforced_cot.models.base_model import make_base
    from reinforced_cot.models.loading import load_model

    make_base(SETTINGS, examples, base)
    model = load_model(base / "model", SETTINGS["base_model"])
    adapted: PeftModel = get_peft_model(model, lora_config(LORA, model))
    perturb(adapted)
    adapted.save_pretrained(root / "checkpoint")
    publish_adapter(root / "checkpoint", base, sft)
    return TinyRun(data, base, sft, examples)


def with_large_weights(model: Any) -> Any:
    """The model with random weights so large that no two tokens are alike: an untrained one says one thing to all."""
    import torch

    torch.manual_seed(0)
    for weight in model.model.language_model.layers.parameters():
        if weight.ndim == 2:
            weight.data = 0.3 * torch.randn_like(weight)
    return model


def made_trainer(stage: Any, *args: Any) -> Any:
    """The trainer that ``stage.train`` makes, without its training; its adapter changes something."""
    made: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "run", lambda trainer, *_: made.append(trainer))
        stage.train(*args)
    perturb(made[0].model)
    return made[0]


def make_record(number: int) -> RawRecord:
    """Questions and chains of several lengths, images of three sizes, no two of which are alike."""
    color, place = COLORS[number % 4], PLACES[number // 4 % 3]
    size = SIZES[number % 3]
    image = Image.linear_gradient("L").rotate(7 * number).resize(size).convert("RGB")
    image.paste(color, (0, 0, size[0] // 2, size[1] // 2))
    steps = [f"SELECT({place}): {color} {number % 10}", *[f"RELATE({place}, left): {place}"] * (number % 5)]
    return RawRecord(
        id=f"q{number}",
        source=f"line {number}",
        image=image,
        question=f"What color is the {place} digit {'to the left ' * (number % 3)}of the picture?",
        answer=color,
        cot="\n".join([*steps, f"QUERY(color): {color}"]),
        question_type="color",
    )


def perturb(adapted: Any, scale: float = 0.2) -> None:
    """Give a fresh adapter, whose lora_B is zero, an effect."""
    import torch

    generator = torch.Generator().manual_seed(0)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            parameter.data = scale * torch.randn(parameter.shape, generator=generator)


def lottery(completions: Sequence[Any], **_: Any) -> list[float]:
    """A reward that differs between any two completions, so that every group moves the policy."""
    return [int.from_bytes(sha256(m[0]["content"].encode()).digest()[:2], "big") / 2**16 for m in completions]


def alike(found: Any, expected: Any, seen: Any) -> bool:
    """Whether two caches hold the same keys and values where ``seen``, shape ``(rows, tokens)``, is true."""
    import torch

    return all(
        torch.allclose(*(getattr(layer, name).transpose(1, 2)[seen] for layer in layers), atol=1e-4, rtol=1e-4)
        for layers in zip(found.layers, expected.layers, strict=True)
        for name in ("keys", "values")
    )
