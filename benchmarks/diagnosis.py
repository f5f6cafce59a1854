"""Does the diagnosis name the fault of runs that are spoilt on purpose, and nothing on sound ones? Writes diagnosis.md.

    python benchmarks/diagnosis.py

Trains the policies of diagnosis.yaml, from the demo's SFT where they do not say otherwise, and reads their logs as the
report does. Runs go to results/diagnosis/. A call continues where an earlier one stopped. `--save` puts the logs, as
far as the diagnosis reads them, into tests/data/diagnosis/, where a test holds the diagnosis to them.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from machine import machine
from seed_runs import REPO  # which puts the package on the path

from reinforced_cot.files import read_json, write_json, write_text
from reinforced_cot.report.diagnosis import Finding
from reinforced_cot.report.findings import findings_about, settings_of, updates_per_generation

HERE = Path(__file__).parent
RESULTS = REPO / "results" / "diagnosis"
SAVED = REPO / "tests" / "data" / "diagnosis"
SOUND = ("sft", "grpo", "gspo", "dapo", "dr_grpo", "sapo")
SPOILT = {  # the fault that is to be named first
    "equal_groups": "equal-groups",
    "format_only": "format-only",
    "destroyed": "falling-reward",
    "length_collapse": "length-collapse",
    "never_clips": "never-clips",
    "kl_runaway": "kl-runs-away",
    "hacked": "reward-without-answers",
    "cut_off": "cut-off",
    "idle_sft": "flat-loss",
}
READ = (
    *("step", "loss", "reward", "entropy", "kl", "eval_accuracy", "frac_reward_zero_std", "clip_ratio/region_mean"),
    *("completions/mean_length", "completions/clipped_ratio"),
    *("rewards/correctness_reward/mean", "rewards/format_reward/mean"),
)


def method_of(policy: str) -> str:
    """The method that trains a policy of diagnosis.yaml."""
    return "sft" if policy.endswith("sft") else "grpo"


def train() -> None:
    """Train what is not trained yet."""
    targets = [f"results/diagnosis/{policy}/metrics.json" for policy in (*SOUND, *SPOILT)]
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "benchmarks/diagnosis.yaml", *targets]
    subprocess.run(command, cwd=REPO, check=True)


def found_in(policy: str) -> list[Finding]:
    """What the report says of the policy's training."""
    return findings_about(RESULTS / policy, method_of(policy), read_json(RESULTS / policy / "metrics.json")["history"])


def save(policy: str) -> None:
    """Keep the log of one training for the tests."""
    history = [
        {key: round(entry[key], 5) for key in READ if entry.get(key) is not None}
        for entry in read_json(RESULTS / policy / "metrics.json")["history"]
    ]
    log: dict[str, Any] = {
        "method": method_of(policy),
        "fault": SPOILT.get(policy),
        "updates_per_generation": updates_per_generation(settings_of(RESULTS / policy)),
        "history": [entry for entry in history if len(entry) > 1],
    }
    write_json(SAVED / f"{policy}.json", log)


def page() -> str:
    """The page of what was found."""
    lines = [
        "# The diagnosis of spoilt and of sound runs",
        "",
        f"`python benchmarks/diagnosis.py` trained the policies of diagnosis.yaml on {machine()} and read their logs "
        "as the report does.",
        "",
        "| run | spoilt by | named first | also named |",
        "| --- | --- | --- | --- |",
    ]
    for policy in (*SPOILT, *SOUND):
        found = [finding.fault for finding in found_in(policy)]
        lines.append(
            f"| {policy} | {SPOILT.get(policy, '-')} | {(found or ['-'])[0]} | {', '.join(found[1:]) or '-'} |"
        )
    lines += ["", "What the report says of the spoilt runs:", ""]
    for policy in SPOILT:
        lines += [f"- {finding.sentence}" for finding in found_in(policy)[:1]]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train, read and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save", action="store_true", help="also keep the logs for the tests")
    args = parser.parse_args()
    train()
    if args.save:
        for policy in (*SPOILT, *SOUND):
            save(policy)
    write_text(HERE / "diagnosis.md", page())


if __name__ == "__main__":
    main()
