"""The cost of the full-size preset's stages on one GPU, without a network: the 3B model's shape with random weights.

    python benchmarks/gpu/run.py --work /tmp/gpu --out benchmarks/gpu/results.json
    python benchmarks/gpu/run.py --work /tmp/tiny --out /tmp/tiny.json --tiny      # tries the script, on a CPU, too

It takes real photographs and chains (``--sample``), the preset's prompt, batches and adapters, and few steps of each
stage: speed and memory are right, accuracy is not. Each figure is of the stage's own code. A random policy never ends a
completion, so rollouts have the largest length.
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import Any

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "workflow" / "scripts"))

import torch  # noqa: E402
from transformers import GenerationConfig, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration  # noqa: E402
from trl import GRPOTrainer, SFTTrainer  # noqa: E402

from reinforced_cot.base.tiny_model import build_config, build_processor, build_tokenizer  # noqa: E402
from reinforced_cot.config.configuration import Config  # noqa: E402
from reinforced_cot.config.stage_settings import answer_settings, train_settings  # noqa: E402
from reinforced_cot.config.validation import validated  # noqa: E402
from reinforced_cot.config.yaml_files import read_yaml  # noqa: E402
from reinforced_cot.data.examples import Example, read_examples  # noqa: E402
from reinforced_cot.data.settings import PixelBudget  # noqa: E402
from reinforced_cot.evaluation.answer_log import AnswerLog  # noqa: E402
from reinforced_cot.evaluation.answering import answer, timing  # noqa: E402
from reinforced_cot.files import new_folder, read_json, write_json  # noqa: E402
from reinforced_cot.lora.merge import merge  # noqa: E402
from reinforced_cot.manifests import write_manifest  # noqa: E402
from reinforced_cot.models.loading import device  # noqa: E402
from reinforced_cot.models.settings import ModelSizes  # noqa: E402
from reinforced_cot.planning.answering_memory import answering_plan_of  # noqa: E402
from reinforced_cot.planning.model_shapes import shapes_of  # noqa: E402
from reinforced_cot.planning.preview import CHAIN  # noqa: E402
from reinforced_cot.planning.training_memory import training_plan_of  # noqa: E402
from reinforced_cot.policies.grpo import GrpoSettings  # noqa: E402
from reinforced_cot.policies.settings import MergeSettings  # noqa: E402
from reinforced_cot.policies.sft import SftSettings  # noqa: E402
from reinforced_cot.preparation.prepare import prepare  # noqa: E402
from reinforced_cot.sources.gqa_cot import read_gqa_cot  # noqa: E402
from reinforced_cot.stage_script import start  # noqa: E402
from reinforced_cot.training import grpo as grpo_stage  # noqa: E402
from reinforced_cot.training import sft as sft_stage  # noqa: E402

PRESET = "config/presets/qwen2.5-vl-3b-gqa.yaml"
TOKENIZER = 8192  # entries, trained on the sample's texts; the model's embedding has the real size
PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}  # bfloat16, dense, as NVIDIA's data sheets say


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="an empty folder with 40 GB of room")
    parser.add_argument("--out", type=Path, required=True, help="JSON file of the results")
    parser.add_argument("--sample", type=Path, default=REPO.parent / "shared/data/gqa-cot-sample")
    parser.add_argument("--tokens", type=int, default=256, help="longest completion of RL and evaluation")
    parser.add_argument("--steps", type=int, default=6, help="optimizer steps of SFT and of RL, an even number")
    parser.add_argument("--tiny", action="store_true", help="a tiny model and photographs, to try the script")
    args = parser.parse_args(argv)
    start()
    config = configuration(args.steps, args.tokens, args.tiny)
    examples = make_data(args.sample, config.image, args.work / "data", 24 if args.tiny else None)
    make_base(config, examples, args.work / "base", args.tiny)
    data, base, sft, grpo = (args.work / name for name in ("data", "base", "sft", "grpo"))
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device().type == "cuda" else "CPU",
        "torch": torch.__version__,
        "tiny": args.tiny,
        "parameters": shapes_of(base / "model", answer_settings(config).base_model).weights,
    }
    stages: dict[str, Callable[[], dict[str, Any]]] = {
        "sft": lambda: measure_sft(config, examples, data, base, sft),
        "merge_lora": lambda: measure_merge(config, base, sft),
        "grpo": lambda: measure_grpo(config, examples, data, sft, grpo),
        "answer": lambda: measure_answering(config, examples[:64], data, sft),
    }
    for name, stage in stages.items():
        result[name] = with_peak_memory(stage)
        write_json(args.out, result)  # keeps these figures if a later stage fails
    print(json.dumps(result, indent=2, sort_keys=True))


def configuration(steps: int, tokens: int, tiny: bool) -> Config:
    """The preset's configuration with trainings that last a few steps."""
    few = {"max_steps": steps, "save_strategy": "steps", "save_steps": steps, "logging_steps": 1}
    changes: dict[str, Any] = {
        "report": ["sft", "grpo"],
        "policies": {
            "sft": {
                "selection": {"examples": 1, "batch_size": 1, "max_new_tokens": 8, "samples": 0, "allow_cut_off": True},
                "training": few,
            },
            # Random weights earn no reward, and without one the optimizer would have no gradient.
            "grpo": {
                "probes": {"every": None},
                "training": {**few, "max_completion_length": tokens, "entropy_coef": 0.01},
            },
        },
        "answer": {"max_new_tokens": tokens, "probes": 0, "direct": False},
    }
    smaller: dict[str, Any] = {
        "image": {"min_pixels": 3136, "max_pixels": 50176},
        "base_model": {"dtype": "float32"},
        "policies": {
            "sft": {"global_batch_size": 4, "training": {"per_device_train_batch_size": 2, "bf16": False}},
            "grpo": {
                "global_batch_size": 8,
                "training": {
                    **{"per_device_train_batch_size": 8, "num_generations": 4, "generation_batch_size": 16},
                    "bf16": False,
                },
            },
        },
    }
    return validated(reduce(merged, [read_yaml(REPO / PRESET), changes, *([smaller] if tiny else [])]))


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """One configuration merged deeply over another, as Snakemake merges files."""
    both = {name for name, value in over.items() if isinstance(value, Mapping) and isinstance(under.get(name), Mapping)}
    return {**under, **over, **{name: merged(under[name], over[name]) for name in both}}


def make_data(sample: Path, image: PixelBudget, data: Path, size: int | None) -> list[Example]:
    """The sample as the training split."""
    file, images = sample / "train_data.jsonl", sample / "images"
    prepare(lambda: islice(read_gqa_cot(file, images), size), image, data, "train", 0.1)
    return read_examples(data / "train.jsonl")


def make_base(config: Config, examples: Sequence[Example], base: Path, tiny: bool) -> None:
    """The 3B model's shape, or a tiny one, with random weights, as a complete checkpoint."""
    tokenizer = build_tokenizer([text for example in examples for text in (example.question, example.chain)], TOKENIZER)
    ids = tokenizer.get_vocab()
    shape = build_config(len(tokenizer), ids, ModelSizes(max_position_embeddings=4096))
    if not tiny:
        shape = Qwen2_5_VLConfig(
            text_config={
                **{"hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "vocab_size": 151936},
                **{"num_attention_heads": 16, "num_key_value_heads": 2, "tie_word_embeddings": True},
                "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
            },
            vision_config={
                **{"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "out_hidden_size": 2048},
                "fullatt_block_indexes": [7, 15, 23, 31],
            },
            tie_word_embeddings=True,
            **{key: getattr(shape, key) for key in ("image_token_id", "video_token_id", "vision_start_token_id")},
        )
    torch.manual_seed(0)
    with torch.device(device()):
        model = Qwen2_5_VLForConditionalGeneration._from_config(shape, dtype=getattr(torch, config.base_model.dtype))
    end = [ids["<|im_end|>"], ids["<|endoftext|>"]]
    model.generation_config = GenerationConfig(eos_token_id=end, pad_token_id=ids["<|endoftext|>"])
    with new_folder(base / "model") as folder:
        model.save_pretrained(folder)
        build_processor(tokenizer, config.image.min_pixels, config.image.max_pixels).save_pretrained(folder)
    write_manifest(base / "model", base / "model.json", source="random weights")


def with_peak_memory(stage: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A stage's figures, its total seconds, and PyTorch's peak memory on the GPU."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    found = stage()
    peak = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None
    return {**found, "seconds": time.perf_counter() - started, "peak_gib": peak}


@contextmanager
def timed(owner: type, *methods: str) -> Iterator[dict[str, list[float]]]:
    """Measure the seconds of every call of some methods, the GPU's work included."""
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    stock = {name: getattr(owner, name) for name in methods}

    def wrapped(name: str) -> Callable[..., Any]:
        def method(self: Any, *args: Any, **options: Any) -> Any:
            _synchronize()
            started = time.perf_counter()
            try:
                return stock[name](self, *args, **options)
            finally:
                _synchronize()
                seconds[name].append(time.perf_counter() - started)

        return method

    for name in methods:
        setattr(owner, name, wrapped(name))
    try:
        yield seconds
    finally:
        for name, method in stock.items():
            setattr(owner, name, method)


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def measure_sft(config: Config, examples: Sequence[Example], data: Path, base: Path, output: Path) -> dict[str, Any]:
    """Tokens per second and the share of the GPU's peak arithmetic (MFU) of an update's forward and backward passes."""
    settings = train_settings(config, "sft")
    assert isinstance(settings, SftSettings)
    with timed(SFTTrainer, "training_step") as seconds:
        sft_stage.train(settings, examples, examples[:2], data, base, output, None)
    history = read_json(output / "metrics.json")["history"]
    seen = [entry["num_tokens"] for entry in history if "num_tokens" in entry]
    steps = len(seen)
    each = len(seconds["training_step"]) // steps
    updates = [sum(seconds["training_step"][i * each : (i + 1) * each]) for i in range(steps)]
    tokens = [after - before for before, after in pairwise(seen)]
    rate = median(count / spent for count, spent in zip(tokens, updates[1:], strict=True))
    shapes = shapes_of(base / "model", settings.base_model, settings.policy.lora)
    # A frozen weight takes part in the forward pass and in the gradient of its input: 4 operations per token. By
    # convention, the recomputation of gradient checkpointing does not count. The vision tower does not count either, so
    # this is a lower bound.
    language = shapes.linear + shapes.hidden * shapes.vocabulary
    longest = settings.prompt.max_tokens
    plan = training_plan_of(settings, shapes, None, longest, longest + CHAIN, config.image.max_pixels, False)
    return {
        "tokens_per_second": rate,
        "mfu": _share_of_peak(4 * language * rate),
        "seconds_per_update": median(updates[1:]),
        "tokens_per_update": median(tokens),
        "planned_gib": plan.needed(0) / 2**30,
    }


def _share_of_peak(flops: float) -> float | None:
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return next((flops / peak for key, peak in PEAK_FLOPS.items() if key in name), None)


def measure_merge(config: Config, base: Path, output: Path) -> dict[str, Any]:
    """The merge with its proof."""
    merge(MergeSettings.model_validate(train_settings(config, "sft").as_dict()), base, output)
    return {key: value for key, value in read_json(output / "merge.json").items() if key.startswith("adapter_vs")}


def measure_grpo(config: Config, examples: Sequence[Example], data: Path, origin: Path, output: Path) -> dict[str, Any]:
    """Seconds of a step by phase (rollouts, rewards, old log-probabilities, update), and GPU-seconds per rollout."""
    settings = train_settings(config, "grpo")
    assert isinstance(settings, GrpoSettings)
    phases = ("training_step", "_generate_and_score_completions", "_generate", "_calculate_rewards")
    with timed(GRPOTrainer, *phases) as seconds:
        grpo_stage.train(settings, examples, data, origin, output, None)
    training = settings.policy.training
    rollouts = training["generation_batch_size"]
    drawn, written, scored = (median(seconds[name][1:]) for name in phases[1:])
    generations = len(seconds["_generate_and_score_completions"])
    update = (sum(seconds["training_step"]) - sum(seconds["_generate_and_score_completions"])) / generations
    shapes = shapes_of(origin / "model", settings.base_model, settings.policy.lora)
    longest = settings.prompt.max_tokens
    row = longest + training["max_completion_length"]
    plan = training_plan_of(settings, shapes, None, longest, row, config.image.max_pixels, False)
    return {
        "rollouts_per_generation": rollouts,
        "seconds_to_generate": written,
        "seconds_of_rewards": scored,
        "seconds_of_old_log_probabilities": drawn - written - scored,
        "seconds_of_updates": update,
        "gpu_seconds_per_rollout": (drawn + update) / rollouts,
        "planned_gib": plan.needed(0) / 2**30,
    }


def measure_answering(config: Config, examples: Sequence[Example], data: Path, policy: Path) -> dict[str, Any]:
    """Greedy answers per second."""
    settings = answer_settings(config)
    folder = policy / "answers"
    folder.mkdir()
    answer(settings, examples, data, policy / "model", AnswerLog(folder))
    plan = answering_plan_of(settings, shapes_of(policy / "model", settings.base_model), settings.prompt.max_tokens)
    return {**timing(AnswerLog(folder)), "planned_gib": plan.needed(0) / 2**30}


if __name__ == "__main__":
    main()
