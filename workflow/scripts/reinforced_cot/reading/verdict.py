"""The three verdicts on a chain and an answer."""

from enum import Enum


class Verdict(Enum):
    """The relation of the chain's conclusion to the answer."""

    SUPPORT = "support"
    CONTRADICT = "contradict"
    UNKNOWN = "unknown"
