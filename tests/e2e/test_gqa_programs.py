"""Chains from GQA's functional programs: from GQA's files, as they are downloaded, to an SFT policy."""

import json
from pathlib import Path
from typing import Any

import gqa_worlds
import numpy as np
import pytest
import yaml
from PIL import Image
from places import REPO
from workflow_copy import WorkflowCopy, copy_workflow

RESULTS = "results/gqa"
WORLDS, PER_WORLD = 24, 6


def write_gqa(folder: Path) -> None:
    """Scene graphs, questions in two chunks of a folder, and an image of noise for each scene."""
    (folder / "train_questions").mkdir(parents=True)
    (folder / "images").mkdir()
    graphs: dict[str, Any] = {}
    chunks: list[dict[str, Any]] = [{}, {}]
    for number in range(WORLDS):
        world, image = gqa_worlds.World(number), str(2_300_000 + number)
        graphs[image] = world.graph()
        for place, question in enumerate(gqa_worlds.questions(world, PER_WORLD)):
            id = f"{number:05d}{place}"
            chunks[number % 2][id] = gqa_worlds.entry(question, id, image)
        noise = np.random.default_rng(number).integers(0, 256, (56, 56, 3), np.uint8)
        Image.fromarray(noise).save(folder / "images" / f"{image}.png")
        (folder / "images" / f"{image}.png").rename(folder / "images" / f"{image}.jpg")
    (folder / "train_sceneGraphs.json").write_text(json.dumps(graphs))
    for number, chunk in enumerate(chunks):
        first = next(iter(chunk.values()))
        if number == 0:
            first["semantic"][-1]["operation"] = "fathom"  # no operation of GQA's
        (folder / f"train_questions/train_questions_{number}.json").write_text(json.dumps(chunk))


@pytest.fixture(scope="module")
def workflow(tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    root = tmp_path_factory.mktemp("gqa") / "workflow"
    workflow = copy_workflow(REPO, root, "--configfile", "gqa.yaml")
    write_gqa(root / "gqa")
    source = {"source": "gqa", "file": "gqa/train_questions", "images": "gqa/images", "size": None}
    parts = {"train": [0.0, 0.7], "val": [0.7, 0.85], "test": [0.85, 1.0]}
    config = {
        **{"extends": "demo", "pathvars": {"results": RESULTS}, "report": ["base", "sft"]},
        "data": {"splits": {split: {**source, "part": part} for split, part in parts.items()}},
        "base_model": {"tiny": {"vocab_size": 1024, "pretraining": None}},
        "chains": {"programs": {"by": "gqa_programs", "scene_graphs": "gqa/train_sceneGraphs.json"}},
        "policies": {
            "sft": {
                **{"chains": "programs", "examples": None, "training": {"num_train_epochs": 1}},
                "selection": {"examples": 4, "batch_size": 4, "max_new_tokens": 160, "samples": 0},
            }
        },
        "launch": {"run_programs": {"threads": 2}},
    }
    (root / "gqa.yaml").write_text(yaml.safe_dump(config))
    return workflow


@pytest.fixture(scope="module")
def finished(workflow: WorkflowCopy) -> WorkflowCopy:
    workflow.snakemake("--cores", "2", "--", f"{RESULTS}/sft/metrics.json")
    return workflow


def test_programs_become_chains_that_sft_learns(finished: WorkflowCopy) -> None:
    folder = finished.root / RESULTS
    asked = {row["id"]: row for row in map(json.loads, (folder / "data/train.jsonl").read_text().splitlines())}
    made = json.loads((folder / "chains/programs.json").read_text())
    chains = [json.loads(line) for line in (folder / "chains/programs.jsonl").read_text().splitlines()]
    assert made["questions"] == len(asked) and made["programs"]["operations"]["select"] >= len(asked) - 1
    assert len(chains) == made["chains"] >= 0.95 * len(asked)
    assert all(chain["answer"] == asked[chain["id"]]["answers"][0] for chain in chains)
    left_out = made["programs"]["left_out"]  # few questions do not name every place
    assert {*left_out} <= {"unknown operation: fathom", "a value that the scene graph lacks"}
    no_chain = {reason: count for reason, count in made["rejected"].items() if reason.startswith("no chain: ")}
    assert no_chain == {f"no chain: {reason}": count for reason, count in left_out.items()}
    assert json.loads((folder / "sft/metrics.json").read_text())["steps"] > 0
    assert finished.planned("--", f"{RESULTS}/sft/metrics.json") == {}


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        ("programs/wording.py", "Nowhere in the image", "Nowhere in this image", {"run_programs", "filter_chains"}),
        ("judging/consistency.py", "UNRELATED_WORDS = 3, 10", "UNRELATED_WORDS = 3, 11", {"filter_chains"}),
    ],
)
def test_what_a_change_makes_stale(finished: WorkflowCopy, file: str, old: str, new: str, stale: set[str]) -> None:
    path, target = f"workflow/scripts/reinforced_cot/{file}", f"{RESULTS}/chains/programs.jsonl"
    finished.edit(path, old, new)
    planned = finished.planned("--", target)
    finished.edit(path, new, old)
    assert planned.keys() == stale


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"chains": {"programs": {"scene_graphs": "gqa/graphs.json"}}},
            "`chains.programs.scene_graphs` is gqa/graphs.json, where no file *sceneGraphs.json is; name "
            "train_sceneGraphs.json, or the folder that holds it",
        ),
        (
            {"chains": {"other": {"by": "gqa_programs", "questions": "gqa/train_questions/train_questions_0.json"}}},
            "`chains.other.scene_graphs` is not set, and beside gqa/train_questions/train_questions_0.json is no file",
        ),
        (
            {"chains": {"programs": {"questions": "gqa/none.json"}}},
            "`chains.programs.questions` is gqa/none.json, which does not exist",
        ),
        (
            {
                "data": {"splits": {"train": [{"part": [0.0, 0.3]}, {"part": [0.3, 0.7]}]}},
                "chains": {"programs": {"questions": "gqa/train_questions"}},
            },
            "`chains.programs.questions` is only read where `data.splits.train` has one source",
        ),
        (
            {"chains": {"programs": {"policy": "sft"}}},
            "`chains.programs.policy` is not read with `by: gqa_programs`",
        ),
        (
            {"data": {"splits": {"train": {"source": "gqa_cot", "file": "gqa.yaml", "images": "gqa/images"}}}},
            "`chains.programs.by` is gqa_programs, and no source of data.splits.train is gqa: name GQA's question file",
        ),
    ],
)
def test_what_is_missing_is_said_at_dry_run(workflow: WorkflowCopy, changes: dict[str, Any], message: str) -> None:
    (workflow.root / "changes.yaml").write_text(yaml.safe_dump(changes))
    changed = WorkflowCopy(workflow.root, (*workflow.options, "changes.yaml"))
    assert message in changed.refusal("--", f"{RESULTS}/chains/programs.jsonl")
