"""The workflow run from another folder: its own files come from the clone, the user's from the working directory."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image
from places import SCRIPTS
from workflow_copy import WorkflowCopy, copy_workflow

OWN_REWARD = '''"""A reward of the user's own."""


def dark(completions, **columns):
    """As TRL calls it."""
    return [0.25 for _ in completions]
'''
OWN_RULE = """
configfile: "config/config.yaml"


rule conclude:
    default_target: True
    input: "results/data/summary.json"
    output: "conclusion.txt"
    shell: "cp {input} {output}"
"""
MODULE = """

module {name}:
    snakefile: "{clone}/Snakefile"
    config: config["thinking"]


use rule * from {name} as {name}_*
"""


@pytest.fixture
def clone(repo: Path, tmp_path: Path) -> Path:
    return copy_workflow(repo, tmp_path / "a clone").root


def users_files(folder: Path) -> dict[str, object]:
    """Photographs, questions and a reward of the user's own in ``folder``; the whole configuration that names them."""
    (folder / "photos").mkdir(parents=True)
    splits = {}
    for split in ("train", "val", "test"):
        noise = random.Random(split).randbytes(3 * 60 * 40)  # plain images would be near-duplicates
        Image.frombytes("RGB", (60, 40), noise).save(folder / "photos" / f"{split}.png")
        chain = [{"text": "It is dark."}]
        line = {"imageId": split, "instruction": "Is it dark?", "cot": chain, "answer": "Yes"}
        (folder / f"{split}.jsonl").write_text(json.dumps(line) + "\n")
        splits[split] = {"file": f"{split}.jsonl", "images": "photos", "part": None, "size": None}
    (folder / "own_rewards.py").write_text(OWN_REWARD)
    change = {"extends": "demo", "rewards": {"own_rewards:dark": 1.0}, "data": {"source": "gqa_cot", "splits": splits}}
    (folder / "mine.yaml").write_text(yaml.safe_dump(change))
    command = [sys.executable, str(SCRIPTS / "config.py"), "mine.yaml"]
    run = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    whole: dict[str, object] = yaml.safe_load(run.stdout)
    return whole


def test_another_working_directory(clone: Path, tmp_path: Path) -> None:
    users_files(tmp_path / "elsewhere")
    options = ("--snakefile", str(clone / "Snakefile"), "--directory", str(tmp_path / "elsewhere"))
    workflow = WorkflowCopy(tmp_path, (*options, "--configfile", "elsewhere/mine.yaml"))
    before = {path for path in clone.rglob("*") if "__pycache__" not in path.parts}
    workflow.snakemake("--cores", "2", "--", "results/data/summary.json")
    assert (tmp_path / "elsewhere/results/data/summary.json").is_file()
    assert {path for path in clone.rglob("*") if "__pycache__" not in path.parts} == before
    (tmp_path / "elsewhere/own_rewards.py").unlink()
    assert "own_rewards" in workflow.refusal()


def test_a_module_of_another_workflow(clone: Path, tmp_path: Path) -> None:
    root = tmp_path / "importing"
    config = {"mine": 1, "thinking": users_files(root)}
    (root / "config").mkdir()
    (root / "config/config.yaml").write_text(yaml.safe_dump(config))
    module = MODULE.format(name="thinking", clone=clone)
    (root / "Snakefile").write_text(OWN_RULE + module)
    workflow = WorkflowCopy(root)
    workflow.snakemake("--cores", "2")  # to the importing workflow's own target
    assert (root / "conclusion.txt").read_text() == (root / "results/data/summary.json").read_text()
    planned = workflow.planned("results/report.html")
    assert planned["thinking_grpo"] == 2 and "thinking_prepare_data" not in planned
    other = copy_workflow(clone, tmp_path / "other").root
    (root / "Snakefile").write_text(OWN_RULE + module + MODULE.format(name="more", clone=other))
    assert "are two clones of this workflow" in workflow.refusal()


def test_a_moved_clone_makes_nothing_stale(finished_run: WorkflowCopy, clone: Path, tmp_path: Path) -> None:
    root = tmp_path / "workflow"
    shutil.copytree(finished_run.root, root, symlinks=True)
    options = ("--snakefile", str(clone / "Snakefile"), *finished_run.options)
    assert WorkflowCopy(root, options).planned() == {}
    with open(clone / "workflow/digits/digits.csv.gz", "ab") as scans:
        scans.write(b"\0")
    planned = WorkflowCopy(root, options).planned()
    assert planned["prepare_data"] == 3 and planned["base_model"] == 1
