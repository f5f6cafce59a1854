"""What it costs to compare checkpoints and data with their hashes, and to lock a policy's folder.

    python benchmarks/integrity.py --results results/smoke     # writes integrity.json and integrity.md

Reads a finished run: the seconds of each of its jobs are in its benchmarks/. What a job checks is checked once more in
this process. Then a checkpoint of 7 GiB is written to a temporary folder and compared twice: the second time its hashes
are remembered. Most of the first one's time may be that of the disk.
"""

import argparse
import csv
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from machine import machine

from reinforced_cot import integrity
from reinforced_cot.folder_lock import lock_folder
from reinforced_cot.integrity import check_published, check_split, check_start
from reinforced_cot.manifests import write_manifest

AIM = 0.03  # of the run's time, at most
SHARDS, SHARD = 7, 2**30  # bytes


def seconds(work: Callable[[], object]) -> float:
    """Wall time of a piece of work."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def checks(results: Path, job: str, work: Path) -> list[Callable[[], object]]:
    """What a job checks: when it starts, and when it loads a model. Folders below ``work`` are locked in its place."""
    data, (policy, _, stage) = results / "data", job.partition("/")
    base, own, origin = results / "base/model", results / policy, results / ("base" if policy == "sft" else "sft")
    lock = [lambda: lock_folder(work / job)]
    splits = {
        "base_model": ("train",),
        "sft": ("train", "val"),
        "grpo": ("train",),
        "answer": ("test",),
        "check_data": ("train", "val", "test"),
    }
    of_data: list[Callable[[], object]] = [partial(check_split, data, split) for split in splits.get(stage, ())]
    published: Callable[[], object] = partial(check_published, own / "model")
    of_models: dict[str, list[Callable[[], object]]] = {
        "sft": [lambda: check_start(origin, "model"), lambda: check_published(origin / "model"), *lock],
        "grpo": [lambda: check_start(origin, "model"), lambda: check_published(origin / "model"), *lock],
        "merge_lora": [lambda: check_published(own / "adapter"), lambda: check_published(base), *lock],
        "answer": 3 * [published],  # also before its shards start
    }
    return [*of_data, *of_models.get(stage, [])]


def of_run(results: Path, work: Path) -> list[dict[str, Any]]:
    """Each job of a finished run: its seconds, and those of its checks."""
    rows = []
    root = results / "benchmarks"
    for path in sorted(root.rglob("*.tsv")):
        job = str(path.relative_to(root).with_suffix(""))
        with open(path, encoding="utf-8") as file:
            took = float(next(csv.DictReader(file, delimiter="\t"))["s"])
        done = checks(results, job, work)
        rows.append({"job": job, "seconds": took, "checked": sum(map(seconds, done)), "checks": len(done)})
    return rows


def of_large_checkpoint(work: Path) -> dict[str, float]:
    """Seconds of the first comparison of a large checkpoint, and of one that finds its hashes remembered."""
    model = work / "sft/model"
    model.mkdir(parents=True)
    block = bytes(range(256)) * 2**16
    for number in range(SHARDS):
        with open(model / f"model-{number}.safetensors", "wb") as file:
            for _ in range(SHARD // len(block)):
                file.write(block)
    write_manifest(model, model.with_suffix(".json"))
    time.sleep(2 * integrity._SETTLED)
    before = time.process_time()
    first = seconds(lambda: check_published(model))
    computed = time.process_time() - before
    return {"first": first, "first_processor": computed, "again": seconds(lambda: check_published(model))}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure both, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="folder of a finished run")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        found = {"machine": machine(), "jobs": of_run(args.results, work), "large": of_large_checkpoint(work / "large")}
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    args.out.with_suffix(".md").write_text(page(found), encoding="utf-8")
    print(page(found))


def page(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    jobs, large = found["jobs"], found["large"]
    whole, checked = (sum(job[key] for job in jobs) for key in ("seconds", "checked"))
    rows = [
        f"| {job['job']} | {job['seconds']:.1f} | {1000 * job['checked']:.1f} | {job['checked'] / job['seconds']:.2%} |"
        for job in sorted(jobs, key=lambda job: -job["seconds"])
        if job["checks"]
    ]
    gib = SHARDS * SHARD / 2**30
    return "\n".join(
        [
            "# What checks of checkpoints and data cost",
            "",
            f"`python benchmarks/integrity.py` measured this on {found['machine']}, which other work used as well. The "
            "run is a finished one of the pipeline; its checks were done again, once.",
            "",
            "| job | seconds | checks, ms | share |",
            "| --- | --- | --- | --- |",
            *rows,
            f"| all jobs | {whole:.1f} | {1000 * checked:.1f} | {checked / whole:.2%} |",
            "",
            f"The aim, at most {AIM:.0%} of the run, is {'met' if checked <= AIM * whole else 'missed'}.",
            "",
            f"A checkpoint of {gib:.0f} GiB: {large['first']:.1f} s when it is compared for the first time "
            f"({large['first_processor']:.1f} s of them on the processor, the rest waiting for it and for the disk), "
            f"{1000 * large['again']:.1f} ms when its files have not been touched since.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
