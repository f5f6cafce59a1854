"""SFT samples per second in the original system's way, in stock TRL's and in this pipeline's, on real photographs.

    python benchmarks/sft.py --sample ../shared/data/gqa-cot-sample

The original padded every row to 2048 tokens. Stock is TRL's SFTTrainer with its own collator and order. The model
is a random one of Qwen2.5-VL's architecture with LoRA. The trainers run in turn in one process, each time from the
start. Writes sft.json and sft.md.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from grpo_step import Stopwatch
from photo_runs import (
    LOADING,
    LORA,
    MAX_PIXELS,
    MIN_PIXELS,
    PROMPT,
    SEED,
    SIZES,
    arguments,
    photo_examples,
    publish,
)
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from reinforced_cot.base.tiny_model import build_model, build_processor, build_tokenizer
from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.generation.rendering import prompt_lengths
from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.lora.adapter import lora_config
from reinforced_cot.policies.settings import Selection
from reinforced_cot.policies.sft import SftPolicy, SftSettings
from reinforced_cot.training.sft import CompletionCollator, PackedTrainer, sft_config
from reinforced_cot.training.trainer import keep_features
from reinforced_cot.training.trainer_data import sft_dataset
from reinforced_cot.training.validation import ValidationQuestions

PADDED = 2048
WAYS = {"original": "every row padded to 2048 tokens", "stock": "TRL's SFTTrainer", "own": "this pipeline"}
NAMES = ("input_ids", "attention_mask", "labels", "mm_token_type_ids")


class PaddedCollator(DataCollatorForVisionLanguageModeling):
    """Rows of one length, as the original system made them."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch = super().torch_call(examples)
        for name in NAMES:
            missing = PADDED - batch[name].shape[1]
            batch[name] = torch.nn.functional.pad(batch[name], (0, missing), value=-100 if name == "labels" else 0)
        return batch


def main(argv: Sequence[str] | None = None) -> None:
    """Measure the three ways, and write the page."""
    parser = arguments(__doc__, __file__)
    parser.add_argument("--rows", type=int, default=64, help="chains of an epoch")
    parser.add_argument("--batch", type=int, default=8, help="chains of a step")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args(argv)
    claim_devices(0)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        asked = photo_examples(args.sample, work, 2 * args.rows)
        examples = [example for example in asked if example.chain][: args.rows]
        results = measure(examples, work, args.batch, args.repeats)
    publish(args.out, {"rows": len(examples), "batch": args.batch, "repeats": args.repeats, **results}, page)


def measure(examples: Sequence[Example], work: Path, batch: int, repeats: int) -> dict[str, Any]:
    """Median samples per second of each way over an epoch, and of this pipeline over a second epoch, too."""
    epoch = len(examples) // batch
    found: dict[str, list[float]] = {way: [] for way in (*WAYS, "own_later_epochs")}
    for repeat in range(1 + repeats):
        for way, epochs in (("stock", 1), ("own", 2), ("original", 0.25)):
            watch, steps = Stopwatch(), max(1, int(epochs * epoch)) if repeat else 1
            trainer = make_trainer(way, examples, work, work / f"run {repeat}" / way, batch, steps)
            trainer.add_callback(watch)
            trainer.train()
            if repeat:  # the first run, of one step per way, warms up
                first, later = watch.seconds[:epoch], watch.seconds[epoch:]
                found[way].append(batch * len(first) / sum(first))
                if later:
                    found["own_later_epochs"].append(batch * len(later) / sum(later))
    return {name: median(rates) for name, rates in found.items()}


def make_trainer(way: str, examples: Sequence[Example], data: Path, output: Path, batch: int, steps: int) -> SFTTrainer:
    """A trainer of a random model, the same one each time; image features are kept beside ``output``."""
    tokenizer = build_tokenizer([text for example in examples for text in (example.question, example.chain)], 2000)
    processor = build_processor(tokenizer, MIN_PIXELS, MAX_PIXELS)
    torch.manual_seed(1)
    model = build_model(tokenizer, SIZES)
    training = {
        **{"per_device_train_batch_size": batch, "max_steps": steps, "save_strategy": "no", "disable_tqdm": True},
        **{"logging_steps": 1000, "gradient_checkpointing": False, "learning_rate": 1.0e-4},
    }
    completions = [len(tokenizer(completion_text(one.chain, one.answer))["input_ids"]) for one in examples]
    prompts = prompt_lengths(processor, examples, data, PROMPT, SIZES.max_position_embeddings, completions)
    lengths = [a + b for a, b in zip(prompts, completions, strict=True)]
    dataset = sft_dataset(examples, data, PROMPT, lengths)
    common = {"model": model, "train_dataset": dataset, "peft_config": lora_config(LORA, model)}
    if way == "own":
        origin = {"method": "sft", "from": "base", "lora": LORA}
        learning = {"global_batch_size": batch, "padding_free": "on", "training": training}
        policy = SftPolicy.model_validate({**origin, **learning})
        settings = SftSettings(seed=SEED, prompt=PROMPT, base_model=LOADING, repeats=0, policy=policy)
        trainer = PackedTrainer(
            args=sft_config(settings, output),
            eval_dataset=dataset.select([0]),
            data_collator=CompletionCollator(processor),
            processing_class=processor,
            questions=ValidationQuestions(examples[:1], data, PROMPT, Selection(), SEED),  # never asked
            padding_free_rows=policy.padding_free,
            **common,
        )
        keep_features(trainer, settings, output)
        return trainer
    arguments = SFTConfig(
        output_dir=str(output),
        use_cpu=True,
        report_to="none",
        bf16=False,
        max_length=None,
        completion_only_loss=True,
        **training,
    )
    collator = PaddedCollator(processor, completion_only_loss=True) if way == "original" else None
    common["train_dataset"] = dataset.remove_columns("length")
    return SFTTrainer(args=arguments, data_collator=collator, processing_class=processor, **common)


def page(found: dict[str, Any]) -> str:
    """The table as Markdown."""
    own, later = found["own"], found["own_later_epochs"]
    lines = [
        "# SFT",
        "",
        f"An epoch has {found['rows']} chains about real photographs, and a step has {found['batch']} of them. Figures",
        f"are medians of {found['repeats']} runs; the ratios say how many times as fast this pipeline is.",
        f"Written by sft.py on {found['machine']}, with torch {found['torch']} and a random model of",
        f"{SIZES.num_hidden_layers} layers.",
        "",
        "| way | samples per second | ratio in the first epoch | ratio in later epochs |",
        "| --- | --- | --- | --- |",
    ]
    for way, name in WAYS.items():
        lines.append(f"| {name} | {found[way]:.2f} | {own / found[way]:.2f} | {later / found[way]:.2f} |")
    lines += [
        "",
        f"In later epochs, this pipeline finds the images' features: {later:.2f} samples per second.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
