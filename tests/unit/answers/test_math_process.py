"""Whatever a policy writes, or kills the process that compares it, the next comparison works."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from reinforced_cot.answers import math_process
from reinforced_cot.answers.math_process import verified
from reinforced_cot.answers.math_worker import SECONDS
from reinforced_cot.paths import SCRIPTS

NEVER_ENDS = "9^{9^{9^9}}"
PARENT = """
import json, time
from reinforced_cot.answers import math_process
assert math_process.verified("x+1", "1+x")
print(json.dumps(math_process._running[0]._process.pid), flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _forget_verdicts() -> None:
    verified.cache_clear()


def worker() -> int:
    return math_process._running[0]._process.pid


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def comes_true(condition: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_a_comparison_that_never_ends_is_killed_and_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verified("x+1", "1+x")
    first = worker()
    monkeypatch.setattr(math_process, "_PATIENCE", 0.5)
    with caplog.at_level(logging.WARNING):
        assert not any(verified("1/2", NEVER_ENDS) for _ in range(3))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert NEVER_ENDS in caplog.text
    assert comes_true(lambda: not is_running(first))
    monkeypatch.undo()
    assert verified("x+2", "2+x")
    assert worker() != first


def test_a_comparison_has_a_bound_of_its_processs_own_time(caplog: pytest.LogCaptureFixture) -> None:
    """Not by the clock: the verdict would depend on what else the machine does."""
    assert verified("x+1", "1+x")
    first = worker()
    with caplog.at_level(logging.WARNING):
        assert not verified("1/2", "9^{9^{9}}")
    assert "takes too" in caplog.text
    os.kill(first, signal.SIGSTOP)
    threading.Timer(2 * SECONDS, os.kill, (first, signal.SIGCONT)).start()
    assert verified("x+3", "3+x")  # it had to wait for longer than that
    assert worker() == first


def test_an_expression_for_which_math_verify_gives_up_leaves_the_process_running() -> None:
    assert verified("x+1", "1+x")
    first = worker()
    assert not verified("1/2", "\\frac{1}{")
    assert not verified("1/2", "\\undefined{x")
    assert worker() == first


def test_a_thread_that_ends_takes_no_verdict_with_it() -> None:
    math_process._end()
    found: list[bool] = []
    for number in range(3):  # the kernel ends a process with the thread that started it
        thread = threading.Thread(target=lambda n=number: found.append(verified(f"x+{n}+2", f"{n + 2}+x")))
        thread.start()
        thread.join()
    assert found == [True] * 3
    assert verified("y+1", "1+y")


def test_a_forked_child_has_a_process_of_its_own() -> None:
    assert verified("x+1", "1+x")
    mine = worker()
    with math_process._lock:  # as another thread might hold it
        pid = os.fork()
        if pid == 0:
            is_right = verified("x+3", "3+x") and not verified("x+3", "3+2x") and worker() != mine
            math_process._end()
            os._exit(0 if is_right else 1)
    _, status = os.waitpid(pid, 0)
    assert status == 0
    assert verified("x+4", "4+x")
    assert worker() == mine


def test_a_process_killed_from_outside_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    assert verified("x+1", "1+x")
    first = worker()
    os.kill(first, signal.SIGKILL)
    assert verified("x+2", "2+x")
    assert worker() != first
    assert not caplog.records


def test_a_process_killed_within_a_comparison_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    assert verified("x+1", "1+x")
    first = worker()
    os.kill(first, signal.SIGSTOP)
    timer = threading.Timer(0.3, os.kill, (first, signal.SIGKILL))
    timer.start()
    assert verified("x+5", "5+x")
    timer.join()
    assert not caplog.records


def test_the_process_ends_with_its_parent_however_that_ends() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
    ) as parent:
        assert parent.stdout is not None
        pid = json.loads(parent.stdout.readline())
        assert is_running(pid)
        parent.kill()
    assert comes_true(lambda: not is_running(pid))


def test_a_process_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    math_process._end()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(math_process.PipelineError, match="exit status 1"):
        verified("x+1", "1+x")
