"""The memory plans of SFT, GRPO and a merge against the tensors of these stages as they run, on the CPU.

    python benchmarks/plan.py --work /tmp

Each stage runs in a process of its own. `live_tensors.py` says what is measured; resident memory, above that of the
imports, is shown beside it. Writes plan.json and plan.md; needs 1 GB of free disk and 8 GB of memory.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import torch
from machine import machine
from plan_runs import Shape, run

from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.models.settings import ModelSizes
from reinforced_cot.planning.memory_plan import GIB

WIDE = ModelSizes(
    hidden_size=256,
    num_hidden_layers=6,
    intermediate_size=8192,
    vision_depth=1,
    initializer_range=0.02,
)
HEAVY_HEAD = ModelSizes(
    hidden_size=512,
    num_hidden_layers=4,
    num_attention_heads=8,
    intermediate_size=1024,
    vision_depth=1,
    max_position_embeddings=4096,
    initializer_range=0.02,
)
KEEPING = {"gradient_checkpointing": False}
RUNS = {
    "SFT: layers are computed again, a large vocabulary": Shape("sft", 32768, HEAVY_HEAD, chain=480),
    "SFT: layers keep all activations": Shape("sft", 2048, WIDE, chain=480, training=KEEPING),
    "GRPO: layers keep all activations": Shape("grpo", 2048, WIDE, chain=128, training=KEEPING),
    "merge with its proof": Shape("merge", 151936, HEAVY_HEAD, chain=160, dtype="bfloat16"),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run every stage, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), help="for 1 GB of temporary files")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--run", choices=RUNS, help=argparse.SUPPRESS)  # one stage, in this process
    args = parser.parse_args(argv)
    claim_devices(0)
    if args.run:
        print(json.dumps(measured(RUNS[args.run], args.work)))
        return
    rows = {}
    for name in RUNS:
        with tempfile.TemporaryDirectory(dir=args.work) as folder:
            command = [sys.executable, __file__, "--work", folder, "--run", name]
            output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        rows[name] = json.loads(output.splitlines()[-1])
    found = {"machine": machine(), "torch": torch.__version__, "runs": rows}
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    args.out.with_suffix(".md").write_text(page(found), encoding="utf-8")
    print(page(found))


def measured(shape: Shape, work: Path) -> dict[str, float]:
    """Plan, tensors and resident memory of one run, in GiB."""
    before = memory("VmRSS")
    plan, live = run(shape, work)
    return {"plan": plan.needed(0) / GIB, "tensors": live / GIB, "resident": (memory("VmHWM") - before) / GIB}


def memory(name: str) -> int:
    """A figure of this process's memory in bytes, by the kernel's name."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return int(fields[name].split()[0]) * 1024


def page(found: dict[str, Any]) -> str:
    """The table as Markdown."""
    lines = [
        "# Memory plan",
        "",
        "`snakemake plan` and every stage say beforehand what the stage needs. Here stages run as they are, on models",
        "of Qwen2.5-VL's architecture with random weights, and the plan that they log is compared with the largest",
        "number of bytes that tensors held at one time: tensors that an operator has read or made and that are still",
        "alive, mapped files included. Resident memory is the process's peak above that of its imports; it also has",
        "what libraries load, and not the pages of a mapped file or of a tensor that nothing has touched.",
        f"Written by plan.py on {found['machine']}, with torch {found['torch']}.",
        "",
        "| stage | plan, GiB | tensors, GiB | plan / tensors | resident, GiB |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {name} | {row['plan']:.2f} | {row['tensors']:.2f} | {row['plan'] / row['tensors']:.2f} | "
        f"{row['resident']:.2f} |"
        for name, row in found["runs"].items()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
