"""Do policies learn what only two images together tell? Writes benchmarks/two_images.md.

    python benchmarks/two_images.py --seeds 1 2 3

It runs the preset digits-two-images at each seed, under results/two_images/: a call continues where an earlier one
stopped. The bound of one image is exact, since the scenes are drawn by rules (`digits.digit_pairs.ONE_IMAGE`).
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from machine import machine
from seed_runs import REPO, run_at_seeds, shuffled  # which puts the package on the path

from reinforced_cot.digits.digit_pairs import ONE_IMAGE
from reinforced_cot.files import read_json, write_text

POLICIES = ("base", "sft", "grpo")


def page(seeds: Sequence[int], runs: Mapping[int, Path]) -> str:
    """The page: accuracy per question type, beside the bound of one image."""
    return "\n".join(_lines(seeds, runs)) + "\n"


def _lines(seeds: Sequence[int], runs: Mapping[int, Path]) -> Iterator[str]:
    yield "# Two images per question"
    yield ""
    yield (
        f"`python benchmarks/two_images.py --seeds {' '.join(map(str, seeds))}` ran the preset digits-two-images on "
        f"{machine()}: each question compares the digits at one place of two scenes. Accuracy of greedy answers to "
        "600 test questions per seed, half of each type. One image: the accuracy of the best answer that follows from "
        "one of the two images alone. Shuffled: the questions with the images of another question."
    )
    yield ""
    yield "| seed | policy | larger digit | color of the larger digit | shuffled, both types |"
    yield "| --- | --- | --- | --- | --- |"
    yield f"|  | one image | {ONE_IMAGE['pair_larger']:.3f} | {ONE_IMAGE['pair_color']:.3f} | |"
    for seed in seeds:
        for policy in POLICIES:
            scores = read_json(runs[seed] / policy / "eval.json")
            types = [scores["by_question_type"][name]["accuracy"] for name in ("pair_larger", "pair_color")]
            yield f"| {seed} | {policy} | {types[0]:.3f} | {types[1]:.3f} | {shuffled(scores)} |"
    yield ""
    bound = fmean(ONE_IMAGE.values())
    found = {policy: [read_json(runs[seed] / policy / "eval.json") for seed in seeds] for policy in POLICIES[1:]}
    greedy = [fmean(scores["accuracy"] for scores in found[policy]) for policy in POLICIES[1:]]
    sampled = [fmean(scores["sampled"]["accuracy"] for scores in found[policy]) for policy in POLICIES[1:]]
    yield f"Mean over seeds and types: SFT {greedy[0]:.3f}, GRPO {greedy[1]:.3f}; one image {bound:.3f}."
    yield f"Of samples at temperature 1: SFT {sampled[0]:.3f}, GRPO {sampled[1]:.3f}."


def main(argv: Sequence[str] | None = None) -> None:
    """Run the preset at every seed and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    arguments = parser.parse_args(argv)
    runs = run_at_seeds("two_images", arguments.seeds, {}, "config/presets/digits-two-images.yaml")
    write_text(REPO / "benchmarks" / "two_images.md", page(arguments.seeds, runs))


if __name__ == "__main__":
    main()
