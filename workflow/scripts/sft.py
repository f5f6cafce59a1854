"""Fine-tune a policy on chains of thought (LoRA or QLoRA, TRL's SFTTrainer).

    python workflow/scripts/sft.py --settings results/sft/train.yaml --data results/data \\
        --from results/base --output results/sft

With ``--topology zero3 --processes 8`` it starts itself through accelerate. A killed run goes on from its last
checkpoint when the same command is given again.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.chains.taught import with_chains
from reinforced_cot.data.examples import read_examples
from reinforced_cot.integrity import check_split, check_start
from reinforced_cot.interpreter import run_script
from reinforced_cot.launch.launcher import add_launch_arguments, launch, topology_of
from reinforced_cot.policies.sft import SftSettings
from reinforced_cot.stage_script import read_settings, start


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, required=True, help="the policy's train.yaml")
    parser.add_argument("--data", type=Path, required=True, help="folder of train.jsonl, val.jsonl and images")
    parser.add_argument("--from", dest="origin", type=Path, required=True, help="folder of the policy to start from")
    parser.add_argument("--output", type=Path, required=True, help="folder of the policy")
    parser.add_argument("--chains", type=Path, help="a set of chains, in place of those of train.jsonl")
    parser.add_argument("--trackers", default="", help="what is told of the run, as JSON")
    add_launch_arguments(parser)
    args = parser.parse_args(argv)
    start()
    settings, topology = read_settings(args.settings, SftSettings), topology_of(args)
    splits = {split: args.data / f"{split}.jsonl" for split in ("train", "val")}
    check_start(args.origin, settings.policy.start)
    for split in splits:
        check_split(args.data, split)
    examples = {split: read_examples(path) for split, path in splits.items()}
    made = [args.chains] if args.chains else []
    if args.chains:
        examples["train"] = with_chains(examples["train"], args.chains)
    launch(topology)
    from reinforced_cot.training.sft import train
    from reinforced_cot.training.trainer import resume

    inputs = [*splits.values(), *made, args.origin / f"{settings.policy.start}.json"]
    resume_from, claim = resume(Path(__file__), settings.as_dict(), inputs, topology, args.output)
    train(
        settings,
        examples["train"],
        examples["val"],
        args.data,
        args.origin,
        args.output,
        resume_from,
        topology,
        claim,
        args.trackers,
    )


if __name__ == "__main__":
    run_script(main)
