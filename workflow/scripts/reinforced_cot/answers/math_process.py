"""math-verify in a process of its own.

Its bound of time is a signal, which only a main thread gets, and rewards are not always computed in one. An expression
that keeps the process busy beyond it, or takes all its memory, costs that process alone: the answer counts as wrong.
"""

import atexit
import json
import logging
import os
import select
import subprocess
import sys
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from reinforced_cot.answers.math_worker import SECONDS
from reinforced_cot.errors import PipelineError

log = logging.getLogger(__name__)

_PATIENCE = 20 * SECONDS  # by the clock, on a machine with other work; then the process is stuck in one operation
_START = 120  # seconds for the imports of a first comparison
_PACKAGE = Path(__file__).resolve().parents[2]


class _WorkerLost(Exception):
    """The process ended on its own: something killed it, or the thread that started it is no more."""


class _Worker:
    """The running process, and the process that it belongs to: one that was forked must not share its pipes."""

    def __init__(self) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(_PACKAGE), os.environ.get("PYTHONPATH")))),
        }
        command = [sys.executable, "-m", "reinforced_cot.answers.math_worker"]
        self.owner, self.is_stuck = os.getpid(), False
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, bufsize=1
        )
        if not self._line(_START):
            self.end()
            code = self._process.returncode
            raise PipelineError(f"the process that compares mathematical answers did not start (exit status {code})")

    def ask(self, true: str, answer: str) -> bool | None:
        """The verdict; None where the comparison came to no end.

        Raises:
            _WorkerLost: the process has ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps([true, answer]) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise _WorkerLost from None
        line = self._line(_PATIENCE)
        if line == "":
            raise _WorkerLost
        if line is None:
            self.is_stuck = True
            return None
        found: bool | None = json.loads(line)
        return found

    def _line(self, seconds: float) -> str | None:
        """A line of output: None where none comes in time, empty where none will ever come."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        return self._process.stdout.readline() if ready else None

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what could not be written
                    pipe.close()


_lock = threading.Lock()
_running: list[_Worker] = []


@lru_cache(maxsize=4096)
def verified(true: str, answer: str) -> bool:
    """Whether math-verify takes two expressions for equal. A comparison that does not end counts as unequal, and is
    logged.

    Raises:
        PipelineError: the process does not start.
    """
    with _lock:
        found = _ask(true, answer)
        if found is None:
            log.warning(
                "comparing %.80r with %.80r takes too long or too much memory: it counts as wrong", answer, true
            )
        return bool(found)


def _ask(true: str, answer: str) -> bool | None:
    """Ask the running process or a new one; one that has ended is replaced, and the new one asked again."""
    for _ in range(2):
        if _running and _running[0].owner != os.getpid():
            _running.clear()
        if not _running:
            _running.append(_Worker())
        try:
            found = _running[0].ask(true, answer)
        except _WorkerLost:
            _end()
            continue
        if _running[0].is_stuck:
            _end()
        return found
    return None


def _end() -> None:
    while _running:
        worker = _running.pop()
        if worker.owner == os.getpid():
            worker.end()


def _after_fork() -> None:
    """Another thread may have held the lock when this process was forked, and will never free it here."""
    global _lock
    _lock = threading.Lock()


atexit.register(_end)
os.register_at_fork(after_in_child=_after_fork)
