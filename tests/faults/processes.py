"""Starting a job in a session of its own, and finding every process that came from it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import psutil
from jobs import Job
from workflow_copy import WorkflowCopy

WAYS = ("snakemake", "script")
_MARK = "FAULT_TRIAL"  # in the environment of a trial's processes: children inherit it, whatever their session
ENDING = 120.0  # seconds in which a run must have ended after a signal
_ORPHAN = 60.0  # seconds that its children may take after that, on a machine that other work keeps busy


def take_interrupts() -> None:
    """See that children can be interrupted: a shell starts background commands with SIGINT ignored, which they inherit.

    It must be called in the main thread.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Run:
    """A job that was started, and all processes that came from it.

    Args:
        way: ``snakemake`` asks Snakemake for the job's outputs; ``script`` gives the rule's command to a shell, as
            Snakemake does.
        log: another file for the script's messages than the job's own, relative to the copy.
    """

    def __init__(self, copy: WorkflowCopy, job: Job, way: str, log: str | None = None) -> None:
        self.mark = uuid4().hex
        self.output = copy.root / f"{way}.out"
        asked = [sys.executable, "-m", "snakemake", *copy.options, "--cores", "1", *job.outputs]
        given = job.command.replace(f"> {job.log}", f"> {log}") if log else job.command
        command = asked if way == "snakemake" else ["bash", "-c", f"set -euo pipefail; {given}"]
        places = [str(Path(sys.executable).parent), os.environ["PATH"]]
        environment = {**os.environ, "PATH": os.pathsep.join(places), _MARK: self.mark}
        environment.pop("SNAKEMAKE_PROFILE", None)
        if way == "script":
            environment |= {name: str(job.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        with open(self.output, "wb") as printed:
            self.process = subprocess.Popen(
                command, cwd=copy.root, env=environment, stdout=printed, stderr=printed, start_new_session=True
            )

    def send(self, number: signal.Signals, aim: str) -> None:
        """Send a signal to the whole process group, as a terminal or a batch system does, or to the stage's script.

        Without a script yet, the group gets it.
        """
        script = next((process for process in self.processes() if self._is_stage(process)), None)
        try:
            if aim == "stage" and script:
                script.send_signal(number)
            else:
                os.killpg(self.process.pid, number)
        except (ProcessLookupError, psutil.NoSuchProcess):
            pass  # it has just ended

    def _is_stage(self, process: psutil.Process) -> bool:
        try:
            words = process.cmdline()
        except psutil.Error:
            return False
        return len(words) > 1 and words[1].startswith("workflow/scripts/")

    def processes(self) -> list[psutil.Process]:
        """Those that live, oldest first."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(_MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue  # it has ended, or is none of ours
        return sorted(found, key=lambda process: process.create_time())

    def end(self, limit: float) -> int | None:
        """Wait for the exit status; None, and everything is killed, if it is not there after ``limit`` seconds."""
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill_all()
            return None

    def orphans(self) -> list[str]:
        """Commands of processes that outlive the run; they are killed."""
        end = time.monotonic() + _ORPHAN
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.1)
        names = []
        for process in left:
            try:
                names.append(" ".join(process.cmdline())[:80])
            except psutil.Error:
                continue
        self.kill_all()
        return names

    def kill_all(self) -> None:
        for process in self.processes():
            try:
                process.kill()
            except psutil.Error:
                continue
        self.process.wait()

    def text(self) -> str:
        """What it printed."""
        return self.output.read_text(errors="replace")
