"""Names of policies, which are folders of the results: what a name looks like, and the names that are taken."""

import re

BASE = "base"
# The one table of names that stand for something else in the results folder.
RESERVED = {
    BASE: "the policy that training starts from",
    "data": "the prepared data",
    "logs": "the logs",
    "benchmarks": "the stages' times",
    "report": "the report",
    "samples": "samples of what policies write",
    "replies": "what endpoints reply",
    "chains": "chains of thought that are made",
    "vision_cache": "features of images",
    r"seed_\d+": "runs at further seeds",
}
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def name_problem(name: object) -> str | None:
    """Why a policy cannot have this name, or None.

    >>> name_problem("grpo"), name_problem("seed_2")
    (None, 'the results folder needs that name for runs at further seeds; choose another')
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return "a policy's name is lower-case letters, digits and _, and begins with a letter"
    for pattern, meaning in RESERVED.items():
        if re.fullmatch(pattern, name):
            return f"the results folder needs that name for {meaning}; choose another"
    return None
