"""Choices in the text of a question."""

import re
from collections.abc import Sequence


def with_choices(question: str, choices: Sequence[str]) -> str:
    """A question that names its choices: unless its text has all of them, each is added on a line with its letter.

    >>> with_choices("What is it?", ["cat", "dog"])
    'What is it?\\nA. cat\\nB. dog'
    >>> with_choices("Is it a cat or a dog?", ["cat", "dog"])
    'Is it a cat or a dog?'
    """
    if all(re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", question, re.IGNORECASE) for choice in choices):
        return question
    return "\n".join([question, *(f"{chr(ord('A') + number)}. {choice}" for number, choice in enumerate(choices))])
