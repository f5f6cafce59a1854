"""Real trainings that are told to W&B (offline), trackio and MLflow (local), read back from what these have written."""

import json
import shutil
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from stage_runs import Stage
from tracked_runs import Told, mlflow_runs, trackio_runs, wandb_folders
from workflow_copy import WorkflowCopy

from reinforced_cot.trackers.policy_run import curve_points
from reinforced_cot.trackers.settings import Trackers

ALL = Trackers(report_to=("wandb", "trackio", "mlflow"), project="tests", completions_every=2)
LOGGED = {"per_device_train_batch_size": 4, "logging_steps": 1, "save_strategy": "steps", "save_steps": 2}


def tracked(stage: Stage, trackers: Trackers = ALL) -> Stage:
    stage.command.append(f"--trackers={trackers.model_dump_json()}")
    return stage


def places(folder: Path) -> dict[str, str]:
    """The environment in which nothing is sent: everything is written below ``folder``."""
    return {
        "WANDB_MODE": "offline",
        "TRACKIO_DIR": str(folder / "trackio"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/runs.db",
    }


def told(folder: Path, stage: Stage) -> dict[str, Told]:
    """The only run at each tracker; of W&B's folders the newest, which replaces the others when it is sent."""
    (trackio,) = trackio_runs(folder / "trackio", "tests")
    (mlflow,) = mlflow_runs(f"sqlite:///{folder}/runs.db", "tests", stage.root)
    folders = [run for run in wandb_folders(stage.output) if run.id]  # W&B may lose what a killed process had written
    assert len({run.id for run in folders}) == 1
    return {"wandb": folders[-1], "trackio": trackio, "mlflow": mlflow}


def curves(stage: Stage) -> dict[str, dict[int, float]]:
    """What metrics.json says, under the names that trackers have."""
    found: dict[str, dict[int, float]] = {}
    for entry in stage.history():
        for name, value in curve_points(entry).items():
            found.setdefault(name, {})[entry["step"]] = value
    return found


def check_curves(run: Told, stage: Stage) -> None:
    expected = curves(stage)
    assert run.points.keys() == expected.keys()
    for name, points in run.points.items():
        assert dict(points) == pytest.approx(expected[name]), name
        by_step: dict[int, set[float]] = {}
        for step, value in points:
            by_step.setdefault(step, set()).add(round(value, 6))
        # A step that is told twice is told the same; times differ.
        assert "time" in name or all(len(values) == 1 for values in by_step.values()), name


def check_images(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert Image.open(BytesIO(row["image"])).size >= (28, 28)


@pytest.fixture(scope="module")
def killed(finished_run: WorkflowCopy, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Stage]:
    """An SFT that was killed behind its second checkpoint, and went on to its end."""
    folder = tmp_path_factory.mktemp("killed")
    stage = tracked(Stage(finished_run, folder / "sft", "sft", **LOGGED, max_steps=8))
    job = stage.start(**places(folder))
    while not list(stage.output.glob("checkpoints/checkpoint-4/manifest.json")):
        assert job.poll() is None, stage.log()[-5000:]
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert not (stage.output / "adapter").exists()
    assert stage.start(**places(folder)).wait() == 0, stage.log()[-5000:]
    assert "resuming from" in stage.log()
    return folder, stage


def test_a_killed_training_is_one_run_at_every_tracker(killed: tuple[Path, Stage]) -> None:
    folder, stage = killed
    runs = told(folder, stage)
    metrics = json.loads((stage.output / "metrics.json").read_text())
    settings = yaml.safe_load(stage.output.with_suffix(".yaml").read_text())
    for tracker, run in runs.items():
        check_curves(run, stage)
        assert run.figures["final/steps"] == 8, tracker
        assert run.figures["final/best_metric"] == metrics["best_metric"], tracker
        assert f"checkpoint-{run.figures['final/best_step']:.0f}" == metrics["best_checkpoint"], tracker
    assert runs["wandb"].name == str(stage.output)[1:][-100:]
    assert runs["wandb"].config["policy"]["training"] == settings["policy"]["training"]
    assert runs["trackio"].config["policy"]["lora"] == settings["policy"]["lora"]
    assert runs["mlflow"].config["policy.training.max_steps"] == "8"
    assert runs["wandb"].id == runs["mlflow"].id


def test_every_validation_is_a_table_of_completions_with_images(killed: tuple[Path, Stage]) -> None:
    folder, stage = killed
    kept = json.loads((stage.output / "metrics.json").read_text())["validation"]
    expected = {entry["step"]: [answer["completion"] for answer in entry["answers"]] for entry in kept}
    assert list(expected) == [2, 4, 6, 8]
    for tracker, run in told(folder, stage).items():
        tables = run.tables["completions/val"]
        assert {step: [row["completion"] for row in rows] for step, rows in tables} == expected, tracker
        assert {"step", "image", "question", "completion", "answer", "right"} == tables[0][1][0].keys(), tracker
        if tracker != "wandb":
            for _, rows in tables:
                check_images(rows)
    pictures = told(folder, stage)["wandb"].figures["pictures"]
    assert len(pictures) > 1
    check_images([{"image": picture} for picture in pictures])


def test_the_scores_of_the_evaluation_are_added_to_the_run(
    killed: tuple[Path, Stage], finished_run: WorkflowCopy
) -> None:
    folder, trained = killed
    shutil.copytree(folder, folder.with_name("scored"), symlinks=True)
    folder, results = folder.with_name("scored"), finished_run.root / "results/smoke"
    policy = folder / "sft"
    shutil.copyfile(trained.output.with_suffix(".yaml"), policy / "train.yaml")
    command = [
        *(sys.executable, "workflow/scripts/score.py", str(results / "sft/answers.jsonl")),
        *("--asked", str(results / "data/test.jsonl"), "--out", str(policy / "eval.json")),
        *("--predictions", str(policy / "predictions.jsonl"), f"--trackers={ALL.model_dump_json()}"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in places(folder).items():
            patch.setenv(name, value)
        subprocess.run(command, cwd=finished_run.root, check=True)
    for name in ("eval.json", "predictions.jsonl"):
        assert (policy / name).read_bytes() == (results / "sft" / name).read_bytes()
    scores = json.loads((policy / "eval.json").read_text())
    (trackio,) = trackio_runs(folder / "trackio", "tests")
    (mlflow,) = mlflow_runs(f"sqlite:///{folder}/runs.db", "tests", finished_run.root)
    *_, first, last = wandb_folders(policy)
    for run in (trackio, mlflow, last):
        assert run.figures["test/accuracy"] == scores["accuracy"]
        assert run.figures["test/chain_consistency/all/n"] == scores["chain_consistency"]["all"]["n"]
        assert run.figures["final/steps"] == 8
        assert not [name for name in run.figures if "by_" in name]
    assert first.id == last.id and not last.points  # the curves stay those of the training
    assert last.figures["train/loss"] == pytest.approx(trained.history()[-2]["loss"])


def test_rl_shows_what_it_learns_from(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    stage = tracked(Stage(finished_run, tmp_path / "grpo", "grpo", logging_steps=1, save_steps=4, max_steps=4))
    assert stage.start(**places(tmp_path)).wait() == 0, stage.log()[-5000:]
    rewards = [name for name in curves(stage) if name.startswith("train/rewards/") and name.endswith("/mean")]
    for tracker, run in told(tmp_path, stage).items():
        check_curves(run, stage)
        tables = run.tables["completions/train"]
        assert [step for step, _ in tables] == [2, 4], tracker
        for step, rows in tables:
            assert len(rows) == 16 and {row["step"] for row in rows} == {step}
            for row in rows:
                parts = [row[name.split("/")[2]] for name in rewards]
                assert len(parts) == len(rewards) and isinstance(row["reward"], float)
            if tracker != "wandb":
                check_images(rows)


def test_trackers_that_cannot_be_reached_change_nothing(finished_run: WorkflowCopy, tmp_path: Path) -> None:
    """W&B and MLflow at a port where nobody listens: the same bytes as without trackers, and one line of each."""
    options = {**LOGGED, "max_steps": 4}
    plain = Stage(finished_run, tmp_path / "plain", "sft", **options)
    plain.run()
    nowhere = "http://127.0.0.1:9"
    stage = tracked(
        Stage(finished_run, tmp_path / "tracked", "sft", **options), Trackers(report_to=("wandb", "mlflow"))
    )
    key = "0123456789" * 4
    job = stage.start(
        WANDB_BASE_URL=nowhere,
        WANDB_API_KEY=key,
        WANDB_INIT_TIMEOUT="3",
        MLFLOW_TRACKING_URI=nowhere,
        WANDB_MODE="online",
    )
    assert job.wait() == 0, stage.log()[-5000:]
    for name in ("adapter/adapter_model.safetensors", "adapter/adapter_config.json", "adapter.json"):
        assert (stage.output / name).read_bytes() == (plain.output / name).read_bytes(), name
    lines = [line for line in stage.log().splitlines() if "reinforced_cot.trackers" in line]
    assert len(lines) == 2
    assert "W&B cannot be reached (" in lines[0] and "`wandb sync` sends it" in lines[0]
    assert "mlflow cannot be told of this run (" in lines[1]
    check_curves(wandb_folders(stage.output)[-1], stage)  # nothing is lost
    for file in tmp_path.rglob("*"):  # a key stands nowhere
        assert not file.is_file() or key.encode() not in file.read_bytes(), file
