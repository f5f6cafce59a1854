"""The processes of a job: the rank of this one, how it ends together with its parent, and work shared among several."""

import ctypes
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from reinforced_cot.errors import PipelineError

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_AHEAD = 3  # tasks per process that wait

Task = TypeVar("Task")
Done = TypeVar("Done")


def is_rank() -> bool:
    """Whether a launcher (`accelerate launch`, `torchrun`) started this process as one of several."""
    return "LOCAL_RANK" in os.environ


def rank() -> int:
    """This process's number among all processes of the job; process 0 writes the stage's output."""
    return int(os.environ.get("RANK", 0))


def world_size() -> int:
    """How many processes the job has."""
    return int(os.environ.get("WORLD_SIZE", 1))


def local_world_size() -> int:
    """How many processes of the job are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def end_with_launcher() -> None:
    """Let the kernel end this process when its launcher is killed; otherwise it would write beside its successor."""
    end_with_parent(signal.SIGKILL)


def end_with_parent(death_signal: signal.Signals) -> None:
    """Let the kernel send this process a signal when its parent ends, however the parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal)


def in_order(function: Callable[[Task], Done], tasks: Iterable[Task], processes: int) -> Iterator[Done]:
    """Yield what a function makes of each task, in their order; only some tasks are read ahead.

    Raises:
        PipelineError: a process was killed, perhaps for want of memory.
    """
    if processes == 1:
        yield from map(function, tasks)
        return
    with ProcessPoolExecutor(processes) as pool:
        waiting: deque[Future[Done]] = deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(function, task))
                if len(waiting) > _AHEAD * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise PipelineError(
                f"one of {processes} processes was killed, perhaps for want of memory: give the job more of it, or "
                "fewer threads"
            ) from None
