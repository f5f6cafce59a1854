"""Real photographs of different sizes and free-text chains go through every stage (the gqa-cot-sample preset)."""

import json
from pathlib import Path

import pytest
from PIL import Image
from workflow_copy import copy_workflow

BUDGET = 602112  # the preset's image.max_pixels


@pytest.fixture(scope="module")
def results(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    shared = repo.parent / "shared"
    if not (shared / "data" / "gqa-cot-sample").is_dir():
        pytest.skip("needs ../shared/data/gqa-cot-sample, which is not in the repository")
    root = tmp_path_factory.mktemp("photos")
    (root / "shared").symlink_to(shared)
    preset = "config/presets/gqa-cot-sample.yaml"
    workflow = copy_workflow(repo, root / "workflow", "--configfile", preset, "fewer.yaml")
    (workflow.root / "fewer.yaml").write_text("report: [base, sft, grpo]")  # GSPO reads photos as GRPO does
    workflow.snakemake("--cores", "2")
    return workflow.root / "results" / "gqa-cot-sample"


def test_every_question_is_in_one_split_and_no_image_in_two(results: Path) -> None:
    splits = {
        split: [json.loads(line) for line in (results / "data" / f"{split}.jsonl").read_text().splitlines()]
        for split in ("train", "val", "test")
    }
    assert sum(len(rows) for rows in splits.values()) == 498
    images = [{Path(image).stem for row in rows for image in row["images"]} for rows in splits.values()]
    assert sum(map(len, images)) == len(set.union(*images)) == 60


def sizes(folder: Path) -> list[tuple[int, int]]:
    """Width and height of every image below a folder."""
    found = []
    for path in folder.rglob("[!.]*.*"):
        with Image.open(path) as image:
            found.append(image.size)
    return sorted(found)


def test_photos_within_the_budget_keep_their_many_sizes(repo: Path, results: Path) -> None:
    source = sizes(repo.parent / "shared" / "data" / "gqa-cot-sample" / "images")
    within = [(width, height) for width, height in source if width * height <= BUDGET]
    prepared = sizes(results / "data" / "images")
    assert len(prepared) == 60 and len(within) == 58
    assert all(prepared.count(size) >= within.count(size) for size in within)
    assert max(width * height for width, height in prepared) <= BUDGET
    assert len(set(prepared)) >= 5


@pytest.mark.parametrize("policy", ["base", "sft", "grpo"])
def test_every_policy_is_evaluated_on_real_photos(results: Path, policy: str) -> None:
    scores = json.loads((results / policy / "eval.json").read_text())
    assert scores["n"] == len((results / "data" / "test.jsonl").read_text().splitlines())
    assert (results / "report.html").is_file()
