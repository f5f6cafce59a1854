"""RL with a judge behind a server that fails, killed while it is judged: the same bytes, and nothing asked twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from teacher_server import MODEL, TeacherServer
from workflow_copy import WorkflowCopy

RESULTS = "results/smoke"
JUDGE = {
    **{"by": "endpoint", "model": MODEL, "prompt": "{question} {truth} {chain} {answer}", "on_failure": 0.25},
    **{"timeout": 2.0, "tries": 4, "concurrency": 2, "scale": [0, 4]},
}
FAULTS = (429, 500, "no JSON", "close", "no choices", "slow")
CONFIG = {
    "report": ["base", "judged"],
    "policies": {
        # Only well-formed completions are graded, and this many epochs make them so.
        "formed": {
            **{"like": "sft", "examples": None, "training": {"num_train_epochs": 16, "learning_rate": 8e-3}},
            "selection": {"examples": 4, "max_new_tokens": 48},
        },
        "judged": {
            **{"like": "grpo", "from": "formed", "training": {"max_completion_length": 48, "temperature": 0.4}},
            "rewards": {"format": 0.5, "judges.grader": 1.0},
            "probes": {"every": 2, "questions": 4, "batch_size": 4, "judged": 2},
        },
    },
}


def grade(text: str, seed: int) -> str:
    """A grade that depends on the text alone; of some texts, none."""
    number = sha256(text.encode()).digest()[0]
    return "I cannot say." if number % 7 == 0 else f"Score: {number % 5}"


@pytest.fixture(scope="module")
def workflow(finished_run: WorkflowCopy, tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    root = tmp_path_factory.mktemp("judges") / "workflow"
    shutil.copytree(finished_run.root, root, symlinks=True)
    return WorkflowCopy(root, (*finished_run.options, "judges.yaml"))


def configure(workflow: WorkflowCopy, server: TeacherServer, **changes: object) -> None:
    config = {**CONFIG, "judges": {"grader": {**JUDGE, "url": server.url, **changes}}}
    (workflow.root / "judges.yaml").write_text(yaml.safe_dump(config))


def test_a_judge_that_fails_and_a_run_that_is_killed(workflow: WorkflowCopy) -> None:
    run = workflow.root / RESULTS / "judged"
    weights, replies = run / "adapter/adapter_model.safetensors", workflow.root / RESULTS / "replies"
    faults = iter([*FAULTS, *[""] * 8] * 2)
    with TeacherServer(grade, faults) as server:
        configure(workflow, server)
        workflow.snakemake("--cores", "2")
        undisturbed = (weights.read_bytes(), history := untimed(run))
        asked = set(server.asked)
        logged = [entry for entry in history if "rewards/judges.grader/mean" in entry]
        assert logged and any(entry["rewards/judges.grader/mean"] > 0 for entry in history if entry in logged)
        assert any("probes/policy" in entry for entry in history)
        assert "Grades by judges.grader" in (workflow.root / RESULTS / "report.html").read_text()
        log = (workflow.root / RESULTS / "logs/judged/grpo.log").read_text()
        assert "judges.grader: " in log and "requests" in log

        shutil.rmtree(run / "adapter")
        shutil.rmtree(run / "checkpoints")
        again = sum(server.asked.values())
        workflow.snakemake("--cores", "2", "--", f"{RESULTS}/judged/adapter")
        assert weights.read_bytes() == undisturbed[0] and sum(server.asked.values()) == again

        shutil.rmtree(replies)
        for name in ("adapter", "checkpoints"):
            shutil.rmtree(run / name)
        server.delay = 0.15
        job = start(workflow.root, run, server)
        kept = replies / "judges.grader/judged-0.jsonl"
        while not (kept.exists() and kept.read_text().count("sha256") >= 30):
            assert job.poll() is None
            time.sleep(0.01)
        job.send_signal(signal.SIGKILL)
        job.wait()
        before = kept.read_text().count("sha256")
        assert not weights.exists() and before < len(asked)
        server.delay, already = 0.0, dict(server.asked)
        stored = {json.loads(line)["key"] for line in kept.read_text().split("\n") if line.endswith("}")}
        assert start(workflow.root, run, server).wait() == 0
        assert (weights.read_bytes(), untimed(run)) == undisturbed
        assert sum(server.asked.values()) - sum(already.values()) <= len(asked) - len(stored)


def untimed(run: Path) -> list[dict[str, float]]:
    """The history of a training without how long each step took."""
    history = json.loads((run / "metrics.json").read_text())["history"]
    return [{key: value for key, value in entry.items() if key != "step_time"} for entry in history]


def start(root: Path, run: Path, server: TeacherServer) -> "subprocess.Popen[bytes]":
    control = json.dumps({"grader": {"url": server.url, "timeout": 2.0, "tries": 4, "concurrency": 2}})
    results = root / RESULTS
    command = [
        *(sys.executable, "workflow/scripts/grpo.py", "--settings", str(run / "train.yaml")),
        *("--data", str(results / "data"), "--from", str(results / "formed"), "--output", str(run)),
        *("--judges", control, "--replies", str(results / "replies"), "--topology", "cpu"),
    ]
    with open(run.with_suffix(".log"), "ab") as log:
        return subprocess.Popen(command, cwd=root, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=log, stderr=log)


def test_how_a_judge_is_asked_makes_nothing_stale_and_what_it_is_asked_does(workflow: WorkflowCopy) -> None:
    with TeacherServer(grade) as server:
        configure(workflow, server)
        workflow.snakemake("--cores", "2")
        assert workflow.planned() == {}
        configure(workflow, server, url="http://localhost:1/v1", concurrency=7, key_env="KEY", max_requests=9)
        assert workflow.planned() == {}
        configure(workflow, server, prompt="{answer}")
        assert workflow.planned()["grpo"] == 1 and "sft" not in workflow.planned()


def test_a_judge_that_is_down_or_unknown_ends_the_run_in_one_line(workflow: WorkflowCopy) -> None:
    with TeacherServer(grade) as server:
        configure(workflow, server, prompt="{answer}", url="http://127.0.0.1:9/v1", tries=1)
    workflow.snakemake("--cores", "2", check=False)
    log = (workflow.root / RESULTS / "logs/judged/grpo.log").read_text()
    assert "http://127.0.0.1:9/v1 cannot be reached in 1 tries" in log.splitlines()[-1] and "Traceback" not in log
    config = {**CONFIG, "judges": {"greeter": {**JUDGE, "url": "http://a/v1"}}}
    (workflow.root / "judges.yaml").write_text(yaml.safe_dump(config))
    assert "names judges.grader, and it has greeter: add `judges.grader`" in workflow.refusal()
