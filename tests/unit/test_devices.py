"""Each job sees its own GPU; two never share one by accident."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reinforced_cot import devices
from reinforced_cot.errors import PipelineError


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two GPUs and no claims."""
    monkeypatch.setattr(devices, "LOCKS", tmp_path)
    monkeypatch.setattr(devices, "_held", [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


def seen() -> str | None:
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def other_job(tmp_path: Path) -> "subprocess.Popen[str]":
    """Another process that claims a GPU and holds it until it is killed."""
    program = (
        "import sys; from pathlib import Path; from reinforced_cot import devices\n"
        f"devices.LOCKS = Path({str(tmp_path)!r}); devices.claim_devices(1)\n"
        "import os; print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(devices.__file__).parents[1])}
    job = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert job.stdout is not None
    assert job.stdout.readline() == "3\n"
    return job


def test_a_stage_without_gpus_sees_none() -> None:
    devices.claim_devices(0)
    assert seen() == ""


@pytest.mark.parametrize("slurm", [True, False])
def test_by_hand_and_under_slurm_the_environment_is_left_alone(monkeypatch: pytest.MonkeyPatch, slurm: bool) -> None:
    if slurm:
        monkeypatch.setenv("SLURM_JOB_ID", "7")
    devices.claim_devices(1 if slurm else None)
    assert seen() == "3,5"


def test_two_jobs_get_two_gpus_and_a_third_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = other_job(tmp_path)
    devices.claim_devices(1)
    assert seen() == "5"
    second = devices._held  # stays open: the lock with it
    monkeypatch.setattr(devices, "_held", [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    with pytest.raises(PipelineError, match=r"asks for 1 GPU\(s\), and of the 2 that this machine shows 0 were free"):
        devices.claim_devices(1)
    assert len(second) == 1
    job.kill()
    job.wait()


def test_a_killed_job_gives_its_gpu_back(tmp_path: Path) -> None:
    job = other_job(tmp_path)
    job.kill()
    job.wait()
    devices.claim_devices(1)
    assert seen() == "3"


def test_a_machine_without_gpus_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(PipelineError, match=r"of the 0 that this machine shows 0 were free: set launch\.\*\.gpus to 0"):
        devices.claim_devices(1)
