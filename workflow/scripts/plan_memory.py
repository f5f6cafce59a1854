"""Print what every stage will need of each device's memory, and how its batch is made up, before anything runs.

    python workflow/scripts/plan_memory.py --results results --policies grpo gspo \\
        --launch '{"sft": {"topology": "multi_gpu", "processes": 8}, ...}'

Reads the settings that the rules wrote and the base model's configuration. Prompts are taken to be as long as
`prompt.max_tokens` allows; when a stage starts it knows its longest one, and refuses a plan that does not fit.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.errors import PipelineError, exit_with_message
from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.launch.topologies import read_topology
from reinforced_cot.planning.memory_plan import SLACK
from reinforced_cot.stage_script import read_settings, start


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="folder of a run, with each policy's settings")
    parser.add_argument("--policies", nargs="*", required=True, help="the policies of RL")
    parser.add_argument("--launch", type=json.loads, required=True, help="topology and processes by stage, as JSON")
    args = parser.parse_args(argv)
    start()
    claim_devices(0)
    base = read_settings(args.results / "base" / "train.yaml")
    stages = {"sft": "sft", **dict.fromkeys(args.policies, "rl"), "evaluation": "evaluate"}
    files = {name: f"{name}/train.yaml" for name in stages} | {"evaluation": "base/eval.yaml"}
    settings = {name: read_settings(args.results / file) for name, file in files.items()}
    topologies = {stage: read_topology(asked["topology"], asked["processes"]) for stage, asked in args.launch.items()}
    from reinforced_cot.planning.preview import stage_plan

    for name, stage in stages.items():
        try:
            plan = stage_plan(base, settings[name], stage, topologies[stage])
        except PipelineError as error:
            raise PipelineError(f"{name}: {error}") from None
        print(f"\n{name}: {plan}")
    print(f"\nA device is to have at most {SLACK:.0%} of its memory filled.")


if __name__ == "__main__":
    exit_with_message(main)
