"""What does the original system's reward do that this pipeline's does not? Writes benchmarks/reward_ablation.md.

    python benchmarks/reward_ablation.py --seeds 41 42 43

Runs config/presets/reward-ablation.yaml at every seed: two GRPO policies that differ in their rewards alone. A run that
already exists under results/reward-ablation/ is not repeated.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from machine import machine
from seed_runs import REPO, run_at_seeds  # which puts the package on the path

from reinforced_cot.evaluation.comparisons import compare
from reinforced_cot.files import read_json, write_text
from reinforced_cot.scoring.predictions import read_predictions, scored

PRESET = "config/presets/reward-ablation.yaml"
NAMES = {"grpo": "this pipeline's", "grpo_original": "the original's"}
MEASURES = {
    "accuracy": "accuracy",
    "format_rate": "well-formed",
    "supported_accuracy": "right and supported",
    "legacy_accuracy": "accuracy by the original's matcher",
}
CHEATS = (
    "best_constant_answer",
    "copied_chain",
    "question_as_chain",
    "repeated_tags",
    "blank_image",
    "shuffled_images",
)


def cheating(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The reward of each cheat at the last probing, as a share of the policy's own; NaN where the policy earns none."""
    last = [entry for entry in metrics["history"] if "probes/policy" in entry][-1]
    policy = max(last["probes/policy"], 0.0)
    return {name: last[f"probes/{name}"] / policy if policy else float("nan") for name in CHEATS}


def table(runs: Mapping[int, Path]) -> str:
    """The page as Markdown."""
    lines = [
        "# The original's reward, for ablation",
        "",
        f"`python benchmarks/reward_ablation.py --seeds {' '.join(map(str, runs))}` ran the demo with two",
        "GRPO policies that differ in nothing but their rewards. The first table is of greedy answers to the test",
        "questions.",
        f"Machine: {machine()}, CPU only.",
        "",
        "| seed | rewards | " + " | ".join(MEASURES.values()) + " |",
        "| --- | --- |" + " --- |" * len(MEASURES),
    ]
    for seed, results in runs.items():
        for policy, name in NAMES.items():
            scores = read_json(results / policy / "eval.json")
            cells = " | ".join(f"{scores[measure]:.3f}" for measure in MEASURES)
            lines.append(f"| {seed} | {name} | {cells} |")
    lines += [
        "",
        "## What cheating earns when training ends",
        "",
        "Each figure is what a cheat earns, as a share of the reward of the policy's own greedy answers to the same",
        "questions. Copied chain, question as chain and repeated tags keep the policy's answers and drop its thinking:",
        "at 1.00, the thinking earns nothing.",
        "",
        "| seed | rewards | " + " | ".join(name.replace("_", " ") for name in CHEATS) + " |",
        "| --- | --- |" + " --- |" * len(CHEATS),
    ]
    for seed, results in runs.items():
        for policy, name in NAMES.items():
            shares = cheating(read_json(results / policy / "metrics.json"))
            lines.append(f"| {seed} | {name} | " + " | ".join(f"{share:.2f}" for share in shares.values()) + " |")
    lines += [
        "",
        "## Differences in accuracy",
        "",
        "| seed | the original's minus this pipeline's | 95 % interval | p |",
    ]
    lines += ["| --- | --- | --- | --- |"]
    for seed, results in runs.items():
        rows = {policy: read_predictions(results / policy / "predictions.jsonl") for policy in NAMES}
        [pair] = compare({policy: [scored(row) for row in found] for policy, found in rows.items()})
        low, high = pair["interval"]
        lines.append(f"| {seed} | {pair['difference']:+.3f} | [{low:+.3f}, {high:+.3f}] | {pair['p_value']:.2g} |")
    return "\n".join([*lines, ""])


def main(argv: Sequence[str] | None = None) -> None:
    """Run the seeds and write reward_ablation.md beside this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[41, 42, 43])
    args = parser.parse_args(argv)
    runs = run_at_seeds("reward-ablation", args.seeds, {}, PRESET)
    write_text(REPO / "benchmarks" / "reward_ablation.md", table(runs))


if __name__ == "__main__":
    main()
