r"""The chain of thought and the answer in a reply of a conversation, in the forms that data sets write them.

- ``<think>...</think><answer>...</answer>``, as this pipeline's completions;
- ``<think>...</think> answer``, as DeepSeek-R1 (arXiv:2501.12948);
- ``... \boxed{answer}``, as MATH (arXiv:2103.03874), also behind a chain in think tags.

Every other reply is an answer without a chain.
"""

import re
from typing import NamedTuple

from reinforced_cot.data.completions import ANSWER_CLOSE, ANSWER_OPEN, THINK_CLOSE, THINK_OPEN
from reinforced_cot.data.parsing import parse_completion

_BOXED = "\\boxed{"
# What may stand around the box: signs of LaTeX, emphasis and a full stop.
_AFTER = re.compile(r"(?:[$*.\s]|\\[)\]])*")
_BEFORE = " \n\t$*"


class Stated(NamedTuple):
    """A reply's chain, empty where it has none, and its answer."""

    chain: str
    answer: str


def stated(reply: str) -> Stated:
    r"""The chain and the answer of a reply.

    >>> stated("<think>It is red.</think><answer>red</answer>"), stated("<think>It is red.</think>\nred")
    (Stated(chain='It is red.', answer='red'), Stated(chain='It is red.', answer='red'))
    >>> stated(r"2 and 3 make $\boxed{5}$."), stated("red")
    (Stated(chain='2 and 3 make', answer='5'), Stated(chain='', answer='red'))
    """
    parsed = parse_completion(reply)
    if parsed.think is not None and parsed.answer is not None:
        return Stated(parsed.think, parsed.answer)
    text = reply.strip()
    if text.startswith(THINK_OPEN) and _counts(text) == (1, 1, 0, 0):
        chain, _, rest = text.removeprefix(THINK_OPEN).partition(THINK_CLOSE)
        return Stated(chain.strip(), _boxed(rest).answer)
    return _boxed(text)


def _counts(text: str) -> tuple[int, ...]:
    return tuple(map(text.count, (THINK_OPEN, THINK_CLOSE, ANSWER_OPEN, ANSWER_CLOSE)))


def _boxed(text: str) -> Stated:
    r"""What stands in ``\boxed{...}`` at the end of a text, and what stands before; else the whole text."""
    start = text.rfind(_BOXED)
    if start >= 0:
        depth, begin = 1, start + len(_BOXED)
        for place in range(begin, len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if depth == 0:
                answer = text[begin:place].strip()
                if answer and _AFTER.fullmatch(text, place + 1):
                    return Stated(_before(text[:start]), answer)
                break
    return Stated("", text.strip())


def _before(text: str) -> str:
    """A text without the signs at its end that open a formula or emphasis."""
    end = len(text)
    while end:
        if text[end - 1] in _BEFORE:
            end -= 1
        elif text.startswith(("\\(", "\\["), end - 2) and end > 1:
            end -= 2
        else:
            break
    return text[:end].strip()
