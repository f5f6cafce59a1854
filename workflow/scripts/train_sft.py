"""Fine-tune the base on chains of thought (LoRA or QLoRA, TRL's SFTTrainer).

    python workflow/scripts/train_sft.py --settings results/sft/train.yaml --data results/data \\
        --parent results/base --output results/sft

A killed run goes on from its last checkpoint when the same command is given again.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.errors import exit_with_message
from reinforced_cot.examples import read_examples
from reinforced_cot.stage_scripts import add_gpus_argument, read_settings, start


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, required=True, help="seed, prompt, base_model, sft")
    parser.add_argument("--data", type=Path, required=True, help="folder of train.jsonl, val.jsonl and images")
    parser.add_argument("--parent", type=Path, required=True, help="folder of the policy that is fine-tuned")
    parser.add_argument("--output", type=Path, required=True, help="folder of the policy `sft`")
    add_gpus_argument(parser)
    args = parser.parse_args(argv)
    start(args.gpus)
    settings = read_settings(args.settings)
    splits = {split: args.data / f"{split}.jsonl" for split in ("train", "val")}
    examples = {split: read_examples(path) for split, path in splits.items()}
    from reinforced_cot.resuming import fingerprint, resume_point
    from reinforced_cot.supervised import train

    run = fingerprint(Path(__file__), settings, [*splits.values(), args.parent / "model.json"])
    resume_from = resume_point(args.output / "checkpoints", run)
    train(settings, examples["train"], examples["val"], args.data, args.parent, args.output, resume_from)


if __name__ == "__main__":
    exit_with_message(main)
