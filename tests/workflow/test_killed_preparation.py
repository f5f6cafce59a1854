"""Preparation that is killed in its middle, and started again by the same command."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from PIL import Image
from workflow_copy import WorkflowCopy, copy_workflow

IMAGES, QUESTIONS = 300, 6000


@pytest.fixture(scope="module")
def workflow(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    root = tmp_path_factory.mktemp("killed")
    (root / "photos").mkdir()
    for number in range(IMAGES):
        noise = random.Random(number).randbytes(3 * 240 * 180)
        Image.frombytes("RGB", (240, 180), noise).save(root / f"photos/{number}.jpg")
    with open(root / "t.jsonl", "w") as file:
        for number in range(QUESTIONS):
            row = {"id": number, "image": f"{number % IMAGES}.jpg", "question": f"Is it {number}?", "answer": "no"}
            file.write(json.dumps(row) + "\n")
    parts = {"train": [0.0, 0.8], "val": [0.8, 0.9], "test": [0.9, 1.0]}
    table = {"source": "table", "file": "t.jsonl", "images": "photos"}
    splits = {split: {**table, "part": part} for split, part in parts.items()}
    (root / "own.yaml").write_text(yaml.safe_dump({"extends": "demo", "data": {"splits": splits}}))
    return copy_workflow(repo, root, "results/data/train.jsonl", "--configfile", "own.yaml", "--cores", "2")


def content(folder: Path) -> dict[str, bytes]:
    """All files of the prepared data; the manifests hold times of change, and are compared by what else they hold."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if path.suffix in (".jsonl", ".png", ".jpg")}


def written(data: Path) -> Iterator[Path]:
    """The images that a preparation has written so far, in its temporary folder."""
    return data.glob("images/.train.*.tmp/*")


@pytest.mark.parametrize("images", [1, 120, 230])
def test_the_same_command_makes_the_same_bytes(workflow: WorkflowCopy, images: int) -> None:
    results = workflow.root / "results"
    data, undisturbed = results / "data", workflow.root / "undisturbed"
    if not undisturbed.exists():
        workflow.snakemake()
        shutil.copytree(data, undisturbed)
    shutil.rmtree(results)
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    command = [sys.executable, "-m", "snakemake", *workflow.options]
    run = subprocess.Popen(
        command,
        cwd=workflow.root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while sum(1 for _ in written(data)) < images:
        assert run.poll() is None, "preparation has ended before it was killed"
        time.sleep(0.005)
    os.killpg(run.pid, signal.SIGKILL)  # Snakemake, its shell and the job
    run.wait()
    assert not (data / "train.jsonl").exists() and list(written(data))
    workflow.snakemake("--unlock")
    workflow.snakemake()
    assert content(data) == content(undisturbed)
    assert not list(data.rglob("*.tmp"))
