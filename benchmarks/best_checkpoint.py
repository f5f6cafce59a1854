"""Does RL's best checkpoint on val beat its last one on test? Writes benchmarks/best_checkpoint.md.

    python benchmarks/best_checkpoint.py --seeds 1 2 3 4 5

Trains the demo's `grpo` at each seed with validation every ten steps, and evaluates the same training twice, with
`selection.publish` set to each value. Runs go to results/best_checkpoint/. A call continues where an
earlier one stopped.
"""

import argparse
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from machine import machine
from seed_runs import REPO, run_at_seeds  # which puts the package on the path

from reinforced_cot.evaluation.uncertainty import mean_interval, paired_p_value
from reinforced_cot.files import read_json, read_jsonl, write_text

NAME = "best_checkpoint"
CHOICES = ("best", "last")


def settings(publish: str) -> dict[str, Any]:
    """The demo with validation, evaluated greedily."""
    selection = {"examples": 200, "batch_size": 100, "max_new_tokens": 64, "every": 10, "publish": publish}
    return {
        "report": ["grpo"],
        "policies": {"grpo": {"selection": selection}},
        "answer": {"samples": 0, "direct": False, "probes": 0},
    }


def answered(run: Path, publish: str) -> dict[str, bool]:
    """Whether each question of test was answered right, by its id."""
    return {row["id"]: row["is_correct"] for _, row in read_jsonl(kept_file(run, publish))}


def kept_file(run: Path, publish: str) -> Path:
    """Where the predictions of one choice are kept, since the other choice's take their place in the run."""
    return run / "grpo" / f"predictions.{publish}.jsonl"


def make(seeds: Sequence[int]) -> dict[int, Path]:
    """Train once at each seed and evaluate both checkpoints."""
    runs: dict[int, Path] = {}
    for publish in CHOICES:
        runs = run_at_seeds(NAME, seeds, settings(publish))
        for run in runs.values():
            shutil.copyfile(run / "grpo" / "predictions.jsonl", kept_file(run, publish))
    return runs


def page(runs: Mapping[int, Path]) -> str:
    """The page of the figures."""
    return "\n".join(_lines(runs)) + "\n"


def _lines(runs: Mapping[int, Path]) -> Iterator[str]:
    seeds = " ".join(map(str, runs))
    yield "# The best checkpoint of RL and the last one"
    yield ""
    yield (
        f"`python benchmarks/best_checkpoint.py --seeds {seeds}` trained the demo's `grpo` on {machine()}, with 200 "
        "questions of val every ten steps. Each seed is one training, of which `selection.publish` evaluates the best "
        "checkpoint on val and the last one. p: McNemar's test on the questions of test."
    )
    yield ""
    yield "| seed | best step | val: best | val: last | test: best | test: last | best - last | p |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    differences: dict[int, float] = {}
    for seed, run in runs.items():
        curve = {
            entry["step"]: entry["eval_accuracy"]
            for entry in read_json(run / "grpo" / "metrics.json")["history"]
            if entry.get("eval_accuracy") is not None and entry["step"]
        }
        chosen = max(curve, key=lambda step: (curve[step], step))
        best, last = (answered(run, publish) for publish in CHOICES)
        differences[seed] = fmean(best.values()) - fmean(last.values())
        p = paired_p_value(list(last.values()), [best[id] for id in last], list(last))
        yield (
            f"| {seed} | {chosen} of {max(curve)} | {curve[chosen]:.3f} | {curve[max(curve)]:.3f} | "
            f"{fmean(best.values()):.3f} | {fmean(last.values()):.3f} | {differences[seed]:+.3f} | {p:.2f} |"
        )
    interval = mean_interval(list(differences.values()), [str(seed) for seed in differences])
    yield ""
    mean = f"Mean difference over the seeds: {fmean(differences.values()):+.3f}"
    yield f"{mean}, 95 % interval {interval[0]:+.3f} to {interval[1]:+.3f}." if interval else f"{mean}."


def main(argv: Sequence[str] | None = None) -> None:
    """Run every seed and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    arguments = parser.parse_args(argv)
    write_text(REPO / "benchmarks" / f"{NAME}.md", page(make(arguments.seeds)))


if __name__ == "__main__":
    main()
