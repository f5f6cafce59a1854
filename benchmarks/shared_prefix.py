"""GRPO's update with shared prefixes against stock TRL's: old log-probabilities, loss and backward of the same rows.

    python benchmarks/shared_prefix.py --sample ../shared/data/gqa-cot-sample

The rows have real photographs and questions, and random completions of 60 to 150 tokens; the model is a random one of
Qwen2.5-VL's architecture with LoRA. Both ways run in turn in one process, and their gradients are compared.
Writes shared_prefix.json and shared_prefix.md.
"""

import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from datasets import Dataset
from photo_runs import LORA, MAX_PIXELS, MIN_PIXELS, PROMPT, SIZES, arguments, grpo_settings, photo_examples, publish

from reinforced_cot.base.tiny_model import build_model, build_processor, build_tokenizer
from reinforced_cot.data.examples import Example
from reinforced_cot.data.prompts import prompt_messages
from reinforced_cot.generation.batching import opened
from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.lora.adapter import lora_config
from reinforced_cot.training.grpo import ResumableGRPOTrainer, grpo_config


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every size of a group, and write the page."""
    parser = arguments(__doc__, __file__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 4, 8, 16], help="completions per group (G)")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args(argv)
    claim_devices(0)
    with tempfile.TemporaryDirectory() as folder:
        results = [measure(args.sample, Path(folder) / str(size), size, args.repeats) for size in args.sizes]
    publish(args.out, {"results": results}, page)


def measure(sample: Path, work: Path, size: int, repeats: int) -> dict[str, Any]:
    """Seconds of an update of both ways: two groups of ``size`` completions."""
    examples = photo_examples(sample, work)
    trainer, processor = make_trainer(examples, work)
    inputs = make_inputs(examples[:2], work, processor, size)
    seconds: dict[str, list[float]] = {"off": [], "on": []}
    gradients: dict[str, list[torch.Tensor]] = {}
    for _ in range(repeats + 1):  # the first one warms up
        for way in seconds:
            trainer.shared_prefix = way
            started = time.perf_counter()
            gradients[way] = update(trainer, inputs)
            seconds[way].append(time.perf_counter() - started)
    pairs = list(zip(gradients["on"], gradients["off"], strict=True))
    mask = inputs["completion_mask"]
    return {
        "completions_per_group": size,
        "prompt_tokens": inputs["prompt_mask"].sum(dim=1)[::size].tolist(),
        "completion_tokens": [int(mask.sum(dim=1).min()), int(mask.sum(dim=1).max())],
        "seconds_stock": median(seconds["off"][1:]),
        "seconds_shared": median(seconds["on"][1:]),
        "ratio": median(seconds["off"][1:]) / median(seconds["on"][1:]),
        "gradient_error": max(float((a - b).norm() / b.norm().clamp(min=1e-12)) for a, b in pairs),
    }


def make_trainer(examples: Sequence[Example], work: Path) -> tuple[ResumableGRPOTrainer, Any]:
    """A real trainer of a random model, whose adapter is not zero."""
    tokenizer = build_tokenizer([text for example in examples for text in (example.question, example.chain)], 2000)
    processor = build_processor(tokenizer, MIN_PIXELS, MAX_PIXELS)
    model = build_model(tokenizer, SIZES)
    trainer = ResumableGRPOTrainer(
        model=model,
        reward_funcs=[lambda completions, **_: [0.0] * len(completions)],
        args=grpo_config(grpo_settings(), [1.0], processor, work / "grpo"),
        train_dataset=Dataset.from_list([{"prompt": "", "images": None}] * 64),
        processing_class=processor,
        peft_config=lora_config(LORA, model),
    )
    for name, weight in trainer.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    return trainer, processor


def make_inputs(examples: Sequence[Example], data: Path, processor: Any, size: int) -> dict[str, Any]:
    """Rows in TRL's form after a generation: each prompt ``size`` times, completions padded on the right."""
    draw = random.Random(1)
    messages = [prompt_messages(example.question, len(example.images), PROMPT) for example in examples]
    texts = [processor.apply_chat_template(m, tokenize=False, add_generation_prompt=True) for m in messages]
    images = [[opened(data / name) for name in example.images] for example in examples]
    batch = processor(
        text=[text for text in texts for _ in range(size)],
        images=[image for image in images for _ in range(size)],
        **{"padding": True, "padding_side": "left", "return_tensors": "pt"},
    )
    rows = len(batch["input_ids"])
    lengths = torch.tensor([draw.randint(60, 150) for _ in range(rows)])
    mask = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
    torch.manual_seed(1)
    return {
        "prompt_ids": batch["input_ids"],
        "prompt_mask": batch["attention_mask"],
        "completion_ids": torch.randint(10, 1000, mask.shape) * mask,
        "completion_mask": mask,
        "advantages": torch.randn(rows),
        "num_items_in_batch": mask.sum(),
        "pixel_values": batch["pixel_values"],
        "image_grid_thw": batch["image_grid_thw"],
        "num_images": [1] * rows,
        "mm_token_type_ids": torch.nn.functional.pad(batch["mm_token_type_ids"], (0, mask.shape[1])),
    }


def update(trainer: ResumableGRPOTrainer, inputs: dict[str, Any]) -> list[torch.Tensor]:
    """Compute old log-probabilities, loss and backward; return the adapter's gradients."""
    trainer.model.zero_grad()
    names = ("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids")
    with torch.no_grad():
        old, _, _ = trainer._get_per_token_logps_and_entropies(
            trainer.model,
            torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1),
            torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1),
            inputs["completion_ids"].shape[1],
            **{name: inputs[name] for name in names},
        )
    trainer._compute_loss(trainer.model, {**inputs, "old_per_token_logps": old}).backward()
    return [weight.grad.clone() for weight in trainer.model.parameters() if weight.grad is not None]


def page(found: dict[str, Any]) -> str:
    """The table as Markdown."""
    lines = [
        "# Shared prefixes",
        "",
        "The times are of old log-probabilities, loss and backward of two groups, by stock TRL and with",
        "`shared_prefix`, in one process.",
        f"Written by shared_prefix.py on {found['machine']}, with torch {found['torch']} and a random model of",
        f"{SIZES.num_hidden_layers} layers.",
        "",
        "| G | prompt tokens | completion tokens | stock, s | shared, s | ratio | largest gradient error |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found["results"]:
        low, high = row["completion_tokens"]
        prompts = ", ".join(str(count) for count in row["prompt_tokens"])
        lines.append(
            f"| {row['completions_per_group']} | {prompts} | {low} to {high} | {row['seconds_stock']:.2f} | "
            f"{row['seconds_shared']:.2f} | {row['ratio']:.2f} | {row['gradient_error']:.1e} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
