"""docs/extending.md is true: every block applies, and its maker of chains and its training method run for real."""

import ast
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from PIL import Image
from places import REPO
from workflow_copy import PARTS, WorkflowCopy, copy_workflow

PACKAGE = "workflow/scripts/reinforced_cot"
DOCUMENT = (REPO / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL))
EVAL = "results/smoke/toy/eval.json"
_NAME_OR_BLOCK = re.compile(r"^`([^`\n]+)`( \(new\))?:\n|^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
METHOD_FILES = {
    "rules/toy.smk",
    "workflow/scripts/toy.py",
    f"{PACKAGE}/policies/methods.py",
    f"{PACKAGE}/training/toy.py",
}


class Block(NamedTuple):
    """A block of the document: the file that is named above it, the language, the text."""

    file: str
    language: str
    text: str


def blocks(section: str) -> list[Block]:
    """The blocks of a section that are a file or change one; what is only shown has no file, and is left out."""
    found: list[Block] = []
    file, is_new = "", False
    for name, new, language, text in _NAME_OR_BLOCK.findall(SECTIONS[section]):
        if name:
            file, is_new = name.replace("PACKAGE", PACKAGE), bool(new)
        elif language == "diff" or is_new:
            found.append(Block(file, language, text))
            is_new = False
    return found


def apply(block: Block, root: Path) -> None:
    """Write a new file, or change one whose text before the change must stand there once."""
    path = root / block.file
    if block.language != "diff":
        assert not path.exists(), block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        return
    lines = block.text.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    after = "".join(line[1:] for line in lines if line[0] != "-")
    text = f"\n{path.read_text(encoding='utf-8')}"
    assert text.count(f"\n{before}") == 1, f"{block.file} has this {text.count(before)} times:\n{before}"
    path.write_text(text.replace(f"\n{before}", f"\n{after}")[1:], encoding="utf-8")


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("extending") / "workflow"
    copy_workflow(REPO, root)
    return root


@pytest.mark.parametrize("section", SECTIONS)
def test_every_block_applies(section: str, untouched: Path, tmp_path: Path) -> None:
    found = blocks(section)
    for file in {block.file for block in found if block.language == "diff"}:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes((untouched / file).read_bytes())
    for block in found:
        apply(block, tmp_path)
    for file in {block.file for block in found}:
        text = (tmp_path / file).read_text(encoding="utf-8")
        if file.endswith(".py"):
            ast.parse(text)
        elif file.endswith(".yaml"):
            assert yaml.safe_load(text)


# Blocks of YAML that are no configuration of a run: a topology and a profile.
NO_CONFIGURATION = ("compute_environment:", "cores:")
CHECK = """
import sys
from pathlib import Path
from reinforced_cot.config.composition import checked, compose
checked(compose([Path(sys.argv[1])]))
"""


@pytest.mark.parametrize("section", [name for name, text in SECTIONS.items() if "```yaml" in text])
def test_its_configuration_is_accepted_after_its_change(section: str, tmp_path: Path) -> None:
    root = copy_workflow(REPO, tmp_path / "workflow").root
    for block in blocks(section):
        apply(block, root)
    if section == "Maker of chains":  # the sentence below its block
        settings = root / PACKAGE / "chains/settings.py"
        settings.write_text(settings.read_text().replace("^(policy|endpoint", "^(policy|endpoint|captions"))
    environment = {**os.environ, "PYTHONPATH": str(root / "workflow/scripts")}
    shown = re.findall(r"^```yaml\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL)
    for text in (text for text in shown if not any(f"\n{key}" in f"\n{text}" for key in NO_CONFIGURATION)):
        (root / "shown.yaml").write_text(f"extends: demo\n{text}", encoding="utf-8")
        command = [sys.executable, "-c", CHECK, "shown.yaml"]
        run = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr


def test_the_table_counts_the_files_of_the_examples() -> None:
    rows = re.findall(r"^\| \[(.*?)\]\(#.*?\) \| (.*?) \|", DOCUMENT, re.MULTILINE)
    assert [name.capitalize() for name, _ in rows] == list(SECTIONS)
    for name, count in rows:
        files = {block.file for block in blocks(name.capitalize())} - {"my_rewards.py"}  # which is in no repository
        assert str(len(files)) in count or name == "model family", (name, files)


def contents(root: Path) -> dict[str, bytes]:
    """What a copy of the repository holds, by path; nothing that a run makes."""
    files = [path for part in PARTS for path in ((root / part).rglob("*") if (root / part).is_dir() else [root / part])]
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in files
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.slow
def test_a_maker_of_chains_writes_what_is_filtered(tmp_path: Path) -> None:
    """The section's blocks, and the maker's name in the pattern of `by`; a change of a filter writes no chain again."""
    workflow = copy_workflow(REPO, tmp_path / "workflow", "--configfile", "tests/configs/smoke.yaml", "seen.yaml")
    root, made = workflow.root, "results/smoke/chains/seen.jsonl"
    for block in blocks("Maker of chains"):
        apply(block, root)
    workflow.edit(f"{PACKAGE}/chains/settings.py", "^(policy|endpoint", "^(policy|endpoint|captions")
    (root / "captions.json").write_text("{}")
    config = {"chains": {"seen": {"by": "captions", "captions": "captions.json", "samples": 2}}}
    (root / "seen.yaml").write_text(yaml.safe_dump(config))
    workflow.snakemake("--cores", "2", "results/smoke/data/summary.json")
    rows = [json.loads(line) for line in (root / "results/smoke/data/train.jsonl").read_text().splitlines()]
    captions = {row["id"]: ["The picture shows several handwritten digits on a dark ground."] for row in rows[:40]}
    (root / "captions.json").write_text(json.dumps(captions))

    workflow.snakemake("--cores", "2", made)
    summary = json.loads((root / "results/smoke/chains/seen.json").read_text())
    assert summary["chains"] == 40 and summary["completions"] == 2 * len(rows)
    config["chains"]["seen"]["max_words"] = 50
    (root / "seen.yaml").write_text(yaml.safe_dump(config))
    assert workflow.planned(made) == {"chain_settings": 1, "filter_chains": 1}
    (root / "captions.json").write_text("{}")
    assert workflow.planned(made) == {"chain_settings": 1, "read_captions": 1, "filter_chains": 1}
    del config["chains"]["seen"]["captions"]
    (root / "seen.yaml").write_text(yaml.safe_dump(config))
    assert "`chains.seen.captions` is missing; `by: captions` needs it" in workflow.refusal(made)


def photographs(root: Path) -> dict[str, object]:
    """Six questions without chains in each split, as the section `data` reads them."""
    splits = {}
    (root / "photos").mkdir()
    for split in ("train", "val", "test"):
        lines = []
        for shade in range(6):
            name = f"{split}{shade}"
            noise = random.Random(name).randbytes(3 * 60 * 40)  # plain images would be near-duplicates
            Image.frombytes("RGB", (60, 40), noise).save(root / "photos" / f"{name}.png")
            lines.append({"imageId": name, "instruction": "Is it dark?", "answer": "Yes" if shade < 3 else "No"})
        (root / f"{split}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        splits[split] = {"file": f"{split}.jsonl", "images": "photos", "part": None, "size": None}
    return {"source": "gqa_cot", "splits": splits}


@pytest.mark.slow
def test_a_training_method_is_four_files(tmp_path: Path) -> None:
    """The section's four files, run to the policy's evaluation on data that has no chain of thought."""
    workflow = copy_workflow(REPO, tmp_path / "workflow", "--configfile", "tests/configs/smoke.yaml", "toy.yaml")
    root, before = workflow.root, contents(workflow.root)
    for block in blocks("Training method"):
        apply(block, root)
    method = yaml.safe_load(
        re.findall(r"^```yaml\n(policies:.*?)^```", SECTIONS["Training method"], re.MULTILINE | re.DOTALL)[0]
    )
    config = {**method, "data": photographs(root), "base_model": {"tiny": {"pretraining": None}}}
    (root / "toy.yaml").write_text(yaml.safe_dump(config))

    planned = workflow.planned(EVAL)
    made = {"prepare_data": 3, "check_data": 1, "base_model": 1, "toy": 1, "merge_lora": 1, "answer": 1, "evaluate": 1}
    assert {rule: jobs for rule, jobs in planned.items() if "settings" not in rule} == made
    workflow.snakemake("--cores", "2", EVAL)
    assert workflow.planned(EVAL) == {}

    after = contents(root)
    assert {file for file in after if before.get(file) != after[file]} == METHOD_FILES
    assert before.keys() <= after.keys()
    results = root / "results" / "smoke"
    read = {
        name: json.loads((results / name).read_text())
        for name in ("toy/eval.json", "toy/metrics.json", "data/summary.json")
    }
    assert read["toy/eval.json"]["n"] == 6
    assert {split["chains"] for split in read["data/summary.json"]["splits"].values()} == {0}
    steps = [entry for entry in read["toy/metrics.json"]["history"] if "loss" in entry]
    assert steps and read["toy/metrics.json"]["best_checkpoint"] is None  # SFT would have chosen one
    code = json.loads((results / "toy/checkpoints/fingerprint.json").read_text())["code"]
    assert {"toy", "reinforced_cot.training.toy"} <= code.keys()

    override = {"policies": {"toy": {"exampels": 3, "training": {"learning_rat": 0.1}}}}
    (root / "mistakes.yaml").write_text(yaml.safe_dump(override))
    text = WorkflowCopy(root).refusal(EVAL, *workflow.options, "mistakes.yaml")
    assert "unknown key `policies.toy.exampels`; did you mean `examples`?" in text
    assert "unknown key `policies.toy.training.learning_rat`; did you mean `learning_rate`?" in text

    workflow.edit(f"{PACKAGE}/training/toy.py", "chain=example.answer", "chain=example.question")
    assert workflow.planned(EVAL) == {"toy": 1, "merge_lora": 1, "answer": 1, "evaluate": 1}
