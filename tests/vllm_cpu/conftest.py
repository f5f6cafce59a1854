"""A short run whose tiny model has heads of 32, the smallest that vLLM's kernels for CPUs take."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO / "workflow" / "scripts"), str(REPO / "tests")]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(Path(__file__).parent),  # sitecustomize.py, in vLLM's own processes, too
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "2",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_LOGGING_LEVEL": "ERROR",
}
os.environ.update(ENVIRONMENT)

from workflow_copy import WorkflowCopy, copy_workflow  # noqa: E402

WIDE = {"base_model": {"tiny": {"architecture": {"hidden_size": 128}}}, "report": ["base", "sft", "grpo"]}


def run_script(*command: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *command], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)


def short_run(root: Path, preset: str, *targets: str, **change: Any) -> WorkflowCopy:
    """Make ``targets`` of a preset with a wide enough model."""
    workflow = copy_workflow(REPO, root, "--configfile", preset, "wide.yaml")
    (root / "wide.yaml").write_text(yaml.safe_dump({**WIDE, **change}))
    workflow.snakemake("--cores", "2", "--", *targets)
    return workflow


SMOKE = "tests/configs/smoke.yaml"
SFT = [f"results/smoke/{file}" for file in ("sft/model.json", "sft/answer.yaml", "grpo/train.yaml")]


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    """Up to the merged SFT model."""
    return short_run(tmp_path_factory.mktemp("digits") / "workflow", SMOKE, *SFT)


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    """The same with two images per question."""
    return short_run(tmp_path_factory.mktemp("pairs") / "workflow", SMOKE, *SFT, data={"digits": {"images": 2}})


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    """An untrained model, and real photographs."""
    shared = REPO.parent / "shared"
    if not (shared / "data" / "gqa-cot-sample").is_dir():
        pytest.skip("needs ../shared/data/gqa-cot-sample, which is not in the repository")
    root = tmp_path_factory.mktemp("photos")
    (root / "shared").symlink_to(shared)
    results = "results/gqa-cot-sample"
    targets = [f"{results}/base/model.json", f"{results}/base/answer.yaml", f"{results}/data/summary.json"]
    return short_run(root / "workflow", "config/presets/gqa-cot-sample.yaml", *targets)
