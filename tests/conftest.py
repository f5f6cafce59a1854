"""What all tests share: the scripts' folder on the path, the repository, one finished run of the whole pipeline."""

import os
import sys
from pathlib import Path

import pytest
from filelock import FileLock

sys.path.insert(0, str(Path(__file__).parent))

from places import REPO, SCRIPTS

sys.path.insert(1, str(SCRIPTS))  # as Python does for a stage script
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a test that reaches for the network is a defect

from workflow_copy import WorkflowCopy, copy_workflow


@pytest.fixture(scope="session")
def repo() -> Path:
    """The repository's root."""
    return REPO


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> WorkflowCopy:
    """The pipeline run to its end with tests/configs/smoke.yaml: every stage for real, in about two minutes.

    Tests read it, and change copies: pytest's workers share it.
    """
    base = tmp_path_factory.getbasetemp()
    root = (base if worker_id == "master" else base.parent) / "finished"
    options = ("--configfile", "tests/configs/smoke.yaml")
    with FileLock(root.with_suffix(".lock")):
        if not root.exists():
            copy_workflow(REPO, root, *options).snakemake("--cores", "2")
    return WorkflowCopy(root, options)
