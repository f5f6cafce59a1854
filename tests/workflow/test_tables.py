"""Data of one's own through Snakemake: one archive for three splits, a conversion, and what a change makes stale."""

import io
import json
import random
import zipfile
from pathlib import Path

import pytest
import yaml
from PIL import Image
from workflow_copy import WorkflowCopy, copy_workflow

CONVERSION = '''
def record(row):
    """A test question, unless it is left out."""
    if row["n"] == 3:
        return None
    return {"question": row["question"], "answer": row["answer"], "image": row["image"]}
'''
DATA = {"prepare_data": 1, "check_data": 1}


@pytest.fixture(scope="module")
def workflow(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    root = tmp_path_factory.mktemp("tables")
    with zipfile.ZipFile(root / "all.zip", "w") as archive:
        for split in ("train", "val", "test"):
            rows = []
            for n in range(5):
                name, file = f"{split}-{n}.png", io.BytesIO()
                noise = random.Random(name).randbytes(3 * 40 * 40)  # plain images would be near-duplicates
                Image.frombytes("RGB", (40, 40), noise).save(file, format="PNG")
                archive.writestr(f"data/photos/{name}", file.getvalue())
                rows.append(
                    {"n": n, "image": f"photos/{name}", "question": "Is it dark?", "answer": "yes", "cot": "I look."}
                )
            archive.writestr(f"data/{split}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    (root / "mine.py").write_text(CONVERSION)
    whole = {"file": "all.zip", "images": "all.zip", "size": None}
    splits = {split: {**whole, "member": f"data/{split}.jsonl"} for split in ("train", "val", "test")}
    splits["test"]["convert"] = "mine:record"
    config = {"extends": "demo", "data": {"source": "table", "splits": splits}}
    (root / "own.yaml").write_text(yaml.safe_dump(config))
    workflow = copy_workflow(repo, root, "results/data/summary.json", "--configfile", "own.yaml")
    workflow.snakemake("--cores", "3")
    return workflow


def test_three_splits_read_one_archive(workflow: WorkflowCopy) -> None:
    data = workflow.root / "results/data"
    counts = json.loads((data / "summary.json").read_text())["splits"]
    assert {split: counts[split]["questions"] for split in counts} == {"train": 5, "val": 5, "test": 4}
    assert len([path for path in (data / ".unpacked").iterdir() if path.is_dir()]) == 1
    log = (workflow.root / "results/logs/data/prepare_data.train.log").read_text()
    assert "question is column question" in log and "not read: n" in log
    assert workflow.planned() == {}


def test_a_change_of_a_conversion_reruns_its_split_alone(workflow: WorkflowCopy) -> None:
    workflow.edit("mine.py", "A test question", "A comment")
    assert workflow.planned() == {}
    workflow.edit("mine.py", "== 3", "== 4")
    assert workflow.planned() == DATA
    workflow.edit("mine.py", "== 4", "== 3")
    assert workflow.planned() == {}


def test_a_mistake_is_named_before_anything_runs(workflow: WorkflowCopy) -> None:
    workflow.edit("mine.py", "def record", "def other")
    assert "names mine:record; mine.py defines no function record; it has other" in workflow.refusal()
    workflow.edit("mine.py", "def other", "def record")
