"""How many questions are answered per second, in the original system's way and in this pipeline's, on photographs.

    python benchmarks/evaluation.py --sample ../shared/data/gqa-cot-sample

The original took 8 questions at a time, each padded to 2048 tokens, and asked once for each completion. Both ways ask
for a greedy completion and for samples of each question. The model is random, so most completions have the full length.
Writes evaluation.json and evaluation.md.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from photo_runs import LOADING, MAX_PIXELS, MIN_PIXELS, PROMPT, SEED, SIZES, arguments, photo_examples, publish
from transformers import PreTrainedModel, ProcessorMixin

from reinforced_cot.base.tiny_model import build_model, build_processor, build_tokenizer
from reinforced_cot.data.examples import Example
from reinforced_cot.evaluation.answer_log import AnswerLog
from reinforced_cot.evaluation.answering import answer
from reinforced_cot.generation.batching import opened
from reinforced_cot.generation.rendering import rendered_prompt
from reinforced_cot.generation.settings import Answering, AnswerSettings
from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.manifests import write_manifest
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import load_processor

PADDED, ORIGINAL_BATCH = 2048, 8


def main(argv: Sequence[str] | None = None) -> None:
    """Measure both ways, and write the page."""
    parser = arguments(__doc__, __file__)
    parser.add_argument("--questions", type=int, default=32)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=60)
    args = parser.parse_args(argv)
    claim_devices(0)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        examples = photo_examples(args.sample, work, 2 * args.questions)[: args.questions]
        results = measure(examples, work, args.samples, args.tokens)
    found = {"questions": len(examples), "samples": args.samples, "completion_tokens": args.tokens}
    publish(args.out, {**found, **results}, page)


def measure(examples: Sequence[Example], work: Path, samples: int, tokens: int) -> dict[str, Any]:
    """Questions per second of both ways; the original's over its first batch, since all its batches have one length."""
    make_checkpoint(examples, work / "policy")
    processor = load_processor(work / "policy/model")
    model = load_model(work / "policy/model", LOADING)
    as_the_original(model, processor, examples[:1], work, 2, {"do_sample": False})  # warms up
    started = time.perf_counter()
    for sampling in [{"do_sample": False}, *[{"do_sample": True, "top_k": 0}] * samples]:
        as_the_original(model, processor, examples[:ORIGINAL_BATCH], work, tokens, sampling)
    original = ORIGINAL_BATCH / (time.perf_counter() - started)
    asked = Answering(batch_size=16, max_new_tokens=tokens, samples=samples, direct=False, probes=0)
    settings = AnswerSettings(seed=SEED, prompt=PROMPT, base_model=LOADING, answer=asked)
    seconds = []
    for run in range(2):  # another policy finds the images' features
        (work / f"log {run}").mkdir()
        started = time.perf_counter()
        answer(settings, examples, work, work / "policy/model", AnswerLog(work / f"log {run}"))
        seconds.append(time.perf_counter() - started)
    return {"original": original, "first_policy": len(examples) / seconds[0], "further": len(examples) / seconds[1]}


def make_checkpoint(examples: Sequence[Example], policy: Path) -> None:
    """Write a random model to disk, in the form of a policy."""
    tokenizer = build_tokenizer([text for example in examples for text in (example.question, example.chain)], 2000)
    torch.manual_seed(1)
    build_model(tokenizer, SIZES).save_pretrained(policy / "model")
    build_processor(tokenizer, MIN_PIXELS, MAX_PIXELS).save_pretrained(policy / "model")
    write_manifest(policy / "model", policy / "model.json")


@torch.no_grad()
def as_the_original(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    examples: Sequence[Example],
    data: Path,
    tokens: int,
    sampling: dict[str, Any],
) -> None:
    """Answer one batch, padded to one length."""
    inputs = processor(
        text=[rendered_prompt(processor, example, PROMPT) for example in examples],
        images=[[opened(data / name) for name in example.images] for example in examples],
        **{"padding": "max_length", "max_length": PADDED, "padding_side": "left", "return_tensors": "pt"},
    )
    model.generate(**inputs, max_new_tokens=tokens, **sampling)


def page(found: dict[str, Any]) -> str:
    """The table as Markdown."""
    names = {
        "original": "the original's: batches of 8, padded to 2048 tokens",
        "first_policy": "this pipeline, first policy",
        "further": "this pipeline, further policies, which find the images' features",
    }
    lines = [
        "# Evaluation",
        "",
        f"Each of {found['questions']} questions about real photographs gets one greedy answer and {found['samples']} "
        f"samples of {found['completion_tokens']} tokens.",
        "This pipeline's time includes loading the model and writing the answers; the original's does not.",
        f"Written by evaluation.py on {found['machine']}, with torch {found['torch']} and a random model of "
        f"{SIZES.num_hidden_layers} layers.",
        "",
        "| way | questions per second | ratio |",
        "| --- | --- | --- |",
    ]
    lines += [f"| {name} | {found[way]:.3f} | {found[way] / found['original']:.2f} |" for way, name in names.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
