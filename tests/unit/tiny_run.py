"""A tiny run on disk: 24 questions about patterns, an untrained tiny base, an adapter of it that has an effect."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reinforced_cot.data.examples import Example, read_examples
from reinforced_cot.data.records import Place, RawRecord
from reinforced_cot.data.settings import PixelBudget, Prompt
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.models.settings import BaseCheckpoint, BaseSettings, Loading
from reinforced_cot.policies.grpo import GrpoSettings
from reinforced_cot.policies.settings import MergeSettings
from reinforced_cot.policies.sft import SftSettings
from reinforced_cot.preparation.prepare import prepare

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
TINY = {
    "vocab_size": 400,
    "architecture": {"hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 48, "vision_depth": 1},
    "pretraining": None,
}
SETTINGS: dict[str, Any] = {
    "seed": 1,
    "repeats": 0,
    "image": {"min_pixels": MIN_PIXELS, "max_pixels": MAX_PIXELS},
    "prompt": {"system": None, "instruction": "", "max_tokens": 512},
    "base_model": {
        "dtype": "float32",
        "attn_implementation": "sdpa",
        "trust_remote_code": False,
        "vision_cache": "auto",
    },
    "checkpoint": {"path": None, "revision": None, "trust_remote_code": False, "tiny": TINY},
    "sft": {
        "method": "sft",
        "from": "base",
        "global_batch_size": 4,
        "lora": LORA,
        "selection": {"examples": 3, "batch_size": 2, "max_new_tokens": 4, "samples": 0, "allow_cut_off": True},
        "training": TRAINING,
    },
    "grpo": {
        "method": "grpo",
        "from": "sft",
        "global_batch_size": 4,
        "lora": LORA,
        "selection": {"examples": 3, "batch_size": 2, "max_new_tokens": 4, "samples": 0, "allow_cut_off": True},
        "rewards": {"format": 0.5, "correctness": 2.0, "consistency": None, "tag_count": 1.0},
        "probes": {"every": None, "questions": 4, "batch_size": 4},
        "training": TRAINING
        | {"num_generations": 2, "generation_batch_size": 4, "max_completion_length": 6, "beta": 0.0},
    },
    "answer": {
        "batch_size": 3,
        "max_new_tokens": 4,
        "samples": 0,
        "direct": False,
        "probes": 0,
        "engine": "transformers",
        "gpu_memory_utilization": 0.5,
    },
}
LOADING = Loading(**SETTINGS["base_model"])
PROMPT = Prompt(**SETTINGS["prompt"])


@dataclass(frozen=True)
class TinySettings:
    """What each stage of a tiny run is told."""

    content: dict[str, Any]

    @property
    def base(self) -> BaseSettings:
        return BaseSettings(**self._part("seed", "image"), base_model=BaseCheckpoint(**self.content["checkpoint"]))

    @property
    def sft(self) -> SftSettings:
        return SftSettings.model_validate(self._part("seed", "repeats", "prompt", "base_model", policy="sft"))

    @property
    def grpo(self) -> GrpoSettings:
        return GrpoSettings.model_validate(self._part("seed", "repeats", "prompt", "base_model", policy="grpo"))

    @property
    def merge(self) -> MergeSettings:
        return MergeSettings.model_validate(self._part("seed", "repeats", "prompt", "base_model", policy="sft"))

    @property
    def answer(self) -> AnswerSettings:
        return AnswerSettings.model_validate(self._part("seed", "prompt", "base_model", "answer"))

    def _part(self, *names: str, **renamed: str) -> dict[str, Any]:
        parts = {name: name for name in names} | renamed
        return {name: self.content[section] for name, section in parts.items()}


@dataclass(frozen=True)
class TinyRun:
    """`data` and `results` of a run up to an SFT adapter; tests read it and write elsewhere."""

    data: Path
    base: Path
    sft: Path
    examples: Sequence[Example]

    def settings(self, **changes: Any) -> TinySettings:
        """`SETTINGS` with values set by a key of underscored parts: ``sft__training__max_steps=4``."""
        content = copy.deepcopy(SETTINGS)
        for key, value in changes.items():
            *path, last = key.split("__")
            section = content
            for name in path:
                section = section[name]
            section[last] = value
        return TinySettings(content)


def with_several_images(run: TinyRun) -> TinyRun:
    """The run with questions about one to three images; every other one has places for them in its text."""
    own, examples = [example.images[0] for example in run.examples], []
    for number, example in enumerate(run.examples):
        count = 1 + number % 3
        images = tuple(own[(number + 5 * further) % len(own)] for further in range(count))
        places = " as in " + " or ".join(["<image>"] * count) + "?" if number % 2 else ""
        examples.append(replace(example, images=images, question=example.question + places))
    return replace(run, examples=examples)


def make_tiny_run(root: Path) -> TinyRun:
    """Write the data, the untrained base and an adapter of it under ``root``."""
    data, base, sft = root / "data", root / "base", root / "sft"
    prepare(lambda: map(make_record, range(24)), PixelBudget(**SETTINGS["image"]), data, "train", 0.0)
    examples = read_examples(data / "train.jsonl")

    from peft import PeftModel, get_peft_model

    from reinforced_cot.base.base_model import make_base
    from reinforced_cot.lora.adapter import lora_config, publish_adapter
    from reinforced_cot.models.loading import load_model

    make_base(TinySettings(SETTINGS).base, examples, base)
    model = load_model(base / "model", LOADING)
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
    """The trainer that ``stage.train`` makes, without its training; its adapter has an effect."""
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
        place=Place("patterns", number),
        images=(image,),
        question=f"What color is the {place} digit {'to the left ' * (number % 3)}of the picture?",
        answers=(color,),
        chain="\n".join([*steps, f"QUERY(color): {color}"]),
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


def alike(cache: Any, expected: Any, seen: Any) -> bool:
    """Whether two caches hold the same keys and values where ``seen``, shape ``(rows, tokens)``, is true."""
    import torch

    return all(
        torch.allclose(*(getattr(layer, name).transpose(1, 2)[seen] for layer in layers), atol=1e-4, rtol=1e-4)
        for layers in zip(cache.layers, expected.layers, strict=True)
        for name in ("keys", "values")
    )
