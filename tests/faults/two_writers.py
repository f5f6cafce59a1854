"""The same command twice at once in one folder: the second is refused, the first ends as if it had been alone."""

import re
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jobs import Job, before, left_behind
from outputs import differences
from processes import Run
from workflow_copy import WorkflowCopy

# Those that write for long, and their locks, relative to the folder of their outputs.
JOBS = {
    **dict.fromkeys(("base_model", "sft sft", "merge_lora sft", "grpo grpo", "answer base"), ".lock"),
    **{"sample base": ".base/.lock", "ask_teacher far": "../replies/far/.lock"},
}
_LIMIT = 600.0


@dataclass
class TwoWritersTrial:
    """A job that is started twice, and what the second one was told."""

    job: str
    said: str = ""
    problem: str = ""
    seconds: float = 0.0

    @property
    def outcome(self) -> str:
        return "refused"

    @property
    def name(self) -> str:
        return self.job


def perform(trial: TwoWritersTrial, run: WorkflowCopy, jobs: Mapping[str, Job], root: Path) -> TwoWritersTrial:
    """Carry a trial out in a copy of the finished run at ``root``, which is deleted if nothing went wrong."""
    started, job = time.monotonic(), jobs[trial.job]
    copy = before(run, job, root)
    lock = copy.root / job.folder / JOBS[trial.job]
    lock.unlink(missing_ok=True)
    first = Run(copy, job, "script")
    while first.process.poll() is None and not (lock.is_file() and lock.stat().st_size):
        time.sleep(0.01)
    # It is stopped, so that it cannot end before the second one has imported its libraries.
    held = first.processes()
    for process in held:
        process.suspend()
    # Their messages go to two files: a shell would empty the first one's log.
    second = Run(copy, job, "script", log="second.log")
    code = second.end(_LIMIT)
    for process in held:
        process.resume()
    text = (copy.root / "second.log").read_text(errors="replace")
    trial.said = next(iter(re.findall(r"^error: .*", text, re.MULTILINE)), "")
    if code == 0 or "in use by another run" not in trial.said or socket.gethostname() not in trial.said:
        trial.problem = f"the second ended with {code}: {text[-400:]}"
    elif not re.search(r'"process": \d+', trial.said):
        trial.problem = f"the process is not named: {trial.said}"
    if (code := first.end(_LIMIT)) != 0:
        trial.problem += f" the first ended with {code}: {(copy.root / job.log).read_text()[-400:]}"
    trial.problem += "; ".join([*differences(run, copy, job), *left_behind(run, copy, (".lock",))])
    trial.seconds = round(time.monotonic() - started, 1)
    if not trial.problem:
        shutil.rmtree(root)
    return trial
