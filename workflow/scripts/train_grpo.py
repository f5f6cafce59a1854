"""Reinforce a policy with GRPO or GSPO (TRL's GRPOTrainer) from the merged SFT model.

    python workflow/scripts/train_grpo.py --settings results/grpo/train.yaml --data results/data \\
        --parent results/sft --output results/grpo

A killed run goes on from its last checkpoint when the same command is given again.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.code_closure import module_hashes
from reinforced_cot.errors import exit_with_message
from reinforced_cot.examples import read_examples
from reinforced_cot.reward_loading import own_modules
from reinforced_cot.stage_scripts import add_gpus_argument, read_settings, start


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, required=True, help="seed, prompt, base_model, rewards, rl")
    parser.add_argument("--data", type=Path, required=True, help="folder of train.jsonl and images")
    parser.add_argument("--parent", type=Path, required=True, help="folder of the policy that is reinforced")
    parser.add_argument("--output", type=Path, required=True, help="folder of the policy")
    add_gpus_argument(parser)
    args = parser.parse_args(argv)
    start(args.gpus)
    settings = read_settings(args.settings)
    examples = read_examples(args.data / "train.jsonl")
    from reinforced_cot.reinforcement import train
    from reinforced_cot.resuming import fingerprint, resume_point

    own = module_hashes(own_modules(settings["rewards"]), Path())  # a run on other rewards is another run
    inputs = [args.data / "train.jsonl", args.parent / "model.json"]
    run = fingerprint(Path(__file__), {**settings, "own_rewards": own}, inputs)
    resume_from = resume_point(args.output / "checkpoints", run)
    train(settings, examples, args.data, args.parent, args.output, resume_from)


if __name__ == "__main__":
    exit_with_message(main)
