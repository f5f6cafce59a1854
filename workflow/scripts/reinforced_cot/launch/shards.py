"""A command run once for each of several shards, each with a GPU of its own: for work that needs no communication."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from reinforced_cot.errors import PipelineError
from reinforced_cot.launch.launcher import threads_each
from reinforced_cot.launch.topologies import Topology


def run_shards(topology: Topology) -> None:
    """Run this command as ``--shard 0``, ``--shard 1``, ... and wait for all; GPUs must have been claimed.

    Shards never wait for each other, so they need no launcher, and none times out because another has more to do.

    Raises:
        PipelineError: one failed; the others are stopped. Its message is in the log.
    """
    devices = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    threads = str(threads_each(topology))
    jobs = []
    for shard in range(topology.processes):
        device = "" if topology.use_cpu else devices[shard]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": device, "OMP_NUM_THREADS": threads}
        jobs.append(subprocess.Popen([sys.executable, *sys.argv, "--shard", str(shard)], env=environment))
    try:
        failed = _first_failure(jobs)
    finally:
        for job in jobs:
            job.kill()
            job.wait()
    if failed is not None:
        raise PipelineError(f"shard {failed} of {topology.processes} failed; see above")


def _first_failure(jobs: "Sequence[subprocess.Popen[bytes]]") -> int | None:
    """The number of the first job that fails, or None once all have ended well."""
    while True:
        codes = [job.poll() for job in jobs]
        for number, code in enumerate(codes):
            if code not in (None, 0):
                return number
        if None not in codes:
            return None
        time.sleep(0.2)
