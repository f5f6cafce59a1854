"""Chains that the prompt opens: templates of models that think by themselves end the prompt with ``<think>``.

What the prompt has opened counts as written. SFT teaches the rest, a policy writes the rest, and whatever reads a
completion gets both parts in one text.
"""

import re

from reinforced_cot.data.completions import THINK_OPEN

_OPENED = re.compile(rf"{re.escape(THINK_OPEN)}\s*\Z")


def opened_by(prompt: str) -> str:
    r"""The beginning of a completion that stands at the end of a rendered prompt, with its white space; mostly nothing.

    >>> opened_by("<|im_start|>assistant\n<think>\n"), opened_by("<|im_start|>assistant\n")
    ('<think>\n', '')
    """
    match = _OPENED.search(prompt)
    return match[0] if match else ""


def after_opening(completion: str, opened: str) -> str:
    r"""The rest of a well-formed completion, behind what the prompt has opened.

    A prompt may open the tag with other white space behind it than completions have.

    >>> after_opening("<think>\nred\n</think>", "<think>\n"), after_opening("<think>\nred\n</think>", "<think>\n\n")
    ('red\n</think>', 'red\n</think>')
    """
    if completion.startswith(opened):
        return completion.removeprefix(opened)
    return completion.removeprefix(THINK_OPEN).removeprefix("\n")
