"""Which stages run: the process of a run keeps a file about its own, which `make status` reads meanwhile."""

import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from reinforced_cot.files import write_text

FOLDER = Path(".snakemake") / "running"  # in the working directory of the run
FRESH = 180.0  # seconds after which the file of another machine's run counts as left behind
BEAT = 60.0  # seconds after which a file is renewed


@dataclass(frozen=True)
class RunningStage:
    """A stage that was started.

    Attributes:
        outputs: the files that it makes, relative to the working directory.
        started: Unix time in seconds.
    """

    title: str
    outputs: tuple[str, ...]
    log: str
    started: float


class RunningFile:
    """This process's file; nothing that goes wrong with it fails a run."""

    def __init__(self) -> None:
        self._path = FOLDER.absolute() / f"{os.getpid()}.json"
        self._content = ""
        self._written = 0.0

    def write(self, stages: Sequence[RunningStage]) -> None:
        """Say which stages run; an unchanged file is written again only after `BEAT` seconds."""
        process = psutil.Process()
        owner = {"process": process.pid, "created": process.create_time(), "host": socket.gethostname()}
        content = json.dumps(owner | {"stages": [asdict(stage) for stage in stages]})
        if content == self._content and time.monotonic() - self._written < BEAT:
            return
        with suppress(OSError):
            write_text(self._path, content)
            self._content, self._written = content, time.monotonic()

    def remove(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def running_stages() -> list[RunningStage]:
    """The stages of all runs in this working directory whose process lives."""
    return [stage for path in sorted(FOLDER.glob("*.json")) for stage in _stages(path)]


def _stages(path: Path) -> Iterator[RunningStage]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if _lives(content, path):
            for stage in content["stages"]:
                yield RunningStage(**stage | {"outputs": tuple(stage["outputs"])})
    except (OSError, ValueError, KeyError, TypeError):
        return  # the run has just ended, or another version wrote it


def _lives(content: dict[str, float | str], path: Path) -> bool:
    if content["host"] != socket.gethostname():
        return time.time() - path.stat().st_mtime < FRESH
    try:
        process = psutil.Process(int(content["process"]))
        return process.create_time() == content["created"] and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
