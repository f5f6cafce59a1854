"""The rerun table of the design, row by row: what a change makes stale, and nothing else.

Each row edits a copy of a finished run and reads a dry-run; `settings` jobs (a printf each) are left out of the counts.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image
from workflow_copy import WorkflowCopy, copy_workflow

PACKAGE = "workflow/scripts/reinforced_cot"
COMPARED = {"compare": 1, "report": 1}
RL_ON = {"grpo": 2, "merge_lora": 2, "answer": 2, "evaluate": 2, "model_card": 2, **COMPARED}
SFT_ON = {"sft": 1, "grpo": 2, "merge_lora": 3, "answer": 3, "evaluate": 3, "model_card": 3, **COMPARED}
ONE_POLICY = {"grpo": 1, "merge_lora": 1, "answer": 1, "evaluate": 1, "model_card": 1, **COMPARED}
ASKED_AGAIN = {"answer": 4, "evaluate": 4, "model_card": 3}
SETTINGS = {"data_settings", "policy_settings", "answer_settings"}


@pytest.fixture
def stale(finished_run: WorkflowCopy, tmp_path: Path) -> WorkflowCopy:
    """A copy of the finished run, restored together with `.snakemake`, as a checkout or a backup would be."""
    root = tmp_path / "workflow"
    shutil.copytree(finished_run.root, root, symlinks=True)  # copytree gives new times to folders
    return WorkflowCopy(root, finished_run.options)


def override(**change: object) -> Callable[[WorkflowCopy], list[str]]:
    """A row that gives one more configuration file."""

    def edit(workflow: WorkflowCopy) -> list[str]:
        path = workflow.root / "override.yaml"
        path.write_text(yaml.safe_dump(change), encoding="utf-8")
        return ["--configfile", "tests/configs/smoke.yaml", "override.yaml"]

    return edit


def replace(file: str, old: str, new: str) -> Callable[[WorkflowCopy], list[str]]:
    """A row that edits a file of the repository."""

    def edit(workflow: WorkflowCopy) -> list[str]:
        workflow.edit(file, old, new)
        return []

    return edit


STAGES = ("report.html", "eval.", "predictions", "/gspo/", "/grpo/", "/sft/", "/base/", "/data/")  # last stage first


def without_model(workflow: WorkflowCopy) -> list[str]:
    """gspo's, from which no other policy starts."""
    (workflow.root / "results/smoke/gspo/model.json").unlink()
    return []


def touch_everything(workflow: WorkflowCopy) -> list[str]:
    """Give every file a new time, the earlier its stage the later: all inputs are newer than all outputs."""
    now = time.time()
    for path in workflow.root.rglob("*"):
        if ".snakemake" not in path.parts and not path.is_symlink():
            late = next((number for number, mark in enumerate(STAGES) if mark in str(path)), len(STAGES))
            os.utime(path, (now + late, now + late))
    return []


def reorder_keys(workflow: WorkflowCopy) -> list[str]:
    path = workflow.root / "tests/configs/smoke.yaml"
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(dict(reversed(config.items())), sort_keys=False))
    return []


def prune(workflow: WorkflowCopy) -> list[str]:
    """Delete all checkpoints, as `make prune` does."""
    results = workflow.root / "results/smoke"
    assert list(results.glob("*/checkpoints/checkpoint-*"))
    command = [sys.executable, "workflow/scripts/prune.py", "--results", str(results), "--yes"]
    subprocess.run(command, cwd=workflow.root, check=True)
    assert not list(results.glob("*/checkpoints/checkpoint-*"))
    return []


ROWS = {
    "nothing": (lambda workflow: [], {}),
    "a policy that another one is like": (
        override(policies={"grpo": {"training": {"learning_rate": 1.0e-3}}}),
        RL_ON,
    ),
    "one policy": (override(policies={"gspo": {"training": {"learning_rate": 1.0e-3}}}), ONE_POLICY),
    "one policy's own rewards": (override(policies={"gspo": {"rewards": "original"}}), ONE_POLICY),
    "what one policy starts from": (override(policies={"gspo": {"from": "base"}}), ONE_POLICY),
    "one policy more": (
        override(policies={"twice": {"like": "sft", "from": "grpo"}}, report=["base", "sft", "grpo", "gspo", "twice"]),
        {"check_data": 1, "sft": 1, "merge_lora": 1, "answer": 1, "evaluate": 1, "model_card": 4, **COMPARED},
    ),
    "a policy that is not in the report": (override(policies={"twice": {"like": "sft", "from": "grpo"}}), {}),
    "reward code": (replace(f"{PACKAGE}/scoring/rewards.py", "MAX_ANSWER_WORDS = 3", "MAX_ANSWER_WORDS = 4"), RL_ON),
    "reward weights": (override(rewards={"format": 0.9}), RL_ON),
    "sft settings": (override(policies={"sft": {"lora": {"r": 8}}}), SFT_ON),
    "answer matching": (
        replace(f"{PACKAGE}/matching/vocabulary.py", "only likely probably clearly", "only likely clearly"),
        {**SFT_ON, "evaluate": 4},
    ),
    "prompt in the config": (override(prompt={"instruction": "Think."}), {**SFT_ON, **ASKED_AGAIN}),
    "prompt code": (
        replace(f"{PACKAGE}/data/prompts.py", "{question}\\n{prompt", "{question}\\n\\n{prompt"),
        {**SFT_ON, **ASKED_AGAIN},
    ),
    "settings of answering": (override(answer={"samples": 1}), {**ASKED_AGAIN, **COMPARED}),
    "processes of answering": (override(launch={"answer": {"processes": 2, "threads": 2}}), {}),
    "processes of the training, each with its batch": (override(launch={"sft": {"processes": 2}}), SFT_ON),
    "where runs are tracked": (override(trackers={"report_to": ["trackio", "mlflow"], "project": "mine"}), {}),
    "how a tracker is told of a run": (
        replace(f"{PACKAGE}/trackers/wandb_run.py", "_PATIENCE = 120.0", "_PATIENCE = 60.0"),
        {},
    ),
    "which completions trackers are told of": (
        replace(f"{PACKAGE}/training/tracking.py", "_SHOWN = 16", "_SHOWN = 8"),
        {},
    ),
    "scoring code": (
        replace(f"{PACKAGE}/evaluation/probe_scores.py", '"measure": measure', '"measured": measure'),
        {"evaluate": 4, "model_card": 3, **COMPARED},
    ),
    "statistics": (
        replace(f"{PACKAGE}/evaluation/scores.py", "2**0.5 * error", "1.42 * error"),
        {"evaluate": 4, "model_card": 3, **COMPARED},
    ),
    "comparisons": (
        replace(f"{PACKAGE}/evaluation/comparisons.py", "change > 0", "change > 0.5"),
        COMPARED,
    ),
    "report template": (
        replace("workflow/report/report.html.j2", "What each stage changed", "What changed"),
        {"report": 1},
    ),
    "report code": (
        replace(f"{PACKAGE}/report/tables.py", '"well-formed"', '"in form"'),
        {"report": 1},
    ),
    "size of the test split": (
        override(data={"splits": {"test": {"size": 20}}}),
        {"prepare_data": 1, "check_data": 1, **ASKED_AGAIN, **COMPARED},
    ),
    "base architecture": (
        override(base_model={"tiny": {"vocab_size": 400}}),
        {"base_model": 1, **SFT_ON, **ASKED_AGAIN},
    ),
    "seed": (
        override(seed=7),
        {"prepare_data": 3, "check_data": 1, "base_model": 1, **SFT_ON, **ASKED_AGAIN},
    ),
    "one policy less": (
        override(report=["base", "sft", "grpo"]),
        COMPARED,
    ),
    "a message of the dry-run": (
        replace(f"{PACKAGE}/config/launch_checks.py", "a merge is one: use cpu", "a merge is a single one: use cpu"),
        {},
    ),
    "the server of RL's rollouts": (
        replace(f"{PACKAGE}/launch/vllm_server.py", "_SHUTDOWN = 60.0", "_SHUTDOWN = 61.0"),
        RL_ON,
    ),
    "how the launcher starts a stage": (
        replace(f"{PACKAGE}/launch/launcher.py", '"--main_process_port", "0"', '"--main_process_port", "00"'),
        {**SFT_ON, "answer": 4, "evaluate": 4},
    ),
    "a default that this run does not use": (
        replace(f"{PACKAGE}/policies/grpo.py", "questions: Annotated[int, Field(ge=2)] = 32", "questions: int = 33"),
        {},
    ),
    "a default that this run uses": (
        replace(
            f"{PACKAGE}/policies/grpo.py",
            "max_sampling_logp_difference: Positive = 0.1",
            "max_sampling_logp_difference: Positive = 0.2",
        ),
        RL_ON,
    ),
    "a default of answering": (
        replace(f"{PACKAGE}/generation/settings.py", "direct: bool = True", "direct: bool = False"),
        {},
    ),
    "a step of the tiny model's pretraining": (
        replace(f"{PACKAGE}/models/settings.py", "lm_batch_size: Count = 32", "lm_batch_size: Count = 31"),
        {"base_model": 1, **SFT_ON, **ASKED_AGAIN},
    ),
    "the meaning of a key": (replace(f"{PACKAGE}/policies/settings.py", "What makes the policy:", "It makes it:"), {}),
    "a comment and white space": (
        replace(f"{PACKAGE}/data/prompts.py", "Message = dict[str, Any]", "Message = dict[str, Any]  # a turn\n\n"),
        {},
    ),
    "a docstring": (
        replace(f"{PACKAGE}/scoring/rewards.py", '"""The credit of the answer', '"""Credit of the answer'),
        {},
    ),
    "a comment in environment.yml": (replace("environment.yml", "name:", "# a comment\nname:"), {}),
    "order of keys": (reorder_keys, {}),
    "checkpoints that a finished run no longer needs": (prune, {}),
    "a model that an interrupted merge has deleted": (
        without_model,
        {"merge_lora": 1, "answer": 1, "evaluate": 1, "model_card": 1, **COMPARED},
    ),
    "touch, or a checkout restored with .snakemake": (touch_everything, {}),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_change_reruns_what_depends_on_it(stale: WorkflowCopy, row: str) -> None:
    edit, expected = ROWS[row]
    options = edit(stale)
    if options:
        stale = WorkflowCopy(stale.root)
    planned = {rule: jobs for rule, jobs in stale.planned(*options).items() if rule not in SETTINGS}
    assert planned == expected


def test_the_reason_names_the_module_that_changed(stale: WorkflowCopy) -> None:
    stale.edit(f"{PACKAGE}/scoring/rewards.py", "MAX_ANSWER_WORDS = 3", "MAX_ANSWER_WORDS = 4")
    text = stale.snakemake("--dry-run", "--cores", "2")
    changed = [line for line in text.splitlines() if "Params have changed" in line]
    assert len(changed) == 2
    for line in changed:
        assert line.count("reinforced_cot.scoring.rewards ") == 2  # before and after
        assert "reinforced_cot.data.prompts" not in line


def test_a_dry_run_says_which_killed_training_cannot_go_on(stale: WorkflowCopy) -> None:
    for name in ("sft", "grpo"):
        (stale.root / f"results/smoke/{name}/adapter.json").unlink()  # as Snakemake leaves a killed training
    assert "cannot go on" not in stale.snakemake("--dry-run")
    changes = {"lora": {"r": 8}, "training": {"save_total_limit": 1, "logging_steps": 1}}
    options = override(policies={"sft": changes})(stale)
    text = WorkflowCopy(stale.root).snakemake("--dry-run", *options)
    (line,) = [line for line in text.splitlines() if "cannot go on" in line]
    assert line.startswith("results/smoke/sft/checkpoints has checkpoints of a training that was not finished")
    assert line.endswith("What differs: settings.policy.lora.r 16 -> 8")
    stale.edit(f"{PACKAGE}/scoring/rewards.py", "MAX_ANSWER_WORDS = 3", "MAX_ANSWER_WORDS = 4")
    (line,) = [line for line in stale.snakemake("--dry-run").splitlines() if "cannot go on" in line]
    assert "next training of grpo" in line and "What differs: code.reinforced_cot.scoring.rewards" in line


OWN_REWARD = '''"""A reward of the user's own."""


def dark(completions, question, answer, **columns):
    """As TRL calls it."""
    return [0.25 * ("dark" in messages[-1]["content"]) for messages in completions]
'''


def test_a_users_own_files_rerun_what_reads_them(repo: Path, tmp_path: Path) -> None:
    """RL straight from the base, on photographs without chains, in a folder of the user's beside the clone.

    Training reads the train file and the user's own reward, evaluation the test file.
    """
    clone = copy_workflow(repo, tmp_path / "a clone").root
    workflow = WorkflowCopy(tmp_path / "mine", ("--snakefile", str(clone / "Snakefile"), "--configfile", "photos.yaml"))
    photos = workflow.root / "photos"
    photos.mkdir(parents=True)
    splits = {}
    for split in ("train", "val", "test"):
        lines = []
        for shade in (0, 90):
            name = f"{split}{shade}"
            noise = random.Random(name).randbytes(3 * 60 * 40)  # plain images would be near-duplicates
            Image.frombytes("RGB", (60, 40), noise).save(photos / f"{name}.png")
            lines.append({"imageId": name, "instruction": "Is it dark?", "answer": "Yes"})
        (workflow.root / f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        splits[split] = {"file": f"{split}.jsonl", "images": "photos", "part": None, "size": None}
    batch = {"max_steps": 2, "per_device_train_batch_size": 4, "num_generations": 4, "max_completion_length": 8}
    training = {**batch, "entropy_coef": 0.01, "save_steps": 2, "warmup_steps": 0}
    config = {
        "extends": "demo",
        "report": ["base", "zero"],
        "rewards": {"format": 0.5, "own_rewards:dark": 1.0},
        "data": {"source": "gqa_cot", "splits": splits},
        "base_model": {"tiny": {"pretraining": None}},
        "policies": {"zero": {"like": "grpo", "from": "base", "training": training}},
        "answer": {"max_new_tokens": 8, "samples": 0},
    }
    (workflow.root / "photos.yaml").write_text(yaml.safe_dump(config))
    (workflow.root / "own_rewards.py").write_text(OWN_REWARD)
    planned = workflow.planned()
    assert (planned["grpo"], planned["merge_lora"], planned["evaluate"], "sft" in planned) == (1, 1, 2, False)
    workflow.snakemake("--cores", "2")
    results = workflow.root / "results"
    assert json.loads((results / "zero/merge.json").read_text())["adapter_vs_base"] > 0
    assert "data-chart=" in (results / "report.html").read_text() and workflow.planned() == {}
    (workflow.root / "test.jsonl").write_text(json.dumps({**lines[0], "answer": "No"}) + "\n")
    asked_again = {"answer": 2, "evaluate": 2, "model_card": 1}
    assert workflow.planned() == {"prepare_data": 1, "check_data": 1, **asked_again, **COMPARED}
    (workflow.root / "test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    workflow.edit("own_rewards.py", "As TRL calls it", "A comment")
    assert workflow.planned() == {}
    workflow.edit("own_rewards.py", "0.25", "0.5")
    assert workflow.planned() == ONE_POLICY
    # The checkpoints of the run on the old reward are still there: going on from them would publish its policy as new.
    workflow.snakemake("--cores", "2", "results/zero/adapter.json")
    assert "resuming from" not in (results / "logs/zero/grpo.log").read_text()
    # A policy that learns from chains is refused by its own stage, and by the data check where the report needs it.
    text = workflow.snakemake("--cores", "2", "results/sft/eval.json", check=False)
    assert "SFT needs chains of thought, and no training example has one" in text
    (workflow.root / "photos.yaml").write_text(yaml.safe_dump({**config, "report": ["base", "sft"]}))
    text = workflow.snakemake("--cores", "2", check=False)
    assert "no record of split 'train' has a chain of thought, and the report needs policies that learn" in text


def test_a_target_is_made_though_the_data_check_runs_again(stale: WorkflowCopy) -> None:
    """Snakemake alone would run the check, on which training depends as `ancient`, and end (snakemake#4166)."""
    change = {"policies": {"twice": {"like": "sft", "from": "grpo"}}, "report": ["base", "sft", "grpo", "twice"]}
    workflow = WorkflowCopy(stale.root, tuple(override(**change)(stale)))
    planned = workflow.planned("--", "results/smoke/twice/eval.json")
    assert {rule: count for rule, count in planned.items() if rule not in SETTINGS} == {
        **{"check_data": 1, "sft": 1, "merge_lora": 1, "answer": 1, "evaluate": 1}
    }
