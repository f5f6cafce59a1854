"""What do policies learn from easy-VQA? Writes benchmarks/easy_vqa.md.

    python benchmarks/easy_vqa.py --seeds 1 2 3

Follow docs/tutorial.md first, until `make preset` has written config/presets/easy-vqa.yaml. That preset is run at each
seed, under results/easy_vqa/. A call continues where an earlier one stopped.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from operator import gt
from pathlib import Path
from typing import Any

from machine import machine
from seed_runs import REPO, accuracy_table, run_at_seeds  # which puts the package on the path

from reinforced_cot.errors import PipelineError
from reinforced_cot.evaluation.uncertainty import exact_mcnemar
from reinforced_cot.files import read_json, read_jsonl, write_text
from reinforced_cot.interpreter import run_script

PRESET = "config/presets/easy-vqa.yaml"
POLICIES = ("base", "sft", "grpo")
GAIN = 0.3  # that SFT must have over the best constant answer


def page(seeds: Sequence[int], runs: Mapping[int, Path]) -> str:
    """The page: accuracies beside the best constant answer, and what RL gains."""
    return "\n".join(_lines(seeds, runs)) + "\n"


def _lines(seeds: Sequence[int], runs: Mapping[int, Path]) -> Iterator[str]:
    found = {seed: {name: read_json(runs[seed] / name / "eval.json") for name in POLICIES} for seed in seeds}
    constants = {seed: _constant(found[seed]["sft"]) for seed in seeds}
    yield "# easy-VQA"
    yield ""
    yield (
        f"`python benchmarks/easy_vqa.py --seeds {' '.join(map(str, seeds))}` ran the preset of "
        f"[the tutorial](../docs/tutorial.md) on {machine()}: the tiny model, with random weights at first, "
        f"{found[seeds[0]]['sft']['n']:,} questions of the package's test split. T=1: samples at temperature 1. "
        "Pass@4: the share of questions of which one of four samples is right. Shuffled images: 200 questions with the "
        "images of others."
    )
    yield ""
    yield from accuracy_table((seed, name, found[seed][name]) for seed in seeds for name in POLICIES)
    yield ""
    yield f"Best constant answer: {', '.join(f'{constants[seed]:.3f}' for seed in seeds)}."
    met = all(found[seed]["sft"]["accuracy"] >= constants[seed] + GAIN for seed in seeds)
    yield f"SFT is {GAIN} above the best constant answer at every seed: {'yes' if met else 'no'}."
    for way, key in (("greedy", "accuracy"), ("T=1", "sampled")):
        gains = [_accuracy(found[seed]["grpo"], key) - _accuracy(found[seed]["sft"], key) for seed in seeds]
        yield f"GRPO's gain over SFT, {way}: {', '.join(f'{gain:+.3f}' for gain in gains)}."
    right = {name: [_right(runs[seed] / name) for seed in seeds] for name in ("sft", "grpo")}
    whole = {name: [*chain(*each)] for name, each in right.items()}
    for seed, before, after in zip(
        [*(f"Seed {seed}" for seed in seeds), "All seeds"],
        [*right["sft"], whole["sft"]],
        [*right["grpo"], whole["grpo"]],
        strict=True,
    ):
        gained, lost = (sum(map(gt, *pair)) for pair in ((after, before), (before, after)))
        yield (
            f"{seed}, greedy: GRPO gains {gained} questions and loses {lost}; McNemar's exact p is "
            f"{exact_mcnemar(before, after):.2g}."
        )


def _right(policy: Path) -> list[bool]:
    """Whether each greedy answer is right, in the order of the questions."""
    rows = [row for _, row in read_jsonl(policy / "predictions.jsonl")]
    return [bool(row["is_correct"]) for row in rows]


def _accuracy(scores: Mapping[str, Any], key: str) -> float:
    return float(scores["sampled"]["accuracy"] if key == "sampled" else scores[key])


def _constant(scores: Mapping[str, Any]) -> float:
    return float(next(probe["score"] for probe in scores["probes"] if probe["probe"] == "constant_answer"))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the preset at every seed and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    arguments = parser.parse_args(argv)
    if not (REPO / PRESET).is_file():
        raise PipelineError(f"{PRESET} does not exist: follow docs/tutorial.md until `make preset` has written it")
    runs = run_at_seeds("easy_vqa", arguments.seeds, {}, PRESET)
    write_text(REPO / "benchmarks" / "easy_vqa.md", page(arguments.seeds, runs))


if __name__ == "__main__":
    run_script(main)
