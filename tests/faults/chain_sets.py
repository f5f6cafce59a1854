"""What the smoke configuration does not make: a teacher's chains and what learns from them, samples and pass rates."""

import yaml
from jobs import CHAIN_TARGETS
from teacher_server import MODEL, TeacherServer
from workflow_copy import WorkflowCopy

_FILE = "chains.yaml"  # a further configuration file in the root of the run


def reply(question: str, seed: int) -> str:
    """What the teacher writes: it says red of every color, and 7 of every digit."""
    answer = "red" if "color" in question else "7"
    chain = f"I find the digit that is asked for by its place and read it twice. So the answer is {answer}."
    return f"<think>\n{chain}\n</think>\n<answer>\n{answer}\n</answer>"


def with_chains(run: WorkflowCopy, teacher: TeacherServer) -> WorkflowCopy:
    """Add a set of chains by an endpoint, a policy that learns from it, and one with pass rates to a finished run.

    Args:
        teacher: must answer as long as the run's jobs are repeated. One with another address is asked nothing again.
    """
    teacher.delay = 0.05  # so that there is time to kill the stage that asks
    config = {
        "chains": {"far": {"by": "endpoint", "url": teacher.url, "model": MODEL, "samples": 2, "concurrency": 4}},
        "policies": {
            "taught": {"like": "sft", "chains": "far", "examples": None},
            "rated": {"like": "grpo", "pass_rate": {"of": "base", "samples": 2, "keep": [0.0, 1.0]}},
        },
    }
    (run.root / _FILE).write_text(yaml.safe_dump(config), encoding="utf-8")
    whole = WorkflowCopy(run.root, (*run.options, _FILE))
    whole.snakemake("--cores", "2", "--", "all", *CHAIN_TARGETS)
    return whole
