"""The model card of a finished run: its scores, its snippet, run as it stands, and the targets that lead to the hub."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from workflow_copy import WorkflowCopy

from reinforced_cot.data.images import encoded
from reinforced_cot.generation.asked_policy import asked_policy
from reinforced_cot.generation.one_question import LoadedPolicy
from reinforced_cot.models.processors import load_processor
from reinforced_cot.models.system_message import set_system_message

pytestmark = pytest.mark.slow
RESULTS = "results/smoke"
QUESTION = "What color is the cup?"  # as the snippet has it
SYSTEM, INSTRUCTION = 'Think <b>first</b>, {{ "then" }} ``` answer.', 'Use tags.\n```\n"ü😀" \\'


def card_of(root: Path, policy: str = "grpo") -> str:
    return (root / RESULTS / policy / "model_card.md").read_text(encoding="utf-8")


def test_the_card_says_what_the_evaluation_says(finished_run: WorkflowCopy) -> None:
    card, folder = card_of(finished_run.root), finished_run.root / RESULTS / "grpo"
    assert (folder / "model/README.md").read_text(encoding="utf-8") == card
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["library_name"] == "transformers" and front["pipeline_tag"] == "image-text-to-text"
    scores = json.loads((folder / "eval.json").read_text())
    low, high = scores["accuracy_interval"]
    assert f"| right answers | {scores['accuracy']:.3f} | {low:.3f} to {high:.3f} |" in card
    assert "| test | 24 | 24 | digits |" in card and "base → sft → grpo" in card
    assert "When training ended, the policy earned" in card.partition("## What speaks against the scores")[2]
    assert "README.md" not in json.loads((folder / "model.json").read_text())["files"]
    base = (finished_run.root / RESULTS / "base/model/README.md").read_text(encoding="utf-8")
    assert "think" not in base.lower()


def test_nothing_is_stale_behind_the_cards(finished_run: WorkflowCopy) -> None:
    assert finished_run.planned() == {}


def test_the_snippet_asks_with_the_pipelines_prompt(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    results = tmp_path / "results"
    for name in ("base", "data"):
        (results / name).parent.mkdir(exist_ok=True)
        (results / name).symlink_to(finished_run.root / RESULTS / name)
    policy = results / "sft"
    shutil.copytree(finished_run.root / RESULTS / "sft", policy, ignore=shutil.ignore_patterns("checkpoints"))
    prompt = {"system": SYSTEM, "instruction": INSTRUCTION, "max_tokens": 512}
    for file in ("train.yaml", "answer.yaml"):
        settings = yaml.safe_load((policy / file).read_text())
        (policy / file).write_text(yaml.safe_dump({**settings, "prompt": prompt}))
    processor = load_processor(policy / "model")
    set_system_message(processor, SYSTEM)  # as the merge does
    processor.save_pretrained(policy / "model")
    facts = {"source": "", "known": {}, "datasets": [], "sources": {}, "line": ["base", "sft"]}
    command = [sys.executable, "workflow/scripts/model_card.py", "--policy", str(policy), "--facts", json.dumps(facts)]
    subprocess.run(command, cwd=finished_run.root, check=True, capture_output=True)

    [snippet] = re.findall(
        r"^```python\n(.*?)^```$", card_of_policy := (policy / "model_card.md").read_text(), re.M | re.S
    )
    assert "<b>" not in card_of_policy.replace(snippet, "")
    row = json.loads((results / "data/test.jsonl").read_text().splitlines()[0])
    (tmp_path / "model").symlink_to(policy / "model")
    shutil.copy(results / "data" / row["images"][0], tmp_path / "photo.jpg")
    run = subprocess.run([sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (policy / "model.json").write_text(json.dumps({"files": {}}))  # its files were changed above
    (policy / ".model.json.sha256").unlink(missing_ok=True)
    asked = asked_policy(policy)
    assert asked.settings.prompt.system == SYSTEM
    image = encoded(tmp_path / "photo.jpg", "photo", asked.budget)
    assert run.stdout.rstrip("\n") == LoadedPolicy(asked).answered(QUESTION, [image]).text.rstrip("\n")


def test_only_its_own_target_pushes_and_names_a_repository(finished_run: WorkflowCopy) -> None:
    target = f"{RESULTS}/grpo/pushed.json"
    pushed = ("--config", "push={repo: 'someone/thinker-{policy}'}", "--", target)
    assert finished_run.planned(*pushed) == {"push": 1}
    assert "grpo cannot be pushed: push.repo names no repository" in finished_run.refusal("--", target)
    refused = finished_run.refusal("--config", "push={repo: thinker}", "--", target)
    assert '`push.repo` is "thinker"; a repository is named by owner and name' in refused
