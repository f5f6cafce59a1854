"""Time and memory of the demo, stage by stage; writes run_time.json and run_time.md.

    python benchmarks/run_time.py

Runs in a copy of the repository, which has no results yet: first the main job (`make run` after set-up) and a dry-run;
then, each time without earlier results, the main job with the switches for speed turned off, and everything
(`snakemake --cores all`). Run it on an otherwise idle machine.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from machine import machine

REPO = Path(__file__).resolve().parents[1]
MAIN = "results/grpo/eval.json"
SWITCHED_OFF = """
extends: demo
base_model: {vision_cache: "off"}
policies: {sft: {padding_free: "off"}, grpo: {shared_prefix: "off"}}
"""


def seconds(command: list[str], folder: Path) -> float:
    """Wall time of one command, which must succeed."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def repeated(measure: Callable[[], float], times: int = 5) -> float:
    """Median of several runs."""
    return median(measure() for _ in range(times))


def stages(folder: Path) -> list[tuple[str, float, float]]:
    """Name, seconds and largest resident memory (MiB) of each job, from Snakemake's own benchmark files."""
    found = []
    root = folder / "results" / "benchmarks"
    for path in sorted(root.rglob("*.tsv"), key=lambda path: path.stat().st_mtime):
        with open(path, encoding="utf-8") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        memory = float(row["max_rss"]) if row["max_rss"] not in ("-", "NA") else 0.0
        found.append((str(path.relative_to(root).with_suffix("")), float(row["s"]), memory))
    return found


def forget(folder: Path) -> None:
    """Delete the results of a run."""
    for made in ("results", ".snakemake"):
        shutil.rmtree(folder / made)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write the page."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(argv)
    snakemake = [sys.executable, "-m", "snakemake", "--cores", "all"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "repository"
        ignored = shutil.ignore_patterns(".git", ".venv*", ".snakemake", "results", "__pycache__", ".*_cache")
        shutil.copytree(REPO, folder, ignore=ignored)
        main_job = seconds([*snakemake, MAIN], folder)
        dry_run = repeated(lambda: seconds([*snakemake, "-n", MAIN], folder))
        forget(folder)
        (folder / "off.yaml").write_text(SWITCHED_OFF, encoding="utf-8")
        switched_off = seconds([*snakemake, MAIN, "--configfile", "off.yaml"], folder)
        forget(folder)
        everything = seconds(snakemake, folder)
        jobs = stages(folder)
    found = {
        "machine": machine(),
        "seconds": {"main": main_job, "switched_off": switched_off, "everything": everything, "dry_run": dry_run},
        "ratio": switched_off / main_job,
        "jobs": [{"job": name, "seconds": duration, "mib": memory} for name, duration, memory in jobs],
    }
    out = REPO / "benchmarks" / "run_time.json"
    out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(page(found), encoding="utf-8")


def page(found: dict[str, Any]) -> str:
    """The tables as Markdown."""
    seconds_of = found["seconds"]
    lines = [
        "# How long the demo takes",
        "",
        f"`python benchmarks/run_time.py` measured this on {found['machine']}, without a GPU, after set-up.",
        "",
        "| what | seconds |",
        "| --- | --- |",
        f"| `make run`: data, base, SFT, merge, GRPO, merge, evaluation | {seconds_of['main']:.0f} |",
        f"| the same with `vision_cache`, `padding_free` and `shared_prefix` off ({found['ratio']:.2f} times) "
        f"| {seconds_of['switched_off']:.0f} |",
        f"| `snakemake -n` afterwards, when nothing is left to do | {seconds_of['dry_run']:.1f} |",
        "| `snakemake --cores all` from nothing, which adds GSPO, every evaluation and the report "
        f"| {seconds_of['everything']:.0f} |",
        "",
        "The jobs of `snakemake --cores all`:",
        "",
        "| job | seconds | resident memory, MiB |",
        "| --- | --- | --- |",
        *(f"| {job['job']} | {job['seconds']:.0f} | {job['mib']:.0f} |" for job in found["jobs"]),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
