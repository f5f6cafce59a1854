"""Merge a policy's adapter into the model it was trained on, and prove that nothing else changed.

python workflow/scripts/merge_lora.py --settings results/grpo/train.yaml --base results/sft --output results/grpo

An adapter that was trained on a quantized base needs --data, too: the trained policy and the merged one then differ,
and both answer the questions of val.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reinforced_cot.data.examples import read_examples
from reinforced_cot.folder_lock import lock_folder
from reinforced_cot.integrity import check_published, check_split
from reinforced_cot.interpreter import run_script
from reinforced_cot.launch.launcher import add_launch_arguments, launch, topology_of
from reinforced_cot.policies.settings import MergeSettings
from reinforced_cot.stage_script import read_settings, start


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, required=True, help="the policy's train.yaml")
    parser.add_argument("--base", type=Path, required=True, help="folder of the policy that the adapter belongs to")
    parser.add_argument("--output", type=Path, required=True, help="folder of the policy, which holds adapter/")
    parser.add_argument("--data", type=Path, help="folder of val.jsonl and images, for an adapter of a quantized base")
    add_launch_arguments(parser)
    args = parser.parse_args(argv)
    start()
    settings = read_settings(args.settings, MergeSettings)
    quantized = settings.policy.quantization is not None
    if quantized and not args.data:
        parser.error(f"{args.settings} has a quantized base: give --data, the folder of val.jsonl")
    if quantized:
        check_split(args.data, "val")
    examples = read_examples(args.data / "val.jsonl") if quantized else []
    launch(topology_of(args))
    lock_folder(args.output)
    from reinforced_cot.lora.merge import merge
    from reinforced_cot.lora.quantized_merge import quantized_and_merged
    from reinforced_cot.planning.merge_memory import check_merge_fits

    def measure(merged: Path) -> dict[str, Any]:
        base, adapter = args.base / "model", args.output / "adapter"
        return quantized_and_merged(settings, examples, args.data, base, adapter, merged)

    check_published(args.base / "model")  # its configuration is read now
    check_merge_fits(settings, args.base / "model")
    merge(settings, args.base, args.output, measure if quantized else None)


if __name__ == "__main__":
    run_script(main)
