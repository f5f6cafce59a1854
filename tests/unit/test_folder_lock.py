"""Two processes never train in one folder, and a lock is gone with the process that held it."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from places import SCRIPTS

from reinforced_cot import folder_lock
from reinforced_cot.errors import PipelineError
from reinforced_cot.folder_lock import LOCK, lock_folder

HOLDER = """
import sys, time
from pathlib import Path
from reinforced_cot.folder_lock import lock_folder
lock_folder(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def holder(folder: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_second_run_is_refused_until_the_first_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: signal.Signals
) -> None:
    monkeypatch.setattr(folder_lock, "PATIENCE", 0.2)
    first = holder(tmp_path / "sft")
    with pytest.raises(PipelineError) as raised:
        lock_folder(tmp_path / "sft")
    assert f"{tmp_path / 'sft'} is in use by another run" in str(raised.value)
    assert f'"process": {first.pid}' in str(raised.value) and socket.gethostname() in str(raised.value)
    lock_folder(tmp_path / "gspo")  # the folder of another policy
    first.send_signal(end)
    first.wait()
    lock_folder(tmp_path / "sft")


def test_a_run_that_is_just_ending_is_waited_for(tmp_path: Path) -> None:
    first = holder(tmp_path)
    subprocess.Popen(["sh", "-c", f"sleep 1; kill {first.pid}"])
    lock_folder(tmp_path)
    first.wait()
    assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()
