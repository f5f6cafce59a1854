"""The parser of completions: a chain of thought and an answer, or what is wrong with the text.

It stands apart from `completions`, which answering imports: a change of the parser asks no question again.
"""

from dataclasses import dataclass

from reinforced_cot.data.completions import ANSWER_CLOSE, ANSWER_OPEN, TAGS, THINK_CLOSE, THINK_OPEN
from reinforced_cot.data.tokens import MAX_ANSWER_CHARACTERS

# More than any policy may write (a token has about 4 characters); longer text of other systems is malformed.
MAX_CHARACTERS = 100_000


@dataclass(frozen=True)
class Parsed:
    """A completion's parts, or why it has none.

    Attributes:
        think: text between the think tags, stripped; None if the completion is malformed.
        answer: text between the answer tags, stripped; None if the completion is malformed.
        problem: None for a well-formed completion, else what is wrong with it.
    """

    think: str | None
    answer: str | None
    problem: str | None

    @property
    def well_formed(self) -> bool:
        return self.problem is None


def parse_completion(text: str) -> Parsed:
    """Read ``<think>..</think><answer>..</answer>``: each tag once, in order, both parts non-empty, nothing outside.

    Plain string searches, so the cost is linear in the text (the original's pattern was cubic in blanks).

    >>> parse_completion("<think>it is red</think> <answer>red</answer>").answer
    'red'
    >>> parse_completion("<think>it is red</think>").problem
    'no <answer>'
    """

    def malformed(problem: str) -> Parsed:
        return Parsed(None, None, problem)

    if len(text) > MAX_CHARACTERS:
        return malformed(f"longer than {MAX_CHARACTERS} characters")
    for tag in TAGS:
        if (count := text.count(tag)) != 1:
            return malformed(f"no {tag}" if count == 0 else f"{count} times {tag}")
    positions = [text.index(tag) for tag in TAGS]
    if positions != sorted(positions):
        return malformed("tags in the wrong order")
    think = text[positions[0] + len(THINK_OPEN) : positions[1]].strip()
    answer = text[positions[2] + len(ANSWER_OPEN) : positions[3]].strip()
    outside = (
        text[: positions[0]]
        + text[positions[1] + len(THINK_CLOSE) : positions[2]]
        + text[positions[3] + len(ANSWER_CLOSE) :]
    )
    if outside.strip():
        return malformed("text outside the tags")
    if not think:
        return malformed("empty chain of thought")
    if not answer:
        return malformed("empty answer")
    if len(answer) > MAX_ANSWER_CHARACTERS:
        return malformed(f"an answer of more than {MAX_ANSWER_CHARACTERS} characters")
    return Parsed(think, answer, None)
