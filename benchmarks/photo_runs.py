"""Shared parts of the benchmarks on photographs: questions, a random model of Qwen2.5-VL's architecture, a page."""

import argparse
import json
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

# At the end of the path: that folder also has the stages' scripts, one of which is named sft, like a benchmark.
sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import torch
from machine import machine

from reinforced_cot.data.examples import Example, read_examples
from reinforced_cot.data.settings import PixelBudget, Prompt
from reinforced_cot.models.settings import Loading, ModelSizes
from reinforced_cot.policies.grpo import GrpoPolicy, GrpoSettings
from reinforced_cot.preparation.prepare import prepare
from reinforced_cot.sources.gqa_cot import read_gqa_cot

MIN_PIXELS, MAX_PIXELS = 3136, 301056  # at most 384 visual tokens
BUDGET = PixelBudget(min_pixels=MIN_PIXELS, max_pixels=MAX_PIXELS)
SIZES = ModelSizes(
    hidden_size=256,
    intermediate_size=1024,
    num_hidden_layers=6,
    num_attention_heads=8,
    vision_hidden_size=160,
    vision_depth=4,
    vision_intermediate_size=400,
    max_position_embeddings=4096,
)
SEED = 1
PROMPT = Prompt(max_tokens=2048)
LOADING = Loading(vision_cache="on")
LORA = {"r": 16, "lora_alpha": 32, "target_modules": ["q_proj", "k_proj", "v_proj"]}
TRAINING: dict[str, Any] = {
    **{"per_device_train_batch_size": 16, "generation_batch_size": 16, "num_generations": 8, "beta": 0.0},
    **{"max_completion_length": 150, "loss_type": "grpo", "max_steps": 1, "gradient_checkpointing": False},
}


def grpo_settings(global_batch_size: int = 16, **training: Any) -> GrpoSettings:
    """Settings of a GRPO policy; ``training`` holds fields of TRL's that differ from `TRAINING`."""
    origin = {"method": "grpo", "from": "base", "lora": LORA}
    learning = {"global_batch_size": global_batch_size, "training": {**TRAINING, **training}}
    policy = GrpoPolicy.model_validate({**origin, **learning})
    return GrpoSettings(seed=SEED, prompt=PROMPT, base_model=LOADING, repeats=0, policy=policy)


def arguments(description: str, script: str) -> argparse.ArgumentParser:
    """A parser that takes the sample, and the file of the results, by default beside ``script``."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=Path, required=True, help="folder of train_data.jsonl and images")
    parser.add_argument("--out", type=Path, default=Path(script).with_suffix(".json"))
    return parser


def photo_examples(sample: Path, work: Path, count: int = 64) -> list[Example]:
    """The first questions of the sample, with their chains; their images are written below ``work``."""
    file, images = sample / "train_data.jsonl", sample / "images"
    prepare(lambda: islice(read_gqa_cot(file, images), count), BUDGET, work, "train", 0.5)
    return list(read_examples(work / "train.jsonl"))


def publish(out: Path, results: dict[str, Any], page: Callable[[dict[str, Any]], str]) -> None:
    """Write the results and their machine as JSON, and a page beside it."""
    found = {"machine": f"{machine()}, {torch.get_num_threads()} threads", "torch": torch.__version__}
    found |= results
    out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(page(found), encoding="utf-8")
    print(page(found))
