"""The processes of a job: which one this is, and that it ends when the one that started it ends."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def is_rank() -> bool:
    """Whether a launcher (`accelerate launch`, `torchrun`) started this process as one of several."""
    return "LOCAL_RANK" in os.environ


def rank() -> int:
    """This process's number among all of the job; 0 writes what the stage leaves behind."""
    return int(os.environ.get("RANK", 0))


def world_size() -> int:
    """How many processes the job has."""
    return int(os.environ.get("WORLD_SIZE", 1))


def local_world_size() -> int:
    """How many of them are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def end_with_launcher() -> None:
    """Let the kernel end this process when its launcher is killed: it would else go on writing beside its successor."""
    end_with_parent(signal.SIGKILL)


def end_with_parent(sent: signal.Signals) -> None:
    """Let the kernel send this process a signal when the one that started it ends, however it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, sent)
