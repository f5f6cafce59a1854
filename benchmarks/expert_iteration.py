"""What do a policy's own samples teach, and what do pass rates save? Writes benchmarks/expert_iteration.md.

    python benchmarks/expert_iteration.py --seeds 1 2 3

Runs config/presets/expert-iteration.yaml at each seed, under results/expert_iteration/. A call continues where an
earlier one stopped.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from machine import machine
from seed_runs import REPO, run_at_seeds  # which puts the package on the path

from reinforced_cot.files import read_json, write_text

PRESET = "config/presets/expert-iteration.yaml"
POLICIES = ("base", "sft", "grpo", "star", "rated")
Curve = Mapping[int, float]


def curve(metrics: Mapping[str, Any]) -> Curve:
    """The accuracy on val after some steps."""
    return {entry["step"]: entry["eval_accuracy"] for entry in metrics["history"] if "eval_accuracy" in entry}


def reached(found: Curve, target: float) -> str:
    """The first of the validated steps at which a curve has reached an accuracy."""
    return next((str(step) for step, accuracy in sorted(found.items()) if accuracy >= target), "never")


def page(runs: Mapping[int, Path]) -> str:
    """The page of the figures."""
    return "\n".join(_lines(runs)) + "\n"


def _lines(runs: Mapping[int, Path]) -> Iterator[str]:
    seeds = " ".join(map(str, runs))
    yield "# Expert iteration and pass rates"
    yield ""
    yield (
        f"`python benchmarks/expert_iteration.py --seeds {seeds}` ran [the preset](../{PRESET}) on {machine()}. `sft` "
        "learns the hasty teacher's chains, `star` the own chains of `grpo`, both from the base; `rated` is `grpo` on "
        "the questions that `sft` answers right in 10 to 90 % of 8 samples. T=1: samples at temperature 1."
    )
    yield ""
    yield "| seed | policy | accuracy, greedy | accuracy, T=1 | well-formed | supported accuracy |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for seed, run in runs.items():
        for name in POLICIES:
            scores = read_json(run / name / "eval.json")
            yield (
                f"| {seed} | {name} | {scores['accuracy']:.3f} | {scores['sampled']['accuracy']:.3f} | "
                f"{scores['format_rate']:.3f} | {scores['supported_accuracy']:.3f} |"
            )
    yield ""
    yield "## The set of chains"
    yield ""
    yield "| seed | completions | chains | of questions | words, median | left out |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for seed, run in runs.items():
        made = read_json(run / "chains/own.json")
        kinds: Counter[str] = Counter()
        for reason, count in made["rejected"].items():
            kinds[reason.partition(":")[0]] += count
        left_out = ", ".join(f"{reason} {count:,}" for reason, count in kinds.most_common())
        yield (
            f"| {seed} | {made['completions']:,} | {made['chains']} | {made['questions_with_chain']} of "
            f"{made['questions']} | {made['words']['median']} | {left_out} |"
        )
    yield ""
    yield "## What pass rates save"
    yield ""
    yield (
        "The accuracy on 200 questions of val, asked every ten steps. Target: the mean of the last two validations of "
        "`grpo`. Both runs have the same number of steps, and each step draws as many completions."
    )
    yield ""
    yield "| seed | questions kept | target | steps of grpo | steps of rated | last of rated |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for seed, run in runs.items():
        plain, rated = (curve(read_json(run / name / "metrics.json")) for name in ("grpo", "rated"))
        rates = read_json(run / "rated/pass_rates.json")
        right = rates["histogram"]
        kept = sum(n for number, n in enumerate(right) if 0.1 <= number / rates["samples"] <= 0.9)
        target = fmean([plain[step] for step in sorted(plain)[-2:]])
        yield (
            f"| {seed} | {kept} of {sum(right)} | {target:.3f} | {reached(plain, target)} | {reached(rated, target)} | "
            f"{rated[max(rated)]:.3f} |"
        )
    for seed, run in runs.items():
        yield ""
        yield f"Seed {seed}, accuracy on val after steps:"
        yield ""
        curves = {name: curve(read_json(run / name / "metrics.json")) for name in ("grpo", "rated")}
        steps = sorted(curves["grpo"])
        yield f"| policy | {' | '.join(map(str, steps))} |"
        yield f"| --- |{' --- |' * len(steps)}"
        for name, found in curves.items():
            yield f"| {name} | {' | '.join(f'{found[step]:.3f}' for step in steps)} |"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the preset at every seed and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    arguments = parser.parse_args(argv)
    runs = run_at_seeds("expert_iteration", arguments.seeds, {}, PRESET)
    write_text(REPO / "benchmarks" / "expert_iteration.md", page(runs))


if __name__ == "__main__":
    main()
