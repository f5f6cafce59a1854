"""Print which policy is made from which, how each stage's batch is made up, and what memory it needs on each device.

    snakemake --cores 1 plan

It reads the settings from standard input, as JSON: `base`, `answer`, `policies` by name in the order they are made,
`report`, and `launch` (topology and processes by stage). It writes no file, so that looking at another configuration
makes no result stale. Prompts are assumed to be as long as `prompt.max_tokens` allows. A stage that starts knows its
longest prompt, and refuses a plan that does not fit.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.interpreter import run_script
from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.launch.topologies import read_topology
from reinforced_cot.models.settings import BaseSettings
from reinforced_cot.planning.memory_plan import SLACK
from reinforced_cot.policies.graph import drawn
from reinforced_cot.policies.methods import METHODS
from reinforced_cot.stage_script import start


def main(argv: Sequence[str] | None = None) -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(argv)
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
    print(drawn({name: trained.policy for name, trained in settings.items()}, content["report"]))
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
    run_script(main)
