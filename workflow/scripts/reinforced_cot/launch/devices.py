"""Which GPUs a job may see: two jobs on one machine never share one by accident. For use before torch is imported."""

import fcntl
import os
import re
import subprocess
from pathlib import Path

from reinforced_cot.errors import PipelineError

LOCKS = Path("/tmp/reinforced-cot-gpus")  # one place for all users of a machine, whatever their TMPDIR
_held: list[int] = []  # a lock lives as long as its file is open: until the process ends, even by a crash


def claim_devices(gpus: int | None) -> None:
    """Let this process see ``gpus`` GPUs that no other job has claimed.

    Args:
        gpus: how many the rule needs; 0 hides all. None (a stage run by hand) takes one if the machine has any: a
            process that sees several would split its batches among them (`torch.nn.DataParallel`).

    Raises:
        PipelineError: fewer are free; says how many the machine has and what to set.
    """
    visible = visible_devices() if gpus != 0 else []
    wanted = min(1, len(visible)) if gpus is None else gpus
    claimed: list[str] = []
    for device in visible:
        if len(claimed) < wanted and _lock(device):
            claimed.append(device)
    if len(claimed) < wanted:
        raise PipelineError(
            f"the job asks for {wanted} GPU(s), and of the {len(visible)} that this machine shows {len(claimed)} were "
            "free: set launch.*.topology to cpu, or `--resources gpu=N` to the number of GPUs there are"
        )
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(claimed)


def visible_devices() -> list[str]:
    """UUIDs of the GPUs that this process may use: those that CUDA_VISIBLE_DEVICES names, else all of the machine.

    UUIDs, because numbers differ inside a container or a Slurm job, and between CUDA and the driver.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None and not named.strip(", "):
        return []
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        listed = ""
    uuids = re.findall(r"^GPU \d+:.*\(UUID: (GPU-[^)]+)\)", listed, re.MULTILINE)
    if named is None:
        return uuids
    names = [name.strip() for name in named.split(",") if name.strip()]
    return [uuids[int(name)] if name.isdecimal() and int(name) < len(uuids) else name for name in names]


def _lock(device: str) -> bool:
    """Lock a device's file. Any user may have made it, so it is opened for reading only."""
    path = LOCKS / f"{device.replace('/', '_')}.lock"
    try:
        if not LOCKS.exists():
            LOCKS.mkdir(exist_ok=True)
            LOCKS.chmod(0o1777)
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            file = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    except OSError as error:
        raise PipelineError(f"cannot lock GPU {device}: {error}; let every user write to {LOCKS}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return False
    os.set_inheritable(file, True)  # accelerate takes this process over, and holds the lock as long as it runs
    _held.append(file)
    return True
