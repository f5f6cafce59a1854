"""The methods of the presets, each trained for real for a few steps, on top of a finished run."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow_copy import WorkflowCopy

LOGGED = {  # what only this method logs
    "dr_grpo": "clip_ratio/region_mean",
    "dapo": "rewards/overlong_reward/mean",
    "cispo": "cispo_clip_ratio",
    "sapo": "reward",
}


@pytest.fixture(scope="module")
def results(finished_run: WorkflowCopy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("variants") / "workflow"
    shutil.copytree(finished_run.root, root, symlinks=True)
    (root / "all.yaml").write_text(yaml.safe_dump({"policies": list(LOGGED)}))
    presets = [f"config/presets/{name.replace('_', '-')}.yaml" for name in LOGGED]
    workflow = WorkflowCopy(root, ("--configfile", "tests/configs/smoke.yaml", *presets, "all.yaml"))
    workflow.snakemake("--cores", "2", "--", *(f"results/smoke/{name}/adapter.json" for name in LOGGED))
    return root / "results/smoke"


@pytest.mark.parametrize("variant", LOGGED)
def test_a_variant_trains(results: Path, variant: str) -> None:
    history: list[dict[str, Any]] = json.loads((results / variant / "metrics.json").read_text())["history"]
    steps = [entry for entry in history if "loss" in entry]
    assert len(steps) == 4
    assert all(math.isfinite(entry["loss"]) and entry["grad_norm"] > 0 for entry in steps)
    assert any(LOGGED[variant] in entry for entry in steps)
    settings = yaml.safe_load((results / variant / "train.yaml").read_text())
    assert settings["rl"]["training"]["loss_type"] == variant
    assert "like" not in settings["rl"]
