"""A whole GRPO step, rollouts by transformers included, against stock TRL's, on real photographs.

    python benchmarks/grpo_step.py --sample ../shared/data/gqa-cot-sample

A step has two groups. The model is a random one of Qwen2.5-VL's architecture with LoRA, and the trainers take turns in
one process. Completions of a random model rarely end, so all have the full length: dropping ended rows gains no time.
Under `accelerate launch` the processes divide the groups. Writes grpo_step.json and grpo_step.md.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from photo_runs import LORA, MAX_PIXELS, MIN_PIXELS, SIZES, arguments, grpo_settings, photo_examples, publish
from transformers import TrainerCallback
from trl import GRPOTrainer

from reinforced_cot.base.tiny_model import build_model, build_processor, build_tokenizer
from reinforced_cot.data.examples import Example
from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.lora.adapter import lora_config
from reinforced_cot.models.image_cache import remember_images
from reinforced_cot.processes import rank, world_size
from reinforced_cot.training.grpo import ResumableGRPOTrainer, grpo_config
from reinforced_cot.training.trainer import keep_features
from reinforced_cot.training.trainer_data import rl_dataset

WAYS = {"stock": GRPOTrainer, "shared": ResumableGRPOTrainer}


class Stopwatch(TrainerCallback):
    """Seconds of each step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self._started = time.perf_counter()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.seconds.append(time.perf_counter() - self._started)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every size of a group, and write the page."""
    parser = arguments(__doc__, __file__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8], help="completions per group (G)")
    parser.add_argument("--tokens", type=int, default=100, help="of a completion")
    parser.add_argument("--steps", type=int, default=4, help="of each trainer, the first of which is not counted")
    args = parser.parse_args(argv)
    claim_devices(0)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        examples = photo_examples(args.sample, work)
        results = [measure(examples, work, size, args.tokens, args.steps) for size in args.sizes]
    if rank() == 0:
        publish(args.out, {"results": results}, page)


def measure(examples: Sequence[Example], work: Path, size: int, tokens: int, steps: int) -> dict[str, Any]:
    """Seconds of a step of both ways: two groups of ``size`` completions."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(2):
        for way in WAYS:
            watch = Stopwatch()
            trainer = make_trainer(way, examples, work, work / f"{way} {size} {turn}", size, tokens, steps)
            trainer.add_callback(watch)
            trainer.train()
            seconds[way] += watch.seconds[1:]
    stock, shared = (median(seconds[way]) for way in WAYS)
    return {
        "completions_per_group": size,
        "completion_tokens": tokens,
        "seconds_stock": stock,
        "seconds_shared": shared,
        "ratio": stock / shared,
    }


def make_trainer(
    way: str, examples: Sequence[Example], data: Path, output: Path, size: int, tokens: int, steps: int
) -> GRPOTrainer:
    """A trainer of a random model, the same one each time."""
    settings = grpo_settings(
        2 * size,
        num_generations=size,
        per_device_train_batch_size=2 * size // world_size(),
        generation_batch_size=2 * size,
        max_completion_length=tokens,
        max_steps=steps,
        save_strategy="no",
        num_iterations=1,
        disable_tqdm=True,
        logging_steps=1000,
    )
    tokenizer = build_tokenizer([text for example in examples for text in (example.question, example.chain)], 2000)
    processor = build_processor(tokenizer, MIN_PIXELS, MAX_PIXELS)
    torch.manual_seed(1)
    model = build_model(tokenizer, SIZES)
    trainer = WAYS[way](
        model=model,
        reward_funcs=[lambda completions, **_: [float(hash(str(text)) % 7) for text in completions]],
        args=grpo_config(settings, [1.0], processor, output),
        train_dataset=rl_dataset(examples, data, settings.prompt),
        processing_class=processor,
        peft_config=lora_config(LORA, model),
    )
    if way != "stock":
        remember_images(processor, 2)
        keep_features(trainer, settings, output)
    return trainer


def page(found: dict[str, Any]) -> str:
    """The table as Markdown."""
    lines = [
        "# A whole GRPO step",
        "",
        "A step of two groups has rollouts by transformers, rewards, loss, backward and the optimizer's step. Stock",
        "TRL and this pipeline take turns in one process; this pipeline shares prompts in rollouts and passes,",
        "prepares each image once and keeps its features.",
        f"Written by grpo_step.py on {found['machine']}, with torch {found['torch']} and a random model of",
        f"{SIZES.num_hidden_layers} layers.",
        "",
        "| G | completion tokens | stock, s | shared, s | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row['completions_per_group']} | {row['completion_tokens']} | {row['seconds_stock']:.2f} | "
        f"{row['seconds_shared']:.2f} | {row['ratio']:.2f} |"
        for row in found["results"]
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
