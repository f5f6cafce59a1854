"""Which GPUs a job may see: two jobs on one machine never share one by accident. For use before torch is imported."""

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

from reinforced_cot.errors import PipelineError

LOCKS = Path(tempfile.gettempdir()) / "reinforced-cot-gpus"
_held: list[IO[str]] = []  # a lock lives as long as its file is open, so until the process ends, however it ends


def claim_devices(gpus: int | None) -> None:
    """Let this process see ``gpus`` GPUs that no other job has claimed.

    Args:
        gpus: what the rule asks for; 0 hides all of them, None (a stage run by hand) leaves the environment alone.
            Under Slurm it is left alone as well: there the scheduler has assigned them.

    Raises:
        PipelineError: fewer are free; says how many the machine has and what to set.
    """
    if gpus is None or (gpus > 0 and "SLURM_JOB_ID" in os.environ):
        return
    if gpus == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return
    visible = visible_devices()
    LOCKS.mkdir(exist_ok=True)
    claimed = [device for device in visible if len(_held) < gpus and _lock(device)]
    if len(claimed) < gpus:
        raise PipelineError(
            f"the job asks for {gpus} GPU(s), and of the {len(visible)} that this machine shows {len(claimed)} were "
            "free: set launch.*.gpus to 0 to run on the CPU, or `--resources gpu=N` to the number of GPUs there are"
        )
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(claimed)


def visible_devices() -> list[str]:
    """Names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES has them."""
    if (named := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in named.split(",") if name]
    return sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))


def _lock(device: str) -> bool:
    file = open(LOCKS / f"{device}.lock", "w", encoding="utf-8")  # noqa: SIM115 - open as long as the process lives
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return False
    _held.append(file)
    return True
