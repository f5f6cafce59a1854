"""A policy's run at its trackers: which run it is, and a tracker that cannot be reached."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from reinforced_cot.files import write_json
from reinforced_cot.trackers.policy_run import (
    RUN,
    PolicyRun,
    curve_points,
    final_figures,
    identity,
    numbers,
    report_scores,
    without_secrets,
)
from reinforced_cot.trackers.settings import Trackers

MLFLOW = Trackers(report_to=("mlflow",))
NOWHERE = "http://me:secret@127.0.0.1:9"


def nothing(entry: Any) -> None:
    """No entry has a table."""


def history(*steps: int) -> list[dict[str, Any]]:
    return [{"loss": 1 / step, "epoch": step / 10, "step": step} for step in steps]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/runs.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def loss(uri: str) -> list[tuple[int, float]]:
    """The curve of the only run."""
    client = MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("reinforced-cot").experiment_id])
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "train/loss")]


def test_a_run_is_kept_while_the_same_training_goes_on(tmp_path: Path) -> None:
    fingerprint = tmp_path / "checkpoints/fingerprint.json"
    fingerprint.parent.mkdir()
    write_json(fingerprint, {"settings": 1})
    first = identity(tmp_path, is_training=True)
    assert identity(tmp_path, is_training=True) == identity(tmp_path, is_training=False) == first
    assert first[1] == str(tmp_path)[1:]
    fingerprint.unlink()  # by `make prune`
    assert identity(tmp_path, is_training=False) == first
    write_json(fingerprint, {"settings": 2})
    second = identity(tmp_path, is_training=True)
    assert second != first and identity(tmp_path, is_training=False) == second
    (tmp_path / RUN).write_text("damaged")
    assert identity(tmp_path, is_training=False) not in (first, second)


def test_names_and_figures() -> None:
    entry = {"loss": 0.5, "eval_accuracy": 1, "rewards/format/mean": True, "grad_norm": float("inf"), "step": 2}
    assert curve_points(entry) == {"train/loss": 0.5, "eval/accuracy": 1}
    metrics: dict[str, Any] = {"steps": 8, "best_metric": None, "best_checkpoint": "checkpoint-4", "history": []}
    assert dict(final_figures(metrics)) == {"final/steps": 8, "final/best_step": 4}
    assert dict(final_figures({})) == {}
    scores = {"n": 3, "accuracy_interval": [0.1, 0.2], "gqa": {"open": {"accuracy": 0.5}}, "by_x": {"a": 1}, "p": None}
    assert dict(numbers(scores, "test")) == {"test/n": 3, "test/gqa/open/accuracy": 0.5}


def test_a_key_stands_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "abcdef")
    said = without_secrets("401\n  for abcdef at http://me:secret@host/api")
    assert said == "401 for <WANDB_API_KEY> at http://host/api"


def test_a_killed_training_goes_on_in_its_run(database: str, tmp_path: Path) -> None:
    killed = PolicyRun(MLFLOW, tmp_path / "sft", {"policy": {"method": "sft"}}, is_training=True)
    for end in range(1, 5):
        killed.tell(history(*range(1, end + 1)), nothing)
    # From the checkpoint of its second step.
    resumed = PolicyRun(MLFLOW, tmp_path / "sft", {"policy": {"method": "sft"}}, is_training=True)
    for end in range(2, 7):
        resumed.tell(history(*range(1, end + 1)), nothing)
    resumed.finish(history(*range(1, 7)), nothing, {"final/steps": 6})
    found = loss(database)
    assert dict(found) == {step: 1 / step for step in range(1, 7)}
    assert len(found) == len(set(found)) + 1  # the last step that was told is told again
    client = MlflowClient(database)
    (run,) = client.search_runs(["1"])
    assert run.data.params["policy.method"] == "sft" and run.data.metrics["final/steps"] == 6
    assert run.info.status == "FINISHED" and run.info.run_name == str(tmp_path / "sft")[1:]


def test_a_tracker_that_is_back_at_the_end_is_told_everything(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = PolicyRun(MLFLOW, tmp_path / "sft", {}, is_training=True)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", NOWHERE)
        for end in (1, 2, 3):
            run.tell(history(*range(1, end + 1)), nothing)
    (warning,) = warnings(caplog)
    assert warning.startswith("mlflow cannot be told of this run (MlflowException: API request to http://1")
    assert "secret" not in warning and "\n" not in warning
    run.finish(history(1, 2, 3), nothing, {"final/steps": 3})
    assert dict(loss(database)) == {1: 1, 2: 1 / 2, 3: 1 / 3} and len(warnings(caplog)) == 1


def test_a_tracker_that_stays_away_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOWHERE)
    run = PolicyRun(MLFLOW, tmp_path / "sft", {}, is_training=True)
    run.tell(history(1), nothing)
    run.table("completions", lambda: [{"step": 1}], 1)
    run.finish(history(1, 2), nothing, {})
    assert len(warnings(caplog)) == 1


def test_a_policy_that_was_made_before_a_tracker_was_named(database: str, tmp_path: Path) -> None:
    policy = tmp_path / "sft"
    policy.mkdir()
    (policy / "train.yaml").write_text("policy: {method: sft}\n")
    (policy / "metrics.json").write_text(json.dumps({"history": history(1, 2), "steps": 2}))
    report_scores(MLFLOW.model_dump_json(), policy, {"accuracy": 0.5})
    report_scores(MLFLOW.model_dump_json(), policy, {"accuracy": 0.75})  # scored again
    assert list(loss(database)) == [(1, 1.0), (2, 0.5)]  # none of them twice
    (run,) = MlflowClient(database).search_runs(["1"])
    assert run.data.metrics["test/accuracy"] == 0.75 and run.data.metrics["final/steps"] == 2


def test_scores_of_the_base_and_of_a_damaged_folder(database: str, tmp_path: Path) -> None:
    report_scores(MLFLOW.model_dump_json(), tmp_path / "base", {"accuracy": 0.5})
    (run,) = MlflowClient(database).search_runs(["1"])
    assert run.data.metrics == {"test/accuracy": 0.5}
    (tmp_path / "sft").mkdir()
    for name in ("metrics.json", "train.yaml"):
        (tmp_path / "sft" / name).write_text("[1, {")
    report_scores(MLFLOW.model_dump_json(), tmp_path / "sft", {"accuracy": 0.5})
    assert len(MlflowClient(database).search_runs(["1"])) == 2
