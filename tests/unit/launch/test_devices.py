"""Each job sees its own GPU; two never share one by accident."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reinforced_cot.errors import PipelineError
from reinforced_cot.launch import devices
from reinforced_cot.paths import SCRIPTS


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two GPUs and no claims."""
    monkeypatch.setattr(devices, "LOCKS", tmp_path)
    monkeypatch.setattr(devices, "_held", [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")


def seen() -> str | None:
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def other_job(tmp_path: Path) -> "subprocess.Popen[str]":
    """Another process that claims a GPU and holds it until it is killed."""
    program = (
        "import sys; from pathlib import Path; from reinforced_cot.launch import devices\n"
        f"devices.LOCKS = Path({str(tmp_path)!r}); devices.claim_devices(1)\n"
        "import os; print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    job = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert job.stdout is not None
    assert job.stdout.readline() == "3\n"
    return job


def test_a_stage_without_gpus_sees_none() -> None:
    devices.claim_devices(0)
    assert seen() == ""


def test_a_stage_run_by_hand_sees_one_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    devices.claim_devices(None)  # two would be taken for torch.nn.DataParallel
    assert seen() == "3"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    devices.claim_devices(None)
    assert seen() == ""


LISTING = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa)
  MIG 1g.10gb     Device  0: (UUID: MIG-bbbb)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-cccc)
"""


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (None, ["GPU-aaaa", "GPU-cccc"]),
        ("1", ["GPU-cccc"]),
        ("1, 0", ["GPU-cccc", "GPU-aaaa"]),
        ("GPU-dddd,MIG-bbbb", ["GPU-dddd", "MIG-bbbb"]),
        ("7", ["7"]),
        ("", []),
    ],
)
def test_devices_are_known_by_their_uuids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str | None, expected: list[str]
) -> None:
    """A number means another GPU inside a container or a Slurm job."""
    driver = tmp_path / "nvidia-smi"
    driver.write_text(f"#!/bin/sh\ncat <<'end'\n{LISTING}end\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert devices.visible_devices() == expected


def test_a_lock_file_of_another_user_is_enough(tmp_path: Path) -> None:
    (tmp_path / "3.lock").touch(mode=0o444)
    devices.claim_devices(1)
    assert seen() == "3"


def test_a_gpu_that_torch_cannot_use_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from reinforced_cot.models import loading

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(PipelineError, match=r"was given GPU 3,5, but torch \S+ sees none"):
        loading.device()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert loading.device().type == "cpu"


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
    with pytest.raises(PipelineError, match=r"of the 0 that this machine shows 0 were free: set launch"):
        devices.claim_devices(1)
