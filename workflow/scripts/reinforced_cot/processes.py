"""The processes of a job: the rank of this one, and how it ends together with its parent."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


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
