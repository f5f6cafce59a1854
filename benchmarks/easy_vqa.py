"""What do policies learn from easy-VQA? Writes benchmarks/easy_vqa.md.

    python benchmarks/easy_vqa.py --seeds 1 2 3

Follow docs/tutorial.md first, until `make preset` has written config/presets/easy-vqa.yaml. That preset is run at each
seed, under results/easy_vqa/, with one policy more: `zero`, which RL trains from the base. A call continues where an
earlier one stopped.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from machine import machine
from seed_runs import REPO, run_at_seeds, shuffled  # which puts the package on the path

from reinforced_cot.errors import PipelineError
from reinforced_cot.files import read_json, write_text
from reinforced_cot.interpreter import run_script

PRESET = "config/presets/easy-vqa.yaml"
POLICIES = ("base", "sft", "grpo", "zero")
SETTINGS = {
    "report": list(POLICIES),
    "policies": {"zero": {"like": "grpo", "from": "base", "rewards": {"correctness": 2.0, "tag_count": 1.0}}},
}
GAIN = 0.3  # that SFT must have over the best constant answer


def page(seeds: Sequence[int], runs: Mapping[int, Path]) -> str:
    """The page: accuracies beside the best constant answer, and what is required of them."""
    return "\n".join(_lines(seeds, runs)) + "\n"


def _lines(seeds: Sequence[int], runs: Mapping[int, Path]) -> Iterator[str]:
    found = {seed: {name: read_json(runs[seed] / name / "eval.json") for name in POLICIES} for seed in seeds}
    constants = {seed: _constant(found[seed]["sft"]) for seed in seeds}
    yield "# easy-VQA"
    yield ""
    yield (
        f"`python benchmarks/easy_vqa.py --seeds {' '.join(map(str, seeds))}` ran the preset of "
        f"[the tutorial](../docs/tutorial.md) on {machine()}: the tiny model, with random weights at first, "
        f"{found[seeds[0]]['sft']['n']:,} questions of the package's test split. `zero` is RL from the base. T=1: "
        "samples at temperature 1. Pass@4: the share of questions of which one of four samples is right. "
        "Shuffled images: 200 questions with the images of others."
    )
    yield ""
    yield "| seed | policy | accuracy, greedy | accuracy, T=1 | pass@4, T=1 | well-formed, T=1 | shuffled images |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for seed in seeds:
        yield f"| {seed} | best constant answer | {constants[seed]:.3f} | | | | |"
        for name in POLICIES:
            scores = found[seed][name]
            sampled = scores["sampled"]
            yield (
                f"| {seed} | {name} | {scores['accuracy']:.3f} | {sampled['accuracy']:.3f} | "
                f"{sampled['pass_at_k']['4']:.3f} | {sampled['format_rate']:.3f} | {shuffled(scores)} |"
            )
    yield ""
    met = all(found[seed]["sft"]["accuracy"] >= constants[seed] + GAIN for seed in seeds)
    yield f"SFT is {GAIN} above the best constant answer at every seed: {'yes' if met else 'no'}."
    kept = all(found[seed]["grpo"]["accuracy"] >= found[seed]["sft"]["accuracy"] for seed in seeds)
    yield f"GRPO is not below SFT at any seed: {'yes' if kept else 'no'}."


def _constant(scores: Mapping[str, Any]) -> float:
    return float(next(probe["score"] for probe in scores["probes"] if probe["probe"] == "constant_answer"))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the preset at every seed and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    arguments = parser.parse_args(argv)
    if not (REPO / PRESET).is_file():
        raise PipelineError(f"{PRESET} does not exist: follow docs/tutorial.md until `make preset` has written it")
    runs = run_at_seeds("easy_vqa", arguments.seeds, SETTINGS, PRESET)
    write_text(REPO / "benchmarks" / "easy_vqa.md", page(arguments.seeds, runs))


if __name__ == "__main__":
    run_script(main)
