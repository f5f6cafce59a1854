"""A base whose chat template opens the chain in the prompt goes through every stage as one with a plain template."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow_copy import WorkflowCopy

from reinforced_cot.data.parsing import parse_completion

pytestmark = pytest.mark.slow
POLICIES = ("base", "sft", "grpo")
HEADER, TEXT = "'<|im_start|>assistant\\n' -}}", "content['text'] -}}"
CHANGES = {  # as DeepSeek-R1's: the prompt opens the chain, and turns lose theirs
    "plain": {},
    "thinking": {HEADER: HEADER.replace("' -", "<think>\\n' -"), TEXT: "content['text'].split('</think>')[-1] -}}"},
}
LORA = {"r": 16, "lora_alpha": 32, "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj"]}
SELECTION = {"examples": 12, "batch_size": 12, "max_new_tokens": 48}
SHORT: dict[str, Any] = {  # enough to learn the form of a completion, from a base that knows nothing
    "policies": {
        "sft": {
            **{"examples": None, "lora": LORA, "selection": SELECTION},
            "training": {"max_steps": 150, "learning_rate": 1.0e-2, "save_strategy": "steps", "save_steps": 150},
        },
        "grpo": {"training": {"max_completion_length": 48, "max_steps": 2}},
    },
    "rewards": {"tag_count": 1.0},
    "answer": {"max_new_tokens": 48, "samples": 0},
    "report": [*POLICIES],
}


def started(finished: WorkflowCopy, root: Path, name: str) -> WorkflowCopy:
    """The finished run up to its data, and its base published with a template of its own."""
    shutil.copytree(finished.root, root, symlinks=True)
    published = shutil.copytree(root / "results/smoke/base/model", root / "published")
    file = published / "chat_template.jinja"
    template = file.read_text(encoding="utf-8")
    for before, after in CHANGES[name].items():
        assert template.count(before) == 1
        template = template.replace(before, after)
    file.write_text(template, encoding="utf-8")
    (root / "own.yaml").write_text(yaml.safe_dump({**SHORT, "base_model": {"path": str(published)}}))
    return WorkflowCopy(root, (*finished.options, "own.yaml"))


@pytest.fixture(scope="module")
def results(finished_run: WorkflowCopy, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("thinking")
    workflows = {name: started(finished_run, root / name, name) for name in CHANGES}
    targets = [f"results/smoke/{policy}/eval.json" for policy in POLICIES]
    with ThreadPoolExecutor() as both:
        list(both.map(lambda one: one.snakemake("--cores", "1", "--", *targets), workflows.values()))
    return {name: workflow.root / "results/smoke" for name, workflow in workflows.items()}


def scores(results: Path, policy: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((results / policy / "eval.json").read_text())
    return found


def rows(results: Path, policy: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (results / policy / "predictions.jsonl").read_text().splitlines()]


def test_it_learns_the_form_as_well(results: dict[str, Path]) -> None:
    for policy in ("sft", "grpo"):
        plain, thinking = (scores(results[name], policy) for name in CHANGES)
        assert min(plain["format_rate"], thinking["format_rate"]) > 0.8
        assert thinking["accuracy"] >= plain["accuracy"] - 0.2  # 24 questions, and a model that hardly reads images


def test_predictions_hold_whole_completions(results: dict[str, Path]) -> None:
    for policy in POLICIES:
        for row in rows(results["thinking"], policy):
            for key in ("prediction_raw", "blank_image_raw", "shuffled_image_raw"):
                assert row[key] is None or row[key].startswith("<think>\n")
            assert not row["direct_raw"].startswith("<think>")
    right = [row for row in rows(results["thinking"], "sft") if not row["parse_problem"]]
    assert right and all(parse_completion(row["prediction_raw"]).think == row["pred_think"] for row in right)


def test_rl_is_paid_for_whole_completions(results: dict[str, Path]) -> None:
    """Samples of so weak a policy are seldom whole, but each has its first tag; greedy answers earn as much."""
    paid, probed = [], []
    for folder in results.values():
        history = json.loads((folder / "grpo/metrics.json").read_text())["history"]
        paid += [entry["rewards/tag_count_reward/mean"] for entry in history if "reward" in entry]
        probed += [entry["probes/policy"] for entry in history if "probes/policy" in entry]
    (plain, thinking), (greedy_plain, greedy_thinking) = paid, probed
    assert thinking > 0.25 and thinking > plain - 0.2
    assert greedy_thinking > greedy_plain - 0.5


def test_the_template_reaches_every_policy(results: dict[str, Path]) -> None:
    templates = {(results["thinking"] / policy / "model/chat_template.jinja").read_bytes() for policy in POLICIES}
    assert templates == {(results["thinking"].parents[1] / "published/chat_template.jinja").read_bytes()}
