"""Time of each script until its work begins: processor seconds of its imports, in turn with an earlier checkout's.

    git worktree add ../before COMMIT
    python benchmarks/start_up.py --before ../before

Each figure is the median of several fresh interpreters. Writes start_up.json and start_up.md.
"""

import argparse
import ast
import json
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from machine import machine

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
NOTHING, YARDSTICK = "python -c pass", "import torch, transformers' model"
EXTRAS = ("bitsandbytes", "deepspeed", "torchvision", "vllm")  # libraries import these where they are installed
# The name of a renamed script in an earlier checkout.
FORMER = {
    "answer": "answer_questions",
    "base_model": "build_base",
    "compare": "compare_policies",
    "grpo": "train_grpo",
    "plan": "plan_memory",
    "report": "write_report",
    "seeds": "summarise_seeds",
    "sft": "train_sft",
}
BASELINES = {NOTHING: "pass", YARDSTICK: "import torch; from transformers import AutoModelForImageTextToText"}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every script, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="a checkout of an earlier commit, to compare with")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args(argv)
    folders = {"now": SCRIPTS} | ({"before": args.before.resolve() / "workflow" / "scripts"} if args.before else {})
    scripts = sorted(path.stem for path in SCRIPTS.glob("*.py"))
    found = {
        "machine": machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers")},
        "extras": [name for name in EXTRAS if find_spec(name)],
        "repeats": args.repeats,
        "baselines": {name: repeated([(["-c", code], SCRIPTS)], args.repeats)[0] for name, code in BASELINES.items()},
        "stages": {script: stage(script, folders, args.repeats) for script in scripts},
    }
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    args.out.with_suffix(".md").write_text(page(found), encoding="utf-8")
    print(page(found))


def stage(script: str, folders: dict[str, Path], repeats: int) -> dict[str, dict[str, float]]:
    """Seconds of ``--help`` and of all imports of the work, by checkout; a checkout without the script is left out."""
    runs = []
    found = {name: file for name, folder in folders.items() if (file := script_in(folder, script))}
    for file in found.values():
        everything = "import " + ", ".join(modules(file))
        runs += [([file.name, "--help"], file.parent), (["-c", everything], file.parent)]
    measured = iter(repeated(runs, repeats))
    return {name: {"help": next(measured), "work": next(measured)} for name in found}


def script_in(folder: Path, script: str) -> Path | None:
    """The file of a script in a checkout, which may have it under its former name or not at all."""
    names = (script, FORMER.get(script, script))
    return next((file for name in names if (file := folder / f"{name}.py").exists()), None)


def modules(script: Path) -> list[str]:
    """The modules of the package that a script imports, at its head or later."""
    imports = [
        node for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)
    ]
    return sorted({node.module for node in imports if node.module and node.module.startswith("reinforced_cot")})


def repeated(runs: Sequence[tuple[Sequence[str], Path]], times: int) -> list[float]:
    """Median seconds of each of the interpreter's commands, taken in turn; a median forgets the cold start."""
    measured = [[seconds(command, folder) for command, folder in runs] for _ in range(times)]
    return [median(each) for each in zip(*measured, strict=True)]


def seconds(command: Sequence[str], folder: Path) -> float:
    """Processor time of the interpreter: wall time would depend on other processes, too."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, *command], cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def page(found: dict[str, Any]) -> str:
    """The tables as Markdown."""
    unit = found["baselines"][YARDSTICK]
    compared = any("before" in each for each in found["stages"].values())
    lines = [
        "# Start-up",
        "",
        "Figures are processor seconds. `--help` imports what a script needs until its arguments and settings are "
        "checked; *work* is every import of the script. Brackets give the share of what importing torch and "
        "transformers takes.",
        f"Written by start_up.py on {found['machine']}, with Python {found['python']}, torch {found['torch']}, "
        f"transformers {found['transformers']} and the extras {', '.join(found['extras']) or '(none)'}. Figures are "
        f"medians of {found['repeats']} runs; on a shared machine, a difference of a tenth means nothing.",
        "",
        "| | seconds |",
        "| --- | --- |",
        *[f"| {name} | {value:.2f} |" for name, value in found["baselines"].items()],
        "",
        "| script | `--help` | work |" + (" before: `--help` | work |" if compared else ""),
        "| --- | --- | --- |" + (" --- | --- |" if compared else ""),
    ]
    for script, each in found["stages"].items():
        cells = [f"{each[way][part]:.2f} ({each[way][part] / unit:.2f})" for way in each for part in ("help", "work")]
        cells += ["-", "-"] if compared and "before" not in each else []
        lines.append(f"| {script} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
