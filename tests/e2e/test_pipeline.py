"""One whole run, every stage for real: what it leaves behind, and that it can be trusted."""

import json
import re
import shutil
import zipfile
from itertools import combinations
from pathlib import Path

import pytest
import score
import torch
from transformers import AutoModelForImageTextToText
from workflow_copy import WorkflowCopy

from reinforced_cot.manifests import check_manifest

POLICIES = ("base", "sft", "grpo", "gspo")
TRAINED = POLICIES[1:]


@pytest.fixture(scope="module")
def results(finished_run: WorkflowCopy) -> Path:
    return finished_run.root / "results" / "smoke"


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_nothing_is_left_to_do(finished_run: WorkflowCopy) -> None:
    text = finished_run.snakemake("--dry-run", "--cores", "2", "results/smoke/grpo/eval.json")
    assert "Nothing to be done" in text


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_is_evaluated_on_every_test_question(results: Path, policy: str) -> None:
    asked = [json.loads(line)["id"] for line in (results / "data/test.jsonl").read_text().splitlines()]
    predictions = [json.loads(line) for line in (results / policy / "predictions.jsonl").read_text().splitlines()]
    assert [row["id"] for row in predictions] == asked
    assert len(asked) == 24
    scores = read(results / policy / "eval.json")
    assert isinstance(scores["accuracy"], float)
    assert scores["n"] == 24
    assert scores["n_correct"] == sum(row["is_correct"] for row in predictions)
    assert sum(part["n"] for part in scores["by_question_type"].values()) == 24
    assert scores["sampled"]["samples_per_question"] == 2
    assert scores["direct"]["n"] == 24
    asked_again = [probe["n"] for probe in scores["probes"] if probe["probe"] in ("blank_image", "shuffled_images")]
    assert asked_again == [6, 6]
    assert read(results / policy / "timing.json")["completions_per_process_second"] > 0


@pytest.mark.parametrize("policy", TRAINED)
def test_every_merge_is_proved(results: Path, policy: str) -> None:
    proof = read(results / policy / "merge.json")
    parent = "base" if policy == "sft" else "sft"
    assert proof["adapter_vs_base"] > 1e-6
    assert proof["adapter_vs_merged"] <= 1e-4
    assert proof["adapter_vs_saved"] <= 1e-4
    assert proof["base_weights"] == read(results / policy / "adapter.json")["base_weights"]
    assert read(results / policy / "adapter.json")["base"] == parent


@pytest.mark.parametrize("policy", POLICIES)
def test_every_model_is_a_complete_checkpoint(results: Path, policy: str) -> None:
    folder = results / policy / "model"
    check_manifest(folder, folder.with_suffix(".json"))
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors", "processor_config.json"} <= names
    assert {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "README.md"} <= names
    size = read(folder / "processor_config.json")["image_processor"]["size"]
    assert (size["shortest_edge"], size["longest_edge"]) == (784, 50176)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    assert model.dtype == torch.float32


@pytest.mark.parametrize("policy", TRAINED)
def test_training_leaves_curves_and_checkpoints(results: Path, policy: str) -> None:
    metrics = read(results / policy / "metrics.json")
    assert list((results / policy / "tensorboard").rglob("events.out.tfevents.*"))
    assert list((results / policy / "checkpoints").glob("checkpoint-*/trainer_state.json"))
    if policy == "sft":
        asked = [entry for entry in metrics["history"] if "eval_accuracy" in entry]
        assert len(asked) == 2  # generated answers on val at the end of each epoch
        assert metrics["best_metric"] == max(entry["eval_accuracy"] for entry in asked)
        assert metrics["best_checkpoint"].startswith("checkpoint-")
    else:
        for reward in ("format", "correctness", "consistency", "brevity"):
            assert any(f"rewards/{reward}_reward/mean" in entry for entry in metrics["history"])


@pytest.mark.parametrize("policy", ["grpo", "gspo"])
def test_cheats_are_probed_while_training(results: Path, policy: str) -> None:
    history = read(results / policy / "metrics.json")["history"]
    assert [entry["step"] for entry in history if "probes/shuffled_images" in entry] == [2, 4]


@pytest.mark.parametrize("policy", POLICIES)
def test_anyone_can_score_the_predictions_again(results: Path, policy: str, tmp_path: Path) -> None:
    score.main([str(results / policy / "predictions.jsonl"), "--out", str(tmp_path / "eval.json")])
    assert (tmp_path / "eval.json").read_bytes() == (results / policy / "eval.json").read_bytes()


def test_every_pair_of_policies_is_compared(results: Path) -> None:
    pairs = [(pair["before"], pair["after"]) for pair in read(results / "comparisons.json")]
    assert pairs == list(combinations(POLICIES, 2))


def test_further_seeds_are_whole_runs_of_their_own(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    """The run of the first seed is there already and stays as it is."""
    shutil.copytree(finished_run.root, tmp_path / "workflow", symlinks=True)
    workflow = WorkflowCopy(tmp_path / "workflow", ("--configfile", "tests/configs/smoke.yaml", "seeds.yaml"))
    (workflow.root / "seeds.yaml").write_text("{seeds: [2], report: [base, sft]}")
    workflow.snakemake("--cores", "2")
    results = workflow.root / "results/smoke"
    assert "seed: 2\n" in (results / "seed_2/sft/train.yaml").read_text()
    for folder in (results, results / "seed_2"):
        assert read(folder / "sft/eval.json")["n"] == 24
    assert (results / "data/test.jsonl").read_text() != (results / "seed_2/data/test.jsonl").read_text()
    spread = read(results / "seeds.json")
    assert spread["seeds"] == [1, 2]
    assert spread["policies"]["sft"]["accuracy"]["values"] == [
        read(folder / "sft/eval.json")["accuracy"] for folder in (results, results / "seed_2")
    ]
    assert "Over several seeds" in (results / "report.html").read_text(encoding="utf-8")


def test_grpo_and_gspo_differ_in_the_importance_level(results: Path) -> None:
    levels = [
        [line.split(": ")[1] for line in (results / policy / "train.yaml").read_text().splitlines() if "level" in line]
        for policy in ("grpo", "gspo")
    ]
    assert levels == [["token"], ["sequence"]]


def test_report_shows_every_policy(results: Path) -> None:
    html = (results / "report.html").read_text(encoding="utf-8")
    for policy in POLICIES:
        assert f"<th>{policy}</th>" in html
    own = re.sub(r"<script>.*?</script>|<style>.*?</style>", "", html, flags=re.DOTALL)  # without libraries
    assert own.count('data-chart="') >= 10
    files = re.findall(r'(?:src|href)="(?!#|data:,)([^"]*)', own)  # the page needs no network
    assert files and all(file.startswith("report_files/") and (results / file).is_file() for file in files)
    rows = (results / "report_files/rows-000.js").read_text(encoding="ascii")
    assert len(json.loads(rows.removeprefix("galleryRows(").removesuffix(");\n"))) == 24


def test_snakemakes_own_report_has_every_result(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    finished_run.snakemake("--report", str(tmp_path / "report.zip"))
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        page = archive.read("report/report.html").decode()
    for text in ("All scores of the policy grpo on the test split", "the published weights of sft act as its adapter"):
        assert text in page
    for category in ("Scores", "Training", "Merges", "Data", "Report"):
        assert f'"{category}"' in page
    assert '"shows": "accuracy"' in page and "Differences between all pairs of policies" in page


def test_evaluation_is_reproducible_byte_by_byte(finished_run: WorkflowCopy, results: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run.root, tmp_path / "workflow", symlinks=True)
    again = WorkflowCopy(tmp_path / "workflow", finished_run.options)
    again.snakemake("--cores", "2", "--forcerun", "answer", "--", "results/smoke/sft/eval.json")
    for name in ("answers.jsonl", "predictions.jsonl", "eval.json"):
        assert (again.root / "results/smoke/sft" / name).read_bytes() == (results / "sft" / name).read_bytes()


def test_logs_and_timings_are_kept_by_policy_and_stage(results: Path) -> None:
    for stage in (
        "data/prepare_data.train",
        "data/check_data",
        "base/base_model",
        "sft/sft",
        "grpo/merge_lora",
        "gspo/grpo",
        "base/answer",
        "base/evaluate",
    ):
        assert (results / "logs" / f"{stage}.log").is_file(), stage
        assert (results / "benchmarks" / f"{stage}.tsv").is_file(), stage
