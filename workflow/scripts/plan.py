"""Print which policy is made from which, how each stage's batch is made up, and what memory it needs on each device.

    snakemake --cores 1 plan

It reads the settings from standard input, as JSON: `base`, `answer`, `policies` by name in the order they are made,
`report`, and `launch` (topology and processes by stage). It writes no file, so that looking at another configuration
makes no result stale. Prompts are assumed to be as long as `prompt.max_tokens` allows. A stage that starts knows its
longest prompt, and refuses a plan that does not fit. Whether a merge into bfloat16 keeps its adapter beside its base
is known only after it, and counted as if it did.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.data.examples import read_examples
from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.interpreter import run_script
from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.launch.topologies import read_topology
from reinforced_cot.models.settings import BaseSettings
from reinforced_cot.planning.memory_plan import SLACK
from reinforced_cot.policies.graph import drawn
from reinforced_cot.policies.methods import METHODS
from reinforced_cot.sources.settings import Splits
from reinforced_cot.stage_script import start


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the prepared splits, to count their images")
    args = parser.parse_args(argv)
    start()
    claim_devices(0)
    try:
        content = json.load(sys.stdin)
        base = BaseSettings.model_validate(content["base"])
        answering = AnswerSettings.model_validate(content["answer"])
        settings = {
            name: METHODS[policy["policy"]["method"]].settings.model_validate(policy)
            for name, policy in content["policies"].items()
        }
    except (ValueError, KeyError) as error:
        raise DataError(f"standard input does not hold the settings that `snakemake plan` writes: {error}") from None
    topologies = {
        stage: read_topology(launch["topology"], launch["processes"]) for stage, launch in content["launch"].items()
    }
    policies = {name: trained.policy for name, trained in settings.items()}
    print(drawn(policies, content["report"]))
    from reinforced_cot.planning.preview import Preview

    files = [args.data / f"{split}.jsonl" for split in Splits.model_fields] if args.data else []
    prepared = [example for file in files if file.is_file() for example in read_examples(file)]
    preview = Preview(base, policies, answering.base_model, prepared)
    for name, trained in settings.items():
        try:
            plan = preview.training(name, trained, topologies[trained.policy.method])
        except PipelineError as error:
            raise PipelineError(f"{name}: {error}") from None
        print(f"\n{name}: {plan}")
        if trained.policy.is_adapted:
            print(f"\nmerge of {name}: {preview.merge(trained)}")
    print(f"\nanswer: {preview.answer(answering, topologies['answer'], content['report'])}")
    print(f"\nvision_cache: {preview.vision_cache()}")
    print(f"\nA device is to have at most {SLACK:.0%} of its memory filled.")


if __name__ == "__main__":
    run_script(main)
