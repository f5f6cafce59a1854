"""Policies as a graph, for real: RL straight from the base on data without chains, and SFT of a policy of RL."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image
from safetensors.torch import load_file
from workflow_copy import WorkflowCopy, copy_workflow

pytestmark = pytest.mark.slow
GRAPH = {
    "zero": {"like": "grpo", "from": "base"},
    "twice": {"like": "sft", "from": "grpo"},
    "longer": {"like": "sft", "from": "sft", "start": "adapter"},
}


def photographs(root: Path) -> dict[str, object]:
    """Sixteen photographs with a question each and no chain, in one file for all splits."""
    (root / "photos").mkdir()
    lines = []
    for number in range(16):
        Image.new("RGB", (60 + number, 48), (16 * number, 90, 200 - 8 * number)).save(root / f"photos/{number}.png")
        question = f"Is it {'dark' if number % 2 else 'bright'}?"
        lines.append({"imageId": str(number), "instruction": question, "answer": "Yes" if number % 3 else "No"})
    (root / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    split = {"file": "questions.jsonl", "images": "photos", "size": None}
    parts = {"train": [0, 0.6], "val": [0.6, 0.75], "test": [0.75, 1]}
    return {"source": "gqa_cot", "splits": {name: {**split, "part": part} for name, part in parts.items()}}


def test_rl_from_the_base_needs_no_chain(repo: Path, tmp_path: Path) -> None:
    workflow = copy_workflow(repo, tmp_path / "workflow", "--configfile", "tests/configs/smoke.yaml", "zero.yaml")
    batch = {"per_device_train_batch_size": 8, "num_generations": 4}
    config = {
        "pathvars": {"results": "results/zero"},
        "report": ["base", "zero"],
        "data": photographs(workflow.root),
        "base_model": {"tiny": {"pretraining": None}},
        "policies": {**GRAPH, "zero": {**GRAPH["zero"], "training": batch}},
    }
    (workflow.root / "zero.yaml").write_text(yaml.safe_dump(config))
    planned = workflow.planned()
    assert (planned["grpo"], planned["merge_lora"], planned["evaluate"], "sft" in planned) == (1, 1, 2, False)
    workflow.snakemake("--cores", "2")
    results = workflow.root / "results/zero"
    assert json.loads((results / "zero/merge.json").read_text())["adapter_vs_base"] > 0
    assert "<svg" in (results / "report.html").read_text() and workflow.planned() == {}
    # A policy that learns from chains is refused by its own stage, and by the data check where the report needs it.
    text = workflow.snakemake("--cores", "2", "results/zero/sft/eval.json", check=False)
    assert "SFT needs chains of thought, and no training example has one" in text
    config["report"] = ["base", "sft"]
    (workflow.root / "zero.yaml").write_text(yaml.safe_dump(config))
    text = workflow.snakemake("--cores", "2", check=False)
    assert "no record of split 'train' has a chain of thought (cot), and the report needs policies that learn" in text


def test_sft_of_a_policy_of_rl_and_of_an_adapter(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    """Beside a finished run, of which nothing is made again; neither policy is in the report."""
    root = tmp_path / "workflow"
    shutil.copytree(finished_run.root, root, symlinks=True)
    (root / "graph.yaml").write_text(yaml.safe_dump({"policies": GRAPH}))
    workflow = WorkflowCopy(root, (*finished_run.options, "graph.yaml"))
    assert workflow.planned() == {}
    targets = ["results/smoke/twice/eval.json", "results/smoke/longer/eval.json"]
    planned = workflow.planned(*targets)
    assert {rule: planned.get(rule) for rule in ("base_model", "sft", "grpo", "merge_lora", "answer", "evaluate")} == {
        **{"base_model": None, "grpo": None},
        **{"sft": 2, "merge_lora": 2, "answer": 2, "evaluate": 2},
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
