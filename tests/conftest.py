"""What all tests share: the scripts' folder on the path, the repository, one finished run of the whole pipeline."""

import os
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO / "workflow" / "scripts"), str(REPO / "tests")]  # as Python does for a stage script
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a test that reaches for the network is a defect

from workflow_copy import WorkflowCopy, copy_workflow  # noqa: E402


@pytest.fixture(scope="session")
def repo() -> Path:
    """The repository's root."""
    return REPO


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    """The pipeline run to its end with tests/configs/smoke.yaml: every stage for real, in about two minutes."""
    root = tmp_path_factory.mktemp("finished") / "workflow"
    workflow = copy_workflow(REPO, root, "--configfile", "tests/configs/smoke.yaml")
    workflow.snakemake("--cores", "2")
    return workflow
