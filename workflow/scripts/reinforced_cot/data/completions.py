"""The form of a completion: a chain of thought and an answer, each in its tags."""

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
ANSWER_OPEN, ANSWER_CLOSE = "<answer>", "</answer>"
TAGS = (THINK_OPEN, THINK_CLOSE, ANSWER_OPEN, ANSWER_CLOSE)  # in the order of a well-formed completion


def completion_text(chain: str, answer: str) -> str:
    """A well-formed completion, as `parsing.parse_completion` reads it back.

    >>> completion_text("QUERY(color): red", "red")
    '<think>\\nQUERY(color): red\\n</think>\\n<answer>\\nred\\n</answer>'
    """
    return f"{THINK_OPEN}\n{chain}\n{THINK_CLOSE}\n{ANSWER_OPEN}\n{answer}\n{ANSWER_CLOSE}"
