"""What do policies learn from easy-VQA? Writes benchmarks/easy_vqa.md.

    python benchmarks/easy_vqa.py --seeds 1 2 3

Follow docs/tutorial.md first, until `make preset` has written config/presets/easy-vqa.yaml. That preset is run at each
seed, under results/easy_vqa/, and once more with RL straight from the base, under results/easy_vqa_zero/. A call
continues where an earlier one stopped.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from machine import machine
from seed_runs import REPO, run_at_seeds, shuffled  # which puts the package on the path

from reinforced_cot.chains.filters import filtered
from reinforced_cot.chains.samples import pass_rates, read_samples
from reinforced_cot.chains.settings import ChainSet
from reinforced_cot.data.examples import read_examples
from reinforced_cot.errors import PipelineError
from reinforced_cot.files import read_json, write_text
from reinforced_cot.interpreter import run_script

PRESET = "config/presets/easy-vqa.yaml"
POLICIES = ("base", "sft", "grpo")
# RL straight from a base that has learned to read digits, and to write chains about them: it writes the tags at times.
SAMPLES, ASKED = 8, 4000
ZERO = {
    "report": ["base", "grpo"],
    "data": {"splits": {"train": {"size": ASKED}}},
    "chains": {name: {"by": "policy", "policy": name, "samples": SAMPLES} for name in ("base", "grpo")},
    "image": {"min_pixels": 784},  # as in its pretraining
    "base_model": {"tiny": {"vocab_size": 512, "pretraining": {"shortcut_share": 0.55}}},
    "policies": {
        "grpo": {
            "from": "base",
            "lora": {"r": 16, "lora_alpha": 32, "target_modules": ["q_proj", "k_proj", "v_proj"]},
            "rewards": {"format": 0.5, "correctness": 2.0, "brevity": 0.5, "tag_count": 1.0},
            "training": {"learning_rate": 5.0e-3, "max_steps": 150, "max_completion_length": 64},
        }
    },
    "answer": {"max_new_tokens": 64},
}
GAIN = 0.3  # that SFT must have over the best constant answer


def page(seeds: Sequence[int], runs: Mapping[int, Path], zero: Path) -> str:
    """The page: accuracies beside the best constant answer, and RL from the base, whose run is ``zero``."""
    return "\n".join(_lines(seeds, runs, zero)) + "\n"


def _lines(seeds: Sequence[int], runs: Mapping[int, Path], zero: Path) -> Iterator[str]:
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
    yield from _table((seed, name, found[seed][name]) for seed in seeds for name in POLICIES)
    yield ""
    yield f"Best constant answer: {', '.join(f'{constants[seed]:.3f}' for seed in seeds)}."
    met = all(found[seed]["sft"]["accuracy"] >= constants[seed] + GAIN for seed in seeds)
    yield f"SFT is {GAIN} above the best constant answer at every seed: {'yes' if met else 'no'}."
    for way, key in (("greedy", "accuracy"), ("T=1", "sampled")):
        gains = [_accuracy(found[seed]["grpo"], key) - _accuracy(found[seed]["sft"], key) for seed in seeds]
        yield f"GRPO's gain over SFT, {way}: {', '.join(f'{gain:+.3f}' for gain in gains)}."
    for seed in seeds:
        [pair] = [
            pair
            for pair in read_json(runs[seed] / "comparisons.json")
            if (pair["before"], pair["after"]) == ("sft", "grpo")
        ]
        low, high = pair["interval"]
        yield (
            f"Seed {seed}, greedy: GRPO gains {pair['gained']} questions and loses {pair['lost']}; the interval of the "
            f"difference is [{low:+.3f}, {high:+.3f}], p = {pair['p_value']:.2g}."
        )
    yield ""
    yield "## RL straight from the base"
    yield ""
    yield (
        f"The same questions at seed {seeds[0]}, without SFT: the base was pretrained on the demo's digits, where it "
        "learned tags and chains, but has seen no such image or question. RL paid half a point for the form, one for "
        "parts of it (`tag_count`) and two for the answer, over 150 steps."
    )
    yield ""
    yield from _table((seeds[0], name, read_json(zero / name / "eval.json")) for name in ("base", "grpo"))
    yield ""
    yield "## Chains from a policy's own samples"
    yield ""
    yield (
        f"Before and after that RL, {SAMPLES} samples were drawn of each of {ASKED:,} training questions, as `chains: "
        "{own: {by: policy, ...}}` would. A right sample may become a chain, if its chain leads to its answer."
    )
    yield ""
    yield "| policy | right samples | pass rate | questions with one | chains that the filters keep |"
    yield "| --- | --- | --- | --- | --- |"
    examples = read_examples(zero / "data" / "train.jsonl")
    for name in ("base", "grpo"):
        samples = read_samples(zero / "samples" / f"{name}.jsonl", examples, SAMPLES)
        rights = pass_rates(examples, samples)
        kept = filtered(examples, samples, ChainSet(by="policy", policy=name)).kept
        right, drawn = sum(rights.values()), SAMPLES * len(examples)
        with_one = sum(map(bool, rights.values()))
        yield f"| {name} | {right:,} of {drawn:,} | {right / drawn:.4f} | {with_one:,} | {len(kept):,} |"
    train = read_json(runs[seeds[0]] / "data" / "summary.json")["splits"]["train"]
    yield ""
    yield (
        f"SFT above learned from {train['chains']:,} chains of {train['questions']:,} questions. For one right sample "
        f"of as many questions, {SAMPLES} samples must be right at a rate of at least "
        f"{1 - (1 - train['chains'] / train['questions']) ** (1 / SAMPLES):.2f} each."
    )


def _table(rows: Iterable[tuple[int, str, Mapping[str, Any]]]) -> Iterator[str]:
    yield "| seed | policy | accuracy, greedy | accuracy, T=1 | pass@4, T=1 | well-formed, T=1 | shuffled images |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for seed, name, scores in rows:
        sampled = scores["sampled"]
        yield (
            f"| {seed} | {name} | {scores['accuracy']:.3f} | {sampled['accuracy']:.3f} | "
            f"{sampled['pass_at_k']['4']:.3f} | {sampled['format_rate']:.3f} | {shuffled(scores)} |"
        )


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
    files = [f"samples/{name}.jsonl" for name in ("base", "grpo")]
    zero = run_at_seeds("easy_vqa_zero", arguments.seeds[:1], ZERO, PRESET, further=files)[arguments.seeds[0]]
    write_text(REPO / "benchmarks" / "easy_vqa.md", page(arguments.seeds, runs, zero))


if __name__ == "__main__":
    run_script(main)
