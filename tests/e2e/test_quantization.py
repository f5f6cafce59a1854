"""Quantized bases on the CPU, for real: training, merge into full precision, evaluation, and what merging changed."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from stage_runs import Stage, series
from workflow_copy import WorkflowCopy


@pytest.fixture(scope="module")
def qlora(finished_run: WorkflowCopy, tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    """The finished run, its SFT once more on an NF4 base with a paged 8-bit optimizer; the report, too."""
    root = tmp_path_factory.mktemp("qlora") / "workflow"
    shutil.copytree(finished_run.root, root, symlinks=True)
    sft = {"quantization": "nf4", "training": {"optim": "paged_adamw_8bit", "logging_steps": 1}}
    (root / "qlora.yaml").write_text(yaml.safe_dump({"report": ["base", "sft"], "policies": {"sft": sft}}))
    workflow = WorkflowCopy(root, ("--configfile", "tests/configs/smoke.yaml", "qlora.yaml"))
    assert workflow.planned()["sft"] == 1
    workflow.snakemake("--cores", "2")
    return workflow


def test_what_merging_into_full_precision_changes_is_measured(qlora: WorkflowCopy) -> None:
    results = qlora.root / "results/smoke"
    proof = json.loads((results / "sft/merge.json").read_text())
    assert proof["adapter_vs_merged"] <= 1e-4 < proof["adapter_vs_base"]
    measured = proof["measured"]
    assert (measured["quantization"], measured["questions"]) == ("nf4", 8)
    assert 0 <= measured["accuracy_quantized"] <= 1 and 0 <= measured["accuracy_merged"] <= 1
    assert json.loads((results / "sft/eval.json").read_text())["n"] == 24
    html = (results / "report.html").read_text()
    assert "accuracy_quantized" in html or "accuracy quantized" in html


def test_the_base_was_quantized(qlora: WorkflowCopy, finished_run: WorkflowCopy, tmp_path: Path) -> None:
    """Its losses are near those of full precision, and not the same."""
    metrics = json.loads((qlora.root / "results/smoke/sft/metrics.json").read_text())
    exact = Stage(finished_run, tmp_path / "sft", "sft", logging_steps=1, optim="paged_adamw_8bit").run()
    quantized, full = series(metrics["history"], "loss"), series(exact, "loss")
    assert quantized == pytest.approx(full, abs=0.3) and quantized != pytest.approx(full, abs=1e-3)


def test_rl_on_an_8_bit_base(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    stage = Stage(finished_run, tmp_path / "grpo", "grpo", optim="adamw_8bit")
    stage.settings["policy"]["quantization"] = "int8"
    assert len(series(stage.run(), "loss")) == 4
    assert any(float(weight.norm()) > 0 for name, weight in stage.adapter().items() if "lora_B" in name)
