"""How often the report's 95 % interval holds the true accuracy, and how often its test sees a difference where none is.

    python benchmarks/intervals.py            # some minutes; writes intervals.json and intervals.md

Answers about one image are drawn with an intra-image correlation (beta-binomial); coverage and size are counted over
simulated test splits. Beside them: Wilson's interval over questions and McNemar's exact test, which take all questions
as independent.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from reinforced_cot.evaluation.uncertainty import exact_mcnemar, paired_p_value, share_interval, wilson

SHAPES = ((398, 32), (50, 4), (20, 10), (9, 10))  # images x questions per image; the first is GQA's testdev
CORRELATIONS = (0.0, 0.05, 0.1)
ACCURACIES = (0.5, 0.85, 0.95)
DISCORDANT = 0.2  # share of questions that one of two equally good policies has right and the other not
RUNS = 1000
PAGE = Path(__file__).with_suffix(".md")


def chances(rng: np.random.Generator, images: int, mean: float, correlation: float) -> np.ndarray:
    """The chance of a right answer of each image, shape `(images,)`."""
    if not correlation:
        return np.full(images, mean)
    scale = (1 - correlation) / correlation
    return rng.beta(mean * scale, (1 - mean) * scale, images)


def coverage(images: int, each: int, accuracy: float, correlation: float) -> dict[str, Any]:
    """Shares of simulated splits whose interval holds ``accuracy``: the report's, and Wilson's over questions."""
    rng, names = np.random.default_rng(images * 1000 + each), [f"{i // each}" for i in range(images * each)]
    clustered = plain = 0
    for _ in range(RUNS):
        right = rng.random(len(names)) < np.repeat(chances(rng, images, accuracy, correlation), each)
        low, high = share_interval(right.tolist(), names) or (0.0, 1.0)
        clustered += low <= accuracy <= high
        low, high = wilson(float(right.mean()), len(names))
        plain += low <= accuracy <= high
    return {"clustered": clustered / RUNS, "wilson": plain / RUNS}


def size(images: int, each: int, correlation: float) -> dict[str, Any]:
    """Shares of simulated pairs of equally good policies that a test at 5 % calls different."""
    rng, names = np.random.default_rng(images * 1000 + each), [f"{i // each}" for i in range(images * each)]
    clustered = plain = 0
    for _ in range(RUNS):
        changed = rng.random(len(names)) < DISCORDANT
        gained = changed & (rng.random(len(names)) < np.repeat(chances(rng, images, 0.5, correlation), each))
        before, after = (changed & ~gained).tolist(), gained.tolist()
        p = paired_p_value(before, after, names)
        clustered += p is not None and p < 0.05
        plain += exact_mcnemar(before, after) < 0.05
    return {"clustered": clustered / RUNS, "mcnemar": plain / RUNS}


def page(result: dict[str, Any]) -> str:
    """The page as Markdown."""
    lines = [
        "# Intervals and tests, by simulation",
        "",
        f"`python benchmarks/intervals.py`: {RUNS} simulated test splits per row, so that .95 is known to about .014.",
        "Each shape is images x questions per image; 398 x 32 is GQA's testdev. The report's interval and test are",
        "clustered by image; Wilson's and McNemar's take all questions as independent.",
        "",
        "## Coverage of the 95 % interval",
        "",
        "| shape | correlation within an image | accuracy | report's | Wilson's |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in result["coverage"]:
        shape = f"{row['images']} x {row['each']} | {row['correlation']:g} | {row['accuracy']:g}"
        lines.append(f"| {shape} | {row['clustered']:.3f} | {row['wilson']:.3f} |")
    lines += [
        "",
        f"## Size of the test at 5 %, {DISCORDANT:.0%} discordant questions",
        "",
        "| shape | correlation within an image | report's | McNemar's exact |",
        "| --- | --- | --- | --- |",
    ]
    for row in result["size"]:
        shape = f"{row['images']} x {row['each']} | {row['correlation']:g}"
        lines.append(f"| {shape} | {row['clustered']:.3f} | {row['mcnemar']:.3f} |")
    return "\n".join([*lines, "", f"Machine: {result['machine']}.", ""])


def main() -> None:
    """Simulate, and write the figures and their page."""
    result: dict[str, Any] = {"machine": machine(), "coverage": [], "size": []}
    for images, each in SHAPES:
        for correlation in CORRELATIONS:
            shape = {"images": images, "each": each, "correlation": correlation}
            for accuracy in ACCURACIES:
                counted = coverage(images, each, accuracy, correlation)
                result["coverage"].append({**shape, "accuracy": accuracy, **counted})
            result["size"].append({**shape, **size(images, each, correlation)})
    PAGE.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(page(result), encoding="utf-8")


if __name__ == "__main__":
    main()
