"""Which python runs the jobs."""

import os
import sys
from pathlib import Path


def put_first_on_path() -> None:
    """Let jobs find the python that runs Snakemake: `.venv/bin/snakemake` works without activating the environment.

    The path is not written into the rules' commands, where another machine's path would make every job rerun.
    """
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
