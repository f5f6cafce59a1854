"""What a run prints: a line when a stage runs and when it ends, progress in place, and one line about a failure.

It takes the place of Snakemake's own output, whose events it gets through Snakemake's logger, as a logger plugin does.
It is no plugin, since Snakemake finds plugins only among installed packages: a clone has none, and a profile that named
one would stop every call of an environment without it. Snakemake's own log file keeps every job with its reason.
"""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from reinforced_cot.inert_text import visible
from reinforced_cot.terminal.progress import StageLog
from reinforced_cot.terminal.running import RunningFile, RunningStage
from reinforced_cot.terminal.sentences import (
    duration,
    fitted,
    last_error,
    metric_in_words,
    progress_in_words,
    title,
    was_interrupted,
)

REPAINT = 1.0  # seconds
REPORT = 60.0  # seconds between two lines where nobody watches
QUICK = 5.0  # seconds; a stage that ends within them has no line of its own before it ends
WORKFLOWS: list[Any] = []  # those of this process, the last one last: `make status` reads the jobs of its dry-run
# Of Snakemake's notes, those that a person needs.
_KEPT = ("Nothing to be done", "Will exit after", "Trying to restart")
# Snakemake's own words for a failure, which has a line here.
_SAID = ("At least one job did not complete", "Exiting because a job execution failed", "CalledProcessError")


@dataclass
class _Job:
    name: str
    log: Path
    started: float
    outputs: tuple[str, ...]
    progress: StageLog
    is_stage: bool
    is_announced: bool = False


class RunView(logging.Handler):
    """Prints a run's events to ``stream``; in place where ``is_watched``, which a terminal is.

    Args:
        before: prints what comes before the run starts, and all of a call that runs nothing.
        count: gives the number of stages that the run will start.
    """

    def __init__(
        self, stream: TextIO, is_watched: bool, before: logging.Handler, count: Callable[[], int], details: str
    ) -> None:
        super().__init__()
        self._stream, self._is_watched, self._before = stream, is_watched, before
        self._count, self._details = count, details
        self._jobs: dict[int, _Job] = {}
        self._file = RunningFile()
        self._is_running = self._is_interrupted = False
        self._total = self._done = self._failed = 0
        self._painted = 0  # lines on the terminal that are rewritten
        self._start = self._reported = 0.0
        self._stop = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Print what a record says, if a person needs it. The handler's lock is held."""
        event = str(getattr(record, "event", None) or "")
        if event == "workflow_started":
            self._begin()
        elif not self._is_running:
            record.msg = visible(record.msg) if isinstance(record.msg, str) else record.msg
            self._before.handle(record)
        elif handle := {
            "job_info": self._job_info,
            "job_started": self._jobs_started,
            "job_finished": self._job_finished,
            "job_error": self._job_error,
        }.get(event):
            handle(record.__dict__)
        elif event in ("", "error", "group_error"):
            self._note(record)

    def ended(self, is_success: bool) -> None:
        """Print how the run ended."""
        with self.lock or threading.RLock():
            self._jobs.clear()
            spent = duration(time.time() - self._start)
            again = "the same command goes on from what is complete"
            if self._is_interrupted:
                self._print(f"interrupted: {again}")
            elif not is_success:
                left = self._total - self._done - self._failed
                unmade = f", {left} not started" if left > 0 else ""
                self._print(
                    f"failed: {self._failed} of {_stages(self._total)}{unmade}; {again}; details: {self._details}"
                    if self._failed
                    else f"failed; details: {self._details}"
                )
            elif self._total:
                self._print(f"{_stages(self._total)} done in {spent}")

    def close(self) -> None:
        self._stop.set()
        if self._is_running:
            self._file.remove()
        self._before.close()
        super().close()

    def _begin(self) -> None:
        self._is_running, self._start = True, time.time()
        threading.Thread(target=self._tick, name="terminal", daemon=True).start()

    def _tick(self) -> None:
        while not self._stop.wait(REPAINT):
            with self.lock or threading.RLock():
                if not self._stop.is_set():
                    self._update()

    def _update(self) -> None:
        now = time.time()
        for job in self._jobs.values():
            if not self._is_watched and job.is_stage and not job.is_announced and now - job.started >= QUICK:
                job.is_announced = True
                self._reported = max(self._reported, job.started)
                self._print(f"{job.name} runs")
        if self._is_watched:
            self._repaint()
        elif now - self._reported >= REPORT and (running := [job for job in self._jobs.values() if job.is_announced]):
            self._reported = now
            self._print(" · ".join(f"{job.name}: {progress_in_words(job.progress.progress())}" for job in running))
        self._save()

    def _save(self) -> None:
        stages = [job for job in self._jobs.values() if job.is_stage]
        self._file.write([RunningStage(job.name, job.outputs, str(job.log), job.started) for job in stages])

    def _job_info(self, event: Mapping[str, Any]) -> None:
        log = Path(event["log"][0]) if event["log"] else Path(os.devnull)
        name = title(event["rule_name"], event["wildcards"])
        outputs = tuple(map(str, event["output"]))
        # Stages are measured; the rules that write their settings are not, and take no time.
        is_stage = event["benchmark"] is not None
        self._jobs[event["jobid"]] = _Job(name, log, time.time(), outputs, StageLog(log), is_stage)
        self._save()

    def _jobs_started(self, event: Mapping[str, Any]) -> None:
        if not self._total and (count := self._count()):
            self._total = count
            self._print(f"{_stages(count)} to run; details: {self._details}")

    def _job_finished(self, event: Mapping[str, Any]) -> None:
        job = self._jobs.pop(event["job_id"], None)
        if job and job.is_stage:
            self._done += 1
            said = [f"done in {duration(time.time() - job.started)}", *metric_in_words(job.progress.progress())]
            self._print(f"{job.name}: {', '.join(said)} ({self._done} of {self._total})")
        self._save()

    def _job_error(self, event: Mapping[str, Any]) -> None:
        job = self._jobs.pop(event["jobid"], None)
        name = job.name if job else visible(str(event["rule_name"]))
        logs = [Path(log) for log in event["log"]]
        if self._is_interrupted or (logs and was_interrupted(logs[0])):
            self._is_interrupted = True
            self._print(f"{name}: stopped")
            return
        self._failed += not job or job.is_stage
        spent = f" after {duration(time.time() - job.started)}" if job else ""
        said = next(filter(None, map(last_error, logs)), "") or str(event.get("rule_msg") or "").partition("\n")[0]
        where = f"\n          its log: {', '.join(visible(str(log)) for log in logs)}" if logs else ""
        self._print(f"{name} failed{spent}" + (f": {visible(said)}" if said else "") + where)
        self._save()

    def _note(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("Terminating processes"):
            self._is_interrupted = True
            self._print("interrupted: waiting for the running stages to stop")
        elif any(words in message for words in _SAID):
            return
        elif record.levelno >= logging.WARNING or message.startswith(_KEPT):
            self._print(visible(message))

    def _print(self, text: str) -> None:
        """Print what stays, above the lines that are rewritten."""
        clock = time.strftime("%H:%M:%S")
        self._write(f"{self._erased()}{clock}  {text}\n")
        if self._is_watched:
            self._repaint()

    def _repaint(self) -> None:
        width = shutil.get_terminal_size().columns - 1
        lines = [
            fitted(
                f"          {job.name}: {progress_in_words(job.progress.progress())}"
                f" ({duration(time.time() - job.started)})",
                width,
            )
            for job in self._jobs.values()
            if job.is_stage
        ]
        self._write(self._erased() + "".join(f"{line}\n" for line in lines))
        self._painted = len(lines)

    def _erased(self) -> str:
        """Moves to the first line that is rewritten, and erases from there."""
        painted, self._painted = self._painted, 0
        return f"\r\x1b[{painted}A\x1b[J" if painted else "\r\x1b[J" if self._is_watched else ""

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the terminal is gone; the run goes on
            self._stop.set()


def _stages(count: int) -> str:
    return f"{count} stage{'s' * (count != 1)}"


def take_over(workflow: Any) -> RunView | None:
    """Let a `RunView` print the run of Snakemake's ``workflow``; None where Snakemake's own output is wanted.

    It is wanted in a dry-run, with options that change it (``--quiet``, ``--verbose``, ``--printshellcmds``,
    ``--debug-dag``) and with a logger plugin that prints.
    """
    WORKFLOWS.append(workflow)
    manager = workflow.logger_manager
    settings = manager.settings
    handlers = {handler.name: handler for handler in manager.logger.handlers}
    if isinstance(view := handlers.get("run view"), RunView):
        return view  # the workflow imports itself for further seeds
    stock = handlers.get("DefaultStreamHandler")
    changed = settings.dryrun or settings.quiet or settings.verbose or settings.printshellcmds or settings.debug_dag
    if not isinstance(stock, logging.StreamHandler) or changed:
        return None
    stream = stock.stream
    is_watched = stream.isatty() and os.environ.get("TERM") != "dumb"
    details = next((os.path.relpath(file) for file in manager.get_logfile()), ".snakemake/log")

    def stages() -> int:
        return sum(job.benchmark is not None for job in workflow.dag.needrun_jobs())

    view = RunView(stream, is_watched, stock, stages, visible(details))
    view.name = "run view"
    manager.logger.removeHandler(stock)
    manager.logger.addHandler(view)
    return view
