"""Snakemake leaves jobs out that need to run, if a job that they need only as `ancient` runs as well (snakemake#4166).

A target whose outputs are missing was then not made, with exit status 0: `check_data` alone ran, on which training
depends as `ancient`.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any


def consider_jobs_behind_ancient_inputs() -> None:
    """Let Snakemake look for a reason to run each job that only `ancient` inputs connect with a job that runs.

    `DAG.update_needrun` passes over all jobs behind one that runs, since they will run as well; those that need its
    output only as `ancient` do not follow it, and are now found to have reasons of their own, or none.
    """
    from snakemake.dag import DAG

    stock = DAG.bfs
    if getattr(stock, "is_repaired", False):
        return

    def bfs(self: DAG, direction: Any, *jobs: Any, stop: Callable[[Any], bool] = lambda job: False) -> Iterator[Any]:
        if direction is not self.depending:
            yield from stock(self, direction, *jobs, stop=stop)
            return
        queue, visited = deque(jobs), set(jobs)
        while queue:
            job = queue.popleft()
            if stop(job):
                continue
            yield job
            for other, files in direction[job].items():
                if other not in visited and not all(file.is_ancient for file in files):
                    visited.add(other)
                    queue.append(other)

    bfs.is_repaired = True  # type: ignore[attr-defined]
    DAG.bfs = bfs
