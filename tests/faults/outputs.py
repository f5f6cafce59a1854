"""Whether a job's declared outputs are those of the undisturbed run, byte by byte."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs import Job, files_below
from workflow_copy import WorkflowCopy

# Durations, which no two runs share; all else is compared byte by byte.
TIMES = {
    "timing.json": ("process_seconds", "completions_per_process_second"),
    "metrics.json": ("step_time",),  # of RL, at each logged step
}
# What the run cost and where it comes from, as tables beside the report; the page ends with them.
ORIGINS = ("cost.csv", "origin.csv")


def differences(finished: WorkflowCopy, copy: WorkflowCopy, job: Job, points: int = 0) -> list[str]:
    """One line for each declared output that differs from the finished run's.

    Args:
        points: how many points the curves of metrics.json may have beside those of the finished run. A checkpoint that
            SIGTERM has saved ends an interval of the log, so that its mean is split into two.
    """
    return [
        line
        for output in job.outputs
        for line in _differences(finished.root / output, copy.root / output)
        if not (
            Path(output).name == "metrics.json" and has_split_points(finished.root / output, copy.root / output, points)
        )
    ]


def has_split_points(expected: Path, found: Path, points: int) -> bool:
    """Whether two metrics.json differ in nothing but in this many intervals of the log that are split into two."""
    before, after = (_without(json.loads(path.read_text()), TIMES[path.name]) for path in (expected, found))
    histories = [[json.dumps(entry) for entry in metrics.pop("history")] for metrics in (before, after)]
    lost, new = ([entry for entry in one if entry not in other] for one, other in (histories, reversed(histories)))
    return bool(before == after and len(lost) <= points and len(new) <= 2 * points)


def _differences(expected: Path, found: Path) -> Iterator[str]:
    if not found.exists():
        yield f"{found.name} is missing"
    elif expected.is_dir():
        names = {*files_below(expected), *files_below(found)}
        if (expected.parent / "model_card.md").is_file():
            names.discard("README.md")  # the card's rule puts it there, behind the stage that makes the model
        for name in sorted(names):
            if not (expected / name).is_file() or not (found / name).is_file():
                yield f"{found.name}/{name} is in one run only"
            else:
                yield from _differences(expected / name, found / name)
    elif content(expected) != content(found):
        yield f"{found.name} differs"


def content(path: Path) -> bytes:
    """A file's bytes; without the durations that `TIMES` names, and without the origins of a report."""
    if path.name in ORIGINS:
        return b""
    if path.name == "report.html":
        return path.read_bytes().partition(b'<section id="origin"')[0]
    if path.name not in TIMES:
        return path.read_bytes()
    return json.dumps(_without(json.loads(path.read_text()), TIMES[path.name])).encode()


def _without(value: Any, keys: tuple[str, ...]) -> Any:
    """``value`` without these keys, at any depth; the order of the others stays."""
    if isinstance(value, dict):
        return {key: _without(inner, keys) for key, inner in value.items() if key not in keys}
    return [_without(inner, keys) for inner in value] if isinstance(value, list) else value
