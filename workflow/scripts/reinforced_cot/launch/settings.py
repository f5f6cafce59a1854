"""The section ``launch``: what one job of each stage gets. Nothing of it makes a result stale."""

from reinforced_cot.section import Count, Section, Text


class CpuJob(Section):
    """A job without a GPU."""

    threads: Count = 1
    """CPU threads, of all processes of one machine together."""


class Job(CpuJob):
    """A job that may be spread over GPUs."""

    topology: Text = "cpu"
    """A file of `config/accelerate/` by its name, or another configuration of accelerate by its path (`*.yaml`)."""

    processes: Count | None = None
    """How many processes, one per GPU, in place of the number in the topology's file; null for that number."""
