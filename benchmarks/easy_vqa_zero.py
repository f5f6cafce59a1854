"""What comes of RL straight from the base on easy-VQA, and of its own samples? Writes benchmarks/easy_vqa_zero.md.

    python benchmarks/easy_vqa_zero.py

Follow docs/tutorial.md first, until `make preset` has written config/presets/easy-vqa.yaml. The run goes to
results/easy_vqa_zero/. A call continues where an earlier one stopped.
"""

from collections.abc import Iterator
from pathlib import Path

from easy_vqa import PRESET
from machine import machine
from seed_runs import REPO, accuracy_table, run_at_seeds  # which puts the package on the path

from reinforced_cot.chains.filters import filtered
from reinforced_cot.chains.samples import pass_rates, read_samples
from reinforced_cot.chains.settings import ChainSet
from reinforced_cot.data.examples import read_examples
from reinforced_cot.errors import PipelineError
from reinforced_cot.files import read_json, write_text
from reinforced_cot.interpreter import run_script

SEED = 1
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


def page(zero: Path) -> str:
    """The page of one run: RL from the base, and what the samples of both policies would teach."""
    return "\n".join(_lines(zero)) + "\n"


def _lines(zero: Path) -> Iterator[str]:
    yield "# RL from the base on easy-VQA"
    yield ""
    yield (
        f"`python benchmarks/easy_vqa_zero.py` ran the questions of [easy-VQA](easy_vqa.md) at seed {SEED}, without "
        f"SFT, on {machine()}. The base was pretrained on the demo's digits, where it learned tags and chains, but has "
        "seen no such image or question. RL paid half a point for the form, one for parts of it (`tag_count`) and two "
        "for the answer, over 150 steps."
    )
    yield ""
    yield from accuracy_table((SEED, name, read_json(zero / name / "eval.json")) for name in ("base", "grpo"))
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
    train = read_json(zero / "data" / "summary.json")["splits"]["train"]
    yield ""
    yield (
        f"The tutorial's function writes {train['chains']:,} chains for {train['questions']:,} questions. For one "
        f"right sample of as many questions, {SAMPLES} samples must be right at a rate of at least "
        f"{1 - (1 - train['chains'] / train['questions']) ** (1 / SAMPLES):.2f} each."
    )


def main() -> None:
    """Run RL from the base, draw samples of both policies, and write the page."""
    if not (REPO / PRESET).is_file():
        raise PipelineError(f"{PRESET} does not exist: follow docs/tutorial.md until `make preset` has written it")
    files = [f"samples/{name}.jsonl" for name in ("base", "grpo")]
    zero = run_at_seeds("easy_vqa_zero", [SEED], ZERO, PRESET, further=files)[SEED]
    write_text(REPO / "benchmarks" / "easy_vqa_zero.md", page(zero))


if __name__ == "__main__":
    run_script(main)
