"""The losses of the presets, and other starts of RL, each trained for real for a few steps on a finished run."""

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
    "dapo": "refill/zero_variance_after",
    "cispo": "cispo_clip_ratio",
    "sapo": "reward",
}


@pytest.fixture(scope="module")
def results(finished_run: WorkflowCopy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("variants") / "workflow"
    shutil.copytree(finished_run.root, root, symlinks=True)
    policies = {"continued": {"like": "grpo", "start": "adapter"}, "in_full": {"like": "grpo", "lora": None}}
    (root / "all.yaml").write_text(
        yaml.safe_dump({"report": ["base", "sft", *LOGGED, *policies], "policies": policies})
    )
    presets = [f"config/presets/{name.replace('_', '-')}.yaml" for name in LOGGED]
    workflow = WorkflowCopy(root, ("--configfile", "tests/configs/smoke.yaml", *presets, "all.yaml"))
    made = [f"results/smoke/{name}/adapter.json" for name in LOGGED]
    made += ["results/smoke/continued/merge.json", "results/smoke/in_full/eval.json"]
    workflow.snakemake("--cores", "2", "--", *made)
    return root / "results/smoke"


@pytest.mark.parametrize("variant", LOGGED)
def test_a_variant_trains(results: Path, variant: str) -> None:
    history: list[dict[str, Any]] = json.loads((results / variant / "metrics.json").read_text())["history"]
    steps = [entry for entry in history if "loss" in entry]
    assert len(steps) == 4
    assert all(math.isfinite(entry["loss"]) and entry["grad_norm"] > 0 for entry in steps)
    assert any(LOGGED[variant] in entry for entry in steps)
    settings = yaml.safe_load((results / variant / "train.yaml").read_text())
    assert settings["policy"]["training"]["loss_type"] == variant
    assert "like" not in settings["policy"]


def test_rl_goes_on_with_the_adapter_of_sft(results: Path) -> None:
    read = {name: json.loads((results / name).read_text()) for name in ("continued/model.json", "continued/merge.json")}
    assert read["continued/model.json"]["base"] == "base"
    assert read["continued/merge.json"]["adapter_vs_merged"] < 1e-4


def test_rl_of_every_weight(results: Path) -> None:
    assert not (results / "in_full/adapter").exists() and not (results / "in_full/merge.json").exists()
    manifest = json.loads((results / "in_full/model.json").read_text())
    assert manifest["base"] == "sft" and manifest["changed_weights"] > 20
    assert json.loads((results / "in_full/eval.json").read_text())["n"] == 24
