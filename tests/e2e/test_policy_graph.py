"""Policies as a graph, for real: SFT of a policy of RL, and of an adapter."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file
from workflow_copy import WorkflowCopy

pytestmark = pytest.mark.slow
GRAPH = {
    "twice": {"like": "sft", "from": "grpo"},
    "longer": {"like": "sft", "from": "sft", "start": "adapter"},
}


def test_sft_of_a_policy_of_rl_and_of_an_adapter(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    """Beside a finished run, of which nothing is made again; neither policy is in the report."""
    root = tmp_path / "workflow"
    shutil.copytree(finished_run.root, root, symlinks=True)
    (root / "graph.yaml").write_text(yaml.safe_dump({"policies": GRAPH}))
    workflow = WorkflowCopy(root, (*finished_run.options, "graph.yaml"))
    assert workflow.planned() == {}
    targets = ["results/smoke/twice/merge.json", "results/smoke/longer/merge.json"]
    planned = workflow.planned(*targets)
    assert {rule: planned.get(rule) for rule in ("base_model", "sft", "grpo", "merge_lora")} == {
        **{"base_model": None, "grpo": None},
        **{"sft": 2, "merge_lora": 2},
    }
    workflow.snakemake("--cores", "2", *targets)
    smoke = root / "results/smoke"
    merges = {
        name: json.loads((smoke / name / "merge.json").read_text()) for name in ("sft", "grpo", "twice", "longer")
    }
    assert merges["twice"]["base_weights"] == merges["grpo"]["merged_weights"]
    assert merges["longer"]["base_weights"] == merges["sft"]["base_weights"]  # the adapter's own base, not sft's model
    adapters = {name: load_file(smoke / name / "adapter/adapter_model.safetensors") for name in merges}
    assert adapters["longer"].keys() == adapters["sft"].keys() == adapters["twice"].keys()
    for name, weight in adapters["sft"].items():
        if "lora_A" in name:
            assert not weight.equal(adapters["twice"][name]), "twice draws from the random streams of sft"
    assert any(not weight.equal(adapters["longer"][name]) for name, weight in adapters["sft"].items())
