"""What the run cost and where its results come from. None of it decides a result, and none makes a stage stale."""

import csv
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from reinforced_cot.files import sha256_of
from reinforced_cot.inert_text import visible
from reinforced_cot.paths import REPOSITORY
from reinforced_cot.report.findings import settings_of
from reinforced_cot.report.run import Run

_LIBRARIES = ("snakemake", "torch", "transformers", "trl", "peft", "accelerate", "datasets", "pillow")
_SHOWN = 16  # hex digits of a hash


def cost(run: Run) -> pd.DataFrame:
    """One row per stage that has run: its seconds, and the greatest memory of its processes in MB (Snakemake's
    benchmark files); the tokens that a training has read, and completions per second of an evaluation.
    """
    rows = {}
    folder = run.results / "benchmarks"
    for file in sorted(folder.glob("**/*.tsv"), key=lambda path: path.stat().st_mtime):
        if (measured := _benchmark(file)) is None:
            continue
        name = file.relative_to(folder).with_suffix("").as_posix()
        policy, _, stage = name.rpartition("/")
        row: dict[str, Any] = {"seconds": measured["s"], "memory, MB": _whole(measured["max_rss"])}
        if stage in ("sft", "grpo") and policy in run.metrics:
            tokens = [entry["num_tokens"] for entry in run.metrics[policy]["history"] if "num_tokens" in entry]
            row["tokens"] = int(tokens[-1]) if tokens else None
        if stage == "answer" and policy in run.timings:
            row["completions per second and process"] = _whole(
                run.timings[policy].get("completions_per_process_second")
            )
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def _benchmark(file: Path) -> dict[str, float | None] | None:
    """The last line of a benchmark file; None where it cannot be read."""
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            row = [*csv.DictReader(lines, delimiter="\t")][-1]
        return {key: _number(row[key]) for key in ("s", "max_rss")}
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _number(text: str) -> float | None:
    return None if text in ("-", "NA", "") else float(text)


def settings_that_differ(run: Run) -> list[tuple[str, pd.DataFrame]]:
    """For each method with several policies, its name, and one row per setting in which they differ."""
    methods = Counter(policy.method for policy in run.trained)
    return [(method, _differing(run, method)) for method, policies in methods.items() if policies > 1]


def _differing(run: Run, method: str) -> pd.DataFrame:
    columns = {}
    for policy in (policy for policy in run.trained if policy.method == method):
        if settings := settings_of(run.results / policy.name):
            columns[policy.name] = dict(_leaves(settings))
    names = sorted({name for settings in columns.values() for name in settings})
    differing = {
        name: {policy: visible(str(settings.get(name, "-"))) for policy, settings in columns.items()}
        for name in names
        if len({str(settings.get(name, "-")) for settings in columns.values()}) > 1
    }
    return pd.DataFrame.from_dict(differing, orient="index")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(part, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def origin(run: Run, command: str) -> pd.DataFrame:
    """What rendered the page, and the hashes of what it shows: a row each.

    Args:
        command: the call that rendered it; empty if it is not known.
    """
    facts = {
        "command": command,
        "commit": _commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB",
        "GPUs": ", ".join(_gpus()),
        "Python": platform.python_version(),
        **{name: _version(name) for name in _LIBRARIES},
        **{f"data/{split}.jsonl": _hash(run.results / f"data/{split}.jsonl") for split in ("train", "val", "test")},
        **{f"{policy}: merged weights": proof["merged_weights"][:_SHOWN] for policy, proof in run.proofs.items()},
    }
    shown = {name: {"value": visible(value)} for name, value in facts.items() if value}
    return pd.DataFrame.from_dict(shown, orient="index")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _hash(path: Path) -> str:
    return sha256_of(path)[:_SHOWN] if path.is_file() else ""


def _commit() -> str:
    """The commit of this clone, with a note where files differ from it; empty where that is not known."""
    head = _output("git", "-C", str(REPOSITORY), "rev-parse", "HEAD")
    changed = head and _output("git", "-C", str(REPOSITORY), "status", "--porcelain", "--untracked-files=no")
    return head + (", with changes that are not committed" if changed else "")


def _gpus() -> list[str]:
    found = _output("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader").splitlines()
    return [line for line in found if line.strip()]


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def configuration(run: Run) -> str:
    """The effective configuration with the origin of each value, as the run has written it; empty if it has not."""
    path = run.results / "configuration.yaml"
    return visible(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else ""
