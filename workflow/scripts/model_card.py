"""Write the model card of a trained and evaluated policy, and put it into the published folder as README.md.

python workflow/scripts/model_card.py --policy results/grpo --facts '{...}'

The rule `model_card` gives the facts, which come from the configuration.
"""

import argparse
import json
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import yaml

from reinforced_cot.files import write_text
from reinforced_cot.interpreter import run_script
from reinforced_cot.models.families import family_of_checkpoint
from reinforced_cot.models.model_cards import CARD, published_facts
from reinforced_cot.result_files import read_result
from reinforced_cot.stage_script import start

LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "vllm")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, required=True, help="folder of the policy, which holds model/")
    parser.add_argument("--facts", type=json.loads, required=True, help="JSON: source, known, datasets, sources, line")
    args = parser.parse_args(argv)
    start()
    from reinforced_cot.report.logged_steps import history
    from reinforced_cot.report.model_card import CardFacts, PolicyFiles, model_card

    results, policy = args.policy.parent, args.policy
    known = {**published_facts(results / "base" / "model"), **args.facts["known"]}
    facts = CardFacts(**{**args.facts, "known": known})
    proof = policy / "merge.json"
    asked = yaml.safe_load((policy / "answer.yaml").read_text(encoding="utf-8"))
    files = PolicyFiles(
        name=policy.name,
        settings=yaml.safe_load((policy / "train.yaml").read_text(encoding="utf-8")),
        evaluation=read_result(policy / "eval.json"),
        history=history(read_result(policy / "metrics.json")),
        summary=read_result(results / "data" / "summary.json"),
        manifest=read_result(policy / "model.json"),
        form=read_result(proof)["form"] if proof.is_file() else "",
        max_new_tokens=asked["answer"]["max_new_tokens"],
    )
    text = model_card(facts, files, family_of_checkpoint(policy / "model"), versions())
    write_text(policy / "model" / CARD, text)
    write_text(policy / "model_card.md", text)


def versions() -> dict[str, str]:
    """The versions of the libraries, as far as they are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    run_script(main)
