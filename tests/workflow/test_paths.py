"""Paths with blanks, quotes and all that a shell would run are paths and nothing else."""

import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from places import REPO
from workflow_copy import copy_workflow

NAMES = ["my run", "x;touch made $(touch made) `touch made`", 'it\'s a "größe" & b|c>made *']


@pytest.mark.parametrize("name", NAMES)
def test_a_results_folder_of_any_name(tmp_path: Path, name: str) -> None:
    """The stages of the data run for real; all other commands quote their paths in the same way."""
    workflow = copy_workflow(REPO, tmp_path / "workflow", "--configfile", "tests/configs/smoke.yaml", "paths.yaml")
    (workflow.root / "results").mkdir(exist_ok=True)
    (workflow.root / "results/my").write_text("the user's")
    results = f"results/{name}"
    sizes = {"train": {"size": 16}, "val": {"size": 8}, "test": {"size": 8}}
    content = {"pathvars": {"results": results}, "data": {"splits": sizes}}
    (workflow.root / "paths.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    before = {path.name for path in workflow.root.iterdir()}
    workflow.snakemake("--cores", "2", "--", f"{results}/data/summary.json", f"{results}/base/train.yaml")
    assert (workflow.root / results / "data/summary.json").is_file()
    assert (workflow.root / results / "logs/data/check_data.log").is_file()
    assert (workflow.root / "results/my").read_text() == "the user's"
    assert {path.name for path in workflow.root.iterdir()} - before <= {".snakemake"}
    assert not list(workflow.root.rglob("made"))


def test_a_topology_in_a_folder_of_any_name(tmp_path: Path) -> None:
    """The stage's command, as a shell reads it, names the file in one word."""
    workflow = copy_workflow(REPO, tmp_path / "workflow", "--configfile", "tests/configs/smoke.yaml", "paths.yaml")
    topology = "my $(touch made) topologies/one cpu.yaml"
    (workflow.root / topology).parent.mkdir()
    shutil.copyfile(workflow.root / "config/accelerate/cpu.yaml", workflow.root / topology)
    stages = ("sft", "grpo", "answer")
    launch = {stage: {"topology": topology, "processes": 1} for stage in stages}
    (workflow.root / "paths.yaml").write_text(yaml.safe_dump({"launch": launch}), encoding="utf-8")
    text = workflow.snakemake("--dry-run", "--printshellcmds", "--cores", "2")
    for stage in stages:
        commands = [line.removeprefix("Shell command: ") for line in text.splitlines() if f"scripts/{stage}.py" in line]
        assert commands, stage
        for words in map(shlex.split, commands):
            assert words[words.index("--topology") + 1] == topology
    assert not list(workflow.root.rglob("made"))
