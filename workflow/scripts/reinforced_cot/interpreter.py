"""How Python itself must run a stage: texts in UTF-8, and docstrings kept.

Libraries open files without naming an encoding, and transformers does not import without its docstrings. So a user's
locale or PYTHONOPTIMIZE would end a run in the middle of a library.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

from reinforced_cot.disk_space import full_disk
from reinforced_cot.errors import PipelineError


def stage_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a stage's process: ``environment`` with Python's UTF-8 mode, without PYTHONOPTIMIZE."""
    kept = {name: value for name, value in environment.items() if name != "PYTHONOPTIMIZE"}
    return {**kept, "PYTHONUTF8": "1"}


def run_script(main: Callable[[], None]) -> None:
    """Run a script's ``main`` in the environment of a stage, and end as `exit_with_message` does."""

    def as_stage() -> None:
        _as_stage()
        main()

    exit_with_message(as_stage)


def exit_with_message(main: Callable[[], None]) -> None:
    """Run ``main``; a `PipelineError`, or a full disk, becomes one clear line on stderr and exit status 1."""
    try:
        main()
    except PipelineError as error:
        _exit(str(error))
    except KeyboardInterrupt:
        _end_bars()
        print("interrupted: the same command goes on from what is complete", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        if message := full_disk(error):
            _exit(message)
        raise


def _exit(message: str) -> NoReturn:
    """End with a message on a line of its own: an unfinished progress bar ends first."""
    _end_bars()
    sys.exit(f"error: {message}")


def _end_bars() -> None:
    """Close the progress bars, each of which then ends its line."""
    if tqdm := getattr(sys.modules.get("tqdm"), "tqdm", None):
        for bar in list(getattr(tqdm, "_instances", ())):
            bar.close()


def _as_stage() -> None:
    """Start this process's command again in the environment of a stage, if Python does not run as a stage needs it.

    Raises:
        PipelineError: an option of the command line (``-OO``, ``-X utf8=0``) forbids it.
    """
    if sys.flags.utf8_mode and sys.flags.optimize < 2:
        return
    wanted = stage_environment(os.environ)
    if wanted == dict(os.environ):
        raise PipelineError(
            "Python was started with -OO or -X utf8=0, with which libraries of a stage fail: leave it out"
        )
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], wanted)
