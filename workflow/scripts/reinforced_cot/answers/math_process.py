"""math-verify in a process of its own.

Its time-outs are signals, which only a main thread gets, and rewards are not always computed in one. An expression that
keeps the process busy beyond them, or takes all its memory, ends that process alone: the answer counts as wrong.
"""

import atexit
import json
import logging
import os
import select
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path

from reinforced_cot.errors import PipelineError

log = logging.getLogger(__name__)

SECONDS = 3  # for each step of a comparison
_PATIENCE = 4 * SECONDS  # three steps, and some time for a machine with other work
_START = 120  # seconds for the imports of a first comparison
_PACKAGE = Path(__file__).resolve().parents[2]


class _Worker:
    """The running process, and the process that it belongs to: one that was forked must not share its pipes."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_PACKAGE), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, "-m", "reinforced_cot.answers.math_worker"]
        self.owner = os.getpid()
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, bufsize=1
        )
        if self._line(_START) is None:
            code = self._process.poll()
            self.end()
            raise PipelineError(f"the process that compares mathematical answers did not start (exit status {code})")

    def ask(self, true: str, answer: str) -> bool | None:
        """The verdict; None where none came in time."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps([true, answer]) + "\n")
            self._process.stdin.flush()
        except OSError:
            return None
        line = self._line(_PATIENCE)
        return None if line is None else bool(json.loads(line))

    def _line(self, seconds: float) -> str | None:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        return (self._process.stdout.readline() or None) if ready else None

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


_lock = threading.Lock()
_running: list[_Worker] = []


@lru_cache(maxsize=4096)
def verified(true: str, answer: str) -> bool:
    """Whether math-verify takes two expressions for equal; not where it comes to no end, which is logged.

    Raises:
        PipelineError: the process does not start.
    """
    with _lock:
        if _running and _running[0].owner != os.getpid():
            _running.clear()
        if not _running:
            _running.append(_Worker())
        found = _running[0].ask(true, answer)
        if found is None:
            _end()
            log.warning(
                "comparing %.80r with %.80r takes too long or too much memory: it counts as wrong", answer, true
            )
        return bool(found)


def _end() -> None:
    while _running:
        worker = _running.pop()
        if worker.owner == os.getpid():
            worker.end()


atexit.register(_end)
