"""The tutorial's function and commands, on questions in easy-VQA's form."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from workflow_copy import WorkflowCopy, copy_workflow

SHAPES, COLORS = ("circle", "rectangle", "triangle"), ("red", "teal", "gray")
RESULTS = "results/easy-vqa"


def write_questions(folder: Path, images: int) -> None:
    """Questions as easy-VQA's wheel has them; nobody asks for the shape of every third image."""
    (folder / "images").mkdir(parents=True)
    rows: list[list[Any]] = []
    for number in range(images):
        draw = random.Random(f"{folder.name}{number}")
        Image.frombytes("RGB", (64, 64), draw.randbytes(3 * 64 * 64)).save(folder / f"images/{number}.png")
        shape, color = draw.choice(SHAPES), draw.choice(COLORS)
        rows += [
            ["what color is the shape?", color, number],
            ["is there not a teal shape?", _not(color == "teal"), number],
        ]
        rows += [["is a circle present?", _not(shape != "circle"), number]]
        rows += [["what shape is present?", shape, number]] if number % 3 else []
    (folder / "questions.json").write_text(json.dumps(rows))


def _not(is_so: bool) -> str:
    return "no" if is_so else "yes"


@pytest.fixture(scope="module")
def workflow(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    root = tmp_path_factory.mktemp("tutorial")
    for split, images in (("train", 40), ("test", 10)):
        write_questions(root / f"easy-vqa/easy_vqa/data/{split}", images)
    text = (repo / "docs/tutorial.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (root / "easy_vqa_chains.py").write_text(code)
    workflow = copy_workflow(repo, root, "--configfile", "config/presets/easy-vqa.yaml", "--cores", "2")
    (command,) = re.findall(r"make preset NAME=easy-vqa (.*?)\n```", text.replace("\\\n", ""), re.DOTALL)
    options = [f"--{name.lower()}={value}" for name, value in (part.split("=") for part in command.split())]
    script = [sys.executable, "workflow/scripts/preset.py", "--name", "easy-vqa", *options]
    subprocess.run(script, cwd=root, check=True, capture_output=True)
    return workflow


def test_its_function_writes_chains_from_what_others_ask(workflow: WorkflowCopy) -> None:
    workflow.snakemake(f"{RESULTS}/data/summary.json")
    splits = json.loads((workflow.root / RESULTS / "data/summary.json").read_text())["splits"]
    assert (splits["train"]["questions"] + splits["val"]["questions"], splits["test"]["questions"]) == (146, 36)
    assert splits["train"]["chains"] + splits["val"]["chains"] == 4 * 26
    lines = (workflow.root / RESULTS / "data/train.jsonl").read_text().splitlines()
    chains = {row["question"]: row["chain"] for row in map(json.loads, lines) if row.get("chain")}
    assert re.fullmatch(
        r"The image shows a (\w+) (\w+)\. The question asks whether it is not teal\. "
        r"(Teal and teal are the same|(Red|Gray) and teal differ)\. So the answer is (yes|no)\.",
        chains["is there not a teal shape?"],
    )
    assert re.fullmatch(r"The image shows a (\w+) (\w+)\. So the answer is \2\.", chains["what shape is present?"])


def test_its_preset_is_a_whole_run(workflow: WorkflowCopy) -> None:
    planned = workflow.planned()
    assert planned["sft_in_full"] == planned["grpo_in_full"] == 1 and planned["report"] == 1
