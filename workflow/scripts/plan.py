"""Print which policy is made from which, how each stage's batch is made up, and what memory it needs on each device.

    python workflow/scripts/plan.py --results results --policies sft grpo --report base sft grpo \\
        --launch '{"sft": {"topology": "multi_gpu", "processes": 8}, ...}'

It reads the settings that the rules wrote and the base model's configuration. Prompts are assumed to be as long as
`prompt.max_tokens` allows. A stage that starts knows its longest prompt, and refuses a plan that does not fit.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.errors import PipelineError, exit_with_message
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.launch.topologies import read_topology
from reinforced_cot.models.settings import BaseSettings
from reinforced_cot.planning.memory_plan import SLACK
from reinforced_cot.policies.graph import drawn
from reinforced_cot.policies.methods import METHODS
from reinforced_cot.policies.settings import MergeSettings, TrainSettings
from reinforced_cot.stage_script import read_settings, start


def read_policy(path: Path) -> TrainSettings:
    """A policy's settings, as the class of its method.

    Raises:
        DataError: the file is missing or damaged.
    """
    return read_settings(path, METHODS[read_settings(path, MergeSettings).policy.method].settings)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="folder of a run, with each policy's settings")
    parser.add_argument("--policies", nargs="*", required=True, help="the trained policies, in the order they are made")
    parser.add_argument("--report", nargs="+", required=True, help="the policies that are evaluated and compared")
    parser.add_argument("--launch", type=json.loads, required=True, help="topology and processes by stage, as JSON")
    args = parser.parse_args(argv)
    start()
    claim_devices(0)
    base = read_settings(args.results / "base" / "train.yaml", BaseSettings)
    answering = read_settings(args.results / "base" / "answer.yaml", AnswerSettings)
    settings = {name: read_policy(args.results / name / "train.yaml") for name in args.policies}
    topologies = {
        stage: read_topology(launch["topology"], launch["processes"]) for stage, launch in args.launch.items()
    }
    print(drawn({name: trained.policy for name, trained in settings.items()}, args.report))
    from reinforced_cot.planning.preview import answer_preview, training_preview

    for name, trained in settings.items():
        try:
            plan = training_preview(base.base_model, trained, topologies[trained.policy.method])
        except PipelineError as error:
            raise PipelineError(f"{name}: {error}") from None
        print(f"\n{name}: {plan}")
    print(f"\nanswer: {answer_preview(base.base_model, answering, topologies['answer'])}")
    print(f"\nA device is to have at most {SLACK:.0%} of its memory filled.")


if __name__ == "__main__":
    exit_with_message(main)
