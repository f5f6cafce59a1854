"""Whether a chain of thought leads to the policy's own answer, right or wrong."""

from enum import Enum

from reinforced_cot.answers import normalised


class Verdict(Enum):
    """What the chain's conclusion says about the answer."""

    SUPPORT = "support"
    CONTRADICT = "contradict"
    UNKNOWN = "unknown"


def judge(think: str, answer: str) -> Verdict:
    """Compare the last line of the chain with the answer.

    A step such as ``QUERY(color): red`` concludes in what follows its last colon; another sentence supports the answer
    that it names as whole words. A line that names no conclusion is UNKNOWN, not a contradiction.

    >>> judge("SELECT(top left): red 7\\nQUERY(color): red", "red").value
    'support'
    >>> judge("SELECT(top left): red 7\\nQUERY(color): red", "blue").value
    'contradict'
    >>> judge("I look at the picture.", "blue").value
    'unknown'
    """
    lines = [line for line in think.splitlines() if line.strip()]
    own = normalised(answer)
    if not lines or not own:
        return Verdict.UNKNOWN
    step, colon, result = lines[-1].rpartition(":")
    if colon and step.rstrip().endswith(")"):
        return Verdict.SUPPORT if normalised(result) == own else Verdict.CONTRADICT
    return Verdict.SUPPORT if f" {own} " in f" {normalised(lines[-1])} " else Verdict.UNKNOWN
