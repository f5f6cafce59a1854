"""How the gain of shared prefixes grows with the size of a group, prompt and completion, and a model that explains it.

    python benchmarks/scaling.py --sample ../shared/data/gqa-cot-sample

One of the three sizes varies at a time. Both ways compute old log-probabilities, loss and backward of the same rows:
one group, with a random prompt and a small image. The page also has the ratio of the floating-point
operations, counted by hand, and the time that the shared way's operations would take at the matrix rate of this
machine. A whole step (grpo_step.py) follows, in one process and in two. Writes scaling.json and scaling.md.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from photo_runs import SIZES, arguments, photo_examples, publish
from shared_prefix import make_trainer, update

from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.training.grpo import ResumableGRPOTrainer

BASE = {"G": 8, "P": 400, "C": 100}
VARIED = {"G": [2, 4, 8, 16, 32], "P": [100, 400, 1000, 2000], "C": [50, 100, 300, 1000]}
GRID, PATCH = (1, 8, 8), 1176  # patches of the image, and the numbers of each
IMAGE = GRID[1] * GRID[2] // 4  # visual tokens
CPU = Path(__file__).resolve().parents[1] / "config/accelerate/cpu.yaml"
PROCESSES = [(1, 1), (1, 2), (2, 1)]  # and threads of each
PASSES = 3  # old log-probabilities; loss; its gradient, with LoRA little more than that of the activations


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every size, and write the page."""
    parser = arguments(__doc__, __file__)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args(argv)
    claim_devices(0)
    sizes = [BASE] + [BASE | {name: value} for name, values in VARIED.items() for value in values]
    distinct = [size for place, size in enumerate(sizes) if size not in sizes[:place]]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        trainer, _ = make_trainer(photo_examples(args.sample, work), work)  # for the tokenizer's texts
        results = [measure(trainer, size, args.repeats) for size in distinct]
        steps = [by_processes(args.sample, work / "step.json", *way, "--sizes", str(BASE["G"])) for way in PROCESSES]
    publish(args.out, {"matrix_rate": matrix_rate(), "results": results, "steps": steps}, page)


def measure(trainer: ResumableGRPOTrainer, size: dict[str, int], repeats: int) -> dict[str, Any]:
    """Seconds of an update of both ways, in turn; the first round warms up."""
    inputs = make_inputs(trainer, **size)
    seconds: dict[str, list[float]] = {"off": [], "on": []}
    for _ in range(repeats + 1):
        for way, times in seconds.items():
            trainer.shared_prefix = way
            started = time.perf_counter()
            update(trainer, inputs)
            times.append(time.perf_counter() - started)
    stock, shared = (median(times[1:]) for times in seconds.values())
    return {**size, "seconds_stock": stock, "seconds_shared": shared, "ratio": stock / shared}


def by_processes(sample: Path, out: Path, processes: int, threads: int, *options: str) -> dict[str, Any]:
    """Seconds of a whole step of two groups, which the processes divide; further options are grpo_step.py's."""
    launched = ["-m", "accelerate.commands.launch", "--config_file", str(CPU), "--num_processes", str(processes)]
    step = [str(Path(__file__).with_name("grpo_step.py")), "--sample", str(sample), "--out", str(out), *options]
    command = [*launched, "--main_process_port", "0", *step] if processes > 1 else step  # as the stages do
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    subprocess.run([sys.executable, *command], check=True, env=environment, stdout=subprocess.DEVNULL)
    [found] = json.loads(out.read_text(encoding="utf-8"))["results"]
    return {"processes": processes, "threads": threads, **found}


def make_inputs(trainer: ResumableGRPOTrainer, G: int, P: int, C: int) -> dict[str, Any]:
    """One group in TRL's form after a generation, without padding."""
    config = trainer.model.config
    torch.manual_seed(1)
    start, end = config.vision_start_token_id, config.vision_end_token_id
    text = torch.randint(10, 1000, (P - IMAGE - 2,))
    prompt = torch.cat([torch.tensor([start, *[config.image_token_id] * IMAGE, end]), text])
    return {
        "prompt_ids": prompt.repeat(G, 1),
        "prompt_mask": torch.ones(G, P, dtype=torch.long),
        "completion_ids": torch.randint(10, 1000, (G, C)),
        "completion_mask": torch.ones(G, C, dtype=torch.long),
        "advantages": torch.randn(G),
        "num_items_in_batch": torch.tensor(G * C),
        "pixel_values": torch.randn(GRID[1] * GRID[2], PATCH).repeat(G, 1),
        "image_grid_thw": torch.tensor([GRID]).repeat(G, 1),
        "num_images": [1] * G,
        "mm_token_type_ids": torch.nn.functional.pad((prompt == config.image_token_id).long().repeat(G, 1), (0, C)),
    }


def operations(G: int, P: int, C: int, shared: bool) -> float:
    """Floating-point operations of an update in language model and head; a multiply-add counts as two.

    Stock computes G rows of P + C tokens, with attention over the whole square, as with a mask for padding. Shared
    computes P + G (C + 1) tokens; a prompt sees itself, half a square, and each completion the prompt and itself.
    """
    hidden, layers = SIZES.hidden_size, SIZES.num_hidden_layers
    keys = hidden * SIZES.num_key_value_heads // SIZES.num_attention_heads
    linear = 2 * (2 * hidden * hidden + 2 * hidden * keys + 3 * hidden * SIZES.intermediate_size)
    tokens = P + G * (C + 1) if shared else G * (P + C)
    pairs = P * P / 2 + G * (C + 1) * (P + C) if shared else G * (P + C) ** 2
    head = 2 * hidden * 2000 * G * C
    return PASSES * (layers * (linear * tokens + 4 * hidden * pairs) + head)


def matrix_rate(size: int = 1536) -> float:
    """Operations per second of a product of square float32 matrices; the best of several."""
    a, b = torch.randn(2, size, size)
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / min(seconds)


def page(found: dict[str, Any]) -> str:
    """The table as Markdown."""
    lines = [
        "# What shared prefixes gain, by size",
        "",
        "One group has G completions of C tokens after a prompt of P tokens. The times are of old log-probabilities,",
        "loss and backward, by stock TRL and with `shared_prefix`. *Counted* is the ratio of the operations that the",
        "two need. *Of the matrix rate* is the time that the shared way's operations would take at the rate of a large",
        f"matrix product on this machine ({found['matrix_rate'] / 1e9:.0f} GFLOP/s), as a share of the time that they",
        f"took. Written by scaling.py on {found['machine']}, with torch {found['torch']} and a random model of",
        f"{SIZES.num_hidden_layers} layers.",
        "",
        "| G | P | C | stock, s | shared, s | ratio | counted | of the matrix rate |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found["results"]:
        size = {name: row[name] for name in BASE}
        needed = operations(**size, shared=True)
        lines.append(
            f"| {row['G']} | {row['P']} | {row['C']} | {row['seconds_stock']:.2f} | {row['seconds_shared']:.2f} | "
            f"{row['ratio']:.2f} | {operations(**size, shared=False) / needed:.2f} | "
            f"{needed / found['matrix_rate'] / row['seconds_shared']:.2f} |"
        )
    lines += [
        "",
        f"The next table is of a whole step of two groups of {BASE['G']} with its rollouts (grpo_step.py). Two",
        "processes take one group each.",
        "",
        "| processes | threads each | stock, s | shared, s | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row['processes']} | {row['threads']} | {row['seconds_stock']:.2f} | {row['seconds_shared']:.2f} | "
        f"{row['ratio']:.2f} |"
        for row in found["steps"]
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
