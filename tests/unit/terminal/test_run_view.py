"""A run's events become a few lines: in place on a terminal, one after another elsewhere."""

import io
import logging
from pathlib import Path
from typing import Any

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from reinforced_cot.terminal import run_view
from reinforced_cot.terminal.run_view import RunView
from reinforced_cot.terminal.running import running_stages


class Run:
    """A view, and the events that Snakemake sends it."""

    def __init__(self, is_watched: bool, log: Path) -> None:
        self.out, self.before, self.log = io.StringIO(), io.StringIO(), log
        self.view = RunView(self.out, is_watched, logging.StreamHandler(self.before), lambda: 2, "the.log")

    def send(self, event: LogEvent | None, message: str = "", level: int = logging.INFO, **fields: Any) -> None:
        record = logging.LogRecord("snakemake", level, "", 0, message, (), None)
        record.__dict__.update(fields, **({"event": event} if event else {}))
        self.view.handle(record)

    def start(self, job: int, rule: str, benchmark: str | None = "a.tsv", **wildcards: str) -> None:
        fields: dict[str, Any] = {"jobid": job, "rule_name": rule, "wildcards": wildcards, "log": [str(self.log)]}
        fields |= {"benchmark": benchmark, "output": [f"{rule}.json"], "reason": "Missing output files", "input": []}
        self.send(LogEvent.JOB_INFO, **fields)

    def fail(self, job: int) -> None:
        text = "RuleException:\nCalledProcessError in file rules/sft.smk, line 1:\nnon-zero exit status 1."
        self.send(LogEvent.ERROR, text, logging.ERROR, exception="RuleException")
        self.send(LogEvent.JOB_ERROR, "Error in rule", logging.ERROR, jobid=job, rule_name="sft", log=[str(self.log)])
        self.send(None, "Exiting because a job execution failed. Look above for error messages", logging.ERROR)

    def lines(self) -> list[str]:
        """What was printed, without the time of day, which takes ten columns."""
        return [line[10:] for line in self.out.getvalue().splitlines()]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sft.log").write_text(
        " 40%|████      | 30/75 [00:10<00:15,  3.00it/s]\n{'loss': '0.25'}\n", encoding="utf-8"
    )
    return tmp_path / "sft.log"


def begun(is_watched: bool, log: Path) -> Run:
    run = Run(is_watched, log)
    run.send(LogEvent.WORKFLOW_STARTED, "Workflow has started!")
    run.send(None, "Building DAG of jobs...")
    run.send(LogEvent.JOB_STARTED, "Execute 2 jobs...", jobs=[1, 2])
    run.start(1, "policy_settings", benchmark=None, policy="sft")
    run.start(2, "sft", policy="sft")
    run.send(LogEvent.JOB_FINISHED, "Finished jobid: 1", job_id=1)
    return run


def test_a_line_for_each_stage_that_ends(log: Path) -> None:
    run = begun(False, log)
    run.send(LogEvent.JOB_FINISHED, "Finished jobid: 2", job_id=2)
    run.send(LogEvent.PROGRESS, "1 of 2 steps", done=1, total=2)
    run.view.ended(is_success=True)
    run.view.close()
    assert run.lines() == [
        "2 stages to run; details: the.log",
        "sft: done in 0 s, loss 0.25 (1 of 2)",
        "2 stages done in 0 s",
    ]


def test_a_line_a_minute_for_those_that_take_long(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_view, "QUICK", 0.0)
    run = begun(False, log)
    for _ in range(3):
        run.view._update()
    assert run.lines()[1:] == ["sft runs"]
    run.view._reported -= 61
    for _ in range(3):
        run.view._update()
    assert run.lines()[2:] == ["sft: step 30/75, 3/s, 15 s left, loss 0.25"]
    run.view.close()


def test_progress_is_rewritten_in_place(log: Path) -> None:
    run = begun(True, log)
    for _ in range(3):
        run.view._update()
    run.view.close()
    painted = "          sft: step 30/75, 3/s, 15 s left, loss 0.25 (0 s)\n"
    assert run.out.getvalue().endswith(f"\r\x1b[1A\x1b[J{painted}" * 2)


def test_a_failure_is_one_line_and_the_path_of_its_log(log: Path) -> None:
    run = begun(False, log)
    log.write_text("something\nerror: results/base/model.json: \x1b[2Jdamaged\n")
    run.fail(2)
    run.send(LogEvent.ERROR, "WorkflowError:\nAt least one job did not complete successfully.", logging.ERROR)
    run.view.ended(is_success=False)
    run.view.close()
    assert run.lines()[1:] == [
        r"sft failed after 0 s: results/base/model.json: \x1b[2Jdamaged",
        f"its log: {log}",
        "failed: 1 of 2 stages, 1 not started; the same command goes on from what is complete; details: the.log",
    ]


def test_ctrl_c_stops_stages_and_fails_none(log: Path) -> None:
    run = begun(False, log)
    run.send(None, "Terminating processes on user request, this might take some time.")
    run.fail(2)
    run.view.ended(is_success=False)
    run.view.close()
    assert [line.split(":")[0] for line in run.lines()[1:]] == ["interrupted", "sft", "interrupted"]
    assert "error" not in run.out.getvalue() and str(log) not in run.out.getvalue()


def test_warnings_and_other_errors_are_shown(log: Path) -> None:
    run = Run(False, log)
    run.send(None, "before\x1b[2J the run", logging.WARNING)
    assert run.before.getvalue() == "before\\x1b[2J the run\n"
    run = begun(False, log)
    run.send(LogEvent.ERROR, "MissingOutputException: a\u202eb", logging.ERROR)
    run.send(None, "Nothing to be done (all requested files are present and up to date).")
    run.view.close()
    assert run.lines()[1:] == [
        r"MissingOutputException: a\u202eb",
        "Nothing to be done (all requested files are present and up to date).",
    ]


def test_others_can_read_which_stages_run_until_the_run_ends(log: Path) -> None:
    run = begun(False, log)
    (stage,) = running_stages()
    assert (stage.title, stage.outputs, stage.log) == ("sft", ("sft.json",), str(log))
    (file,) = Path(".snakemake/running").iterdir()
    content = file.read_text()
    run.view.close()
    assert running_stages() == []
    file.write_text(content.replace('"created": ', '"created": 1'))  # the number of a process that has ended
    assert running_stages() == []
    file.write_text(content[:-9])
    assert running_stages() == []
