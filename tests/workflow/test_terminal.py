"""The terminal of real calls: a failing stage, Ctrl-C in a running one, and `make status` meanwhile and afterwards."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from places import REPO
from workflow_copy import WorkflowCopy, copy_workflow

RESULTS = "results/smoke"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    """A run of which the data is prepared."""
    options = ("--configfile", "tests/configs/smoke.yaml", "--cores", "2", "--")
    workflow = copy_workflow(REPO, tmp_path_factory.mktemp("terminal"), *options)
    text = workflow.snakemake(f"{RESULTS}/data/summary.json")
    lines = [line.partition("  ")[2] for line in text.splitlines()[2:]]
    assert lines[0].startswith("4 stages to run; details: .snakemake/log/"), text
    assert lines[-1].startswith("4 stages done in ") and len(lines) == 6, text
    return workflow


def status(workflow: WorkflowCopy) -> dict[str, str]:
    """State and detail of each stage."""
    command = [sys.executable, "workflow/scripts/status.py", "--results", RESULTS]
    run = subprocess.run(command, cwd=workflow.root, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    rows = [line.split("  ", 1) for line in run.stdout.splitlines()[:-1]]
    return {name: " ".join(rest.split()) for name, rest in rows}


@contextmanager
def running(workflow: WorkflowCopy, target: str) -> Iterator["subprocess.Popen[str]"]:
    """A run in a process group of its own, as a shell starts it."""
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", *workflow.options, target],
        cwd=workflow.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(text: str, file: Path) -> None:
    end = time.monotonic() + 60
    while not (file.is_file() and text in file.read_text(encoding="utf-8", errors="replace")):
        assert time.monotonic() < end, f"{file} never said {text!r}"
        time.sleep(0.1)


def test_ctrl_c_prints_no_log_and_status_knows_what_runs(prepared: WorkflowCopy) -> None:
    log = prepared.root / RESULTS / "logs/base/base_model.log"
    with running(prepared, f"{RESULTS}/base/model.json") as process:
        wait_for("align vision", log)
        found = status(prepared)  # the run holds Snakemake's lock
        os.killpg(process.pid, signal.SIGINT)
        text, _ = process.communicate(timeout=60)
    assert found["base_model"].startswith("running "), found
    assert found["check_data"].startswith("done 20") and ", took " in found["check_data"], found
    assert (found["sft"], found["answer (base)"]) == ("missing after base_model",) * 2
    lines = [line.partition("  ")[2] for line in text.splitlines()]
    assert process.returncode == 1 and "base_model: stopped" in lines, text
    assert lines[-1] == "interrupted: the same command goes on from what is complete", text
    assert "align vision" not in text and len(lines) <= 8, text
    assert status(prepared)["base_model"] == "missing can run now"


def test_a_failing_stage_is_one_line_and_its_log(prepared: WorkflowCopy) -> None:
    file = prepared.root / RESULTS / "data/train.jsonl"
    content = file.read_bytes()
    file.write_bytes(b'{"id": \x1b[2J\n' + content)
    try:
        assert status(prepared)["check_data"] == f"stale {RESULTS}/data/train.jsonl changed"
        text = prepared.snakemake(f"{RESULTS}/data/summary.json", check=False)
    finally:
        file.write_bytes(content)
    lines = [line.partition("  ")[2] for line in text.splitlines()[2:]]
    assert re.match(rf"check_data failed after \d+ s: {RESULTS}/data/train\.jsonl is damaged", lines[1]), text
    assert lines[2] == f"        its log: {RESULTS}/logs/data/check_data.log", text
    assert lines[3].startswith("failed: 1 of 1 stage; the same command goes on"), text
    assert len(lines) == 4 and "\x1b" not in text


def test_status_says_why_a_stage_is_stale(prepared: WorkflowCopy) -> None:
    prepared.snakemake(f"{RESULTS}/data/summary.json")
    edits = [
        ("workflow/scripts/reinforced_cot/preparation/split_checks.py", "", "ADDED = 1\n"),
        (f"{RESULTS}/configuration.yaml", "  max_pixels: 50176 ", "  max_pixels: 40000 "),
    ]
    found = []
    for name, old, new in edits:
        file = prepared.root / name
        content = file.read_text()
        assert old in content
        file.write_text(content.replace(old, new) if old else content + new)
        found.append(status(prepared))
        file.write_text(content)
    code, config = found
    assert code["check_data"] == "stale code of reinforced_cot/preparation/split_checks.py changed"
    assert code["prepare_data (test)"].startswith("done ")
    assert config["prepare_data (test)"] == f"stale config changed ({RESULTS}/data/test.yaml)"
    assert config["check_data"] == "stale after prepare_data (test) and 2 more, if their results change"


def test_status_of_no_run_is_refused(prepared: WorkflowCopy) -> None:
    command = [sys.executable, "workflow/scripts/status.py", "--results", "results/no\x1b[2J"]
    run = subprocess.run(command, cwd=prepared.root, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith(r"error: results/no\x1b[2J/configuration.yaml does not exist: no run has been made")


def test_status_of_a_folder_that_was_moved_is_refused(prepared: WorkflowCopy) -> None:
    """Snakemake would look at the old place, and call everything missing."""
    shutil.copytree(prepared.root / RESULTS, prepared.root / "moved")
    command = [sys.executable, "workflow/scripts/status.py", "--results", "moved"]
    run = subprocess.run(command, cwd=prepared.root, capture_output=True, text=True, check=False)
    assert run.returncode == 1 and run.stdout == ""
    assert run.stderr.startswith(
        f"error: moved/configuration.yaml describes the run in {RESULTS}, and moved is another"
    )
