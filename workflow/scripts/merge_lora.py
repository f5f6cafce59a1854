"""Merge a policy's adapter into the model it was trained on, and prove that nothing else changed.

python workflow/scripts/merge_lora.py --settings results/grpo/train.yaml --parent results/sft --output results/grpo
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.errors import exit_with_message
from reinforced_cot.launching import add_launch_arguments, asked_topology, launch
from reinforced_cot.stage_scripts import read_settings, start


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, required=True, help="prompt, base_model")
    parser.add_argument("--parent", type=Path, required=True, help="folder of the policy that the adapter belongs to")
    parser.add_argument("--output", type=Path, required=True, help="folder of the policy, which holds adapter/")
    add_launch_arguments(parser)
    args = parser.parse_args(argv)
    start()
    settings = read_settings(args.settings)
    launch(asked_topology(args))
    from reinforced_cot.merging import merge

    merge(settings, args.parent, args.output)


if __name__ == "__main__":
    exit_with_message(main)
