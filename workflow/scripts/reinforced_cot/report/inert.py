"""Text of models, questions and file names that can do nothing to the page that shows it."""

_KEPT = frozenset("\n\t\u200c\u200d")  # breaks, and joiners that scripts and emoji need


def inert(text: str) -> str:
    """The text with control characters, and marks that turn the direction of writing, replaced by U+FFFD.

    >>> inert("red\\x1b[31m \\u202eder\\n")
    'red\ufffd[31m \ufffdder\\n'
    """
    if text.replace("\n", "").isprintable():
        return text  # nearly all texts, at a tenth of the time
    return "".join(one if one.isprintable() or one in _KEPT else "\ufffd" for one in text)
