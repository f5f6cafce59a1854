"""Where a chain of thought concludes: its last words on the question, as sentences."""

import re

_MARKUP = re.compile(r"[*_`#]+")
_OBJECT_ID = re.compile(r"\s*[(\[]\d[\d, ]*[)\]]")  # GQA's object ids and step numbers, which teachers copy
_QUOTED = re.compile('["\u201c][^"\u201c\u201d\n]{0,400}["\u201d]')
_HEADING = re.compile(r"^\W*(?:final answer|final conclusion|conclusion|answer)\b\s*:?", re.IGNORECASE | re.MULTILINE)
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_STEP = re.compile(r"\w+\([^()]*\)\s*:\s*([^:]*)")


def step_result(think: str) -> str | None:
    """What the last line results in where it is a step such as ``QUERY(color): red``, else None.

    >>> step_result("SELECT(top left): red 7\\nQUERY(color): red")
    'red'
    """
    lines = think.strip().splitlines()
    step = _STEP.fullmatch(lines[-1].strip()) if lines else None
    return step[1].strip() if step else None


def conclusion(think: str, question: str = "") -> list[str]:
    """The sentences of a chain's conclusion, without markup, object ids and quotations of the question.

    What follows the last heading such as "Conclusion:" or "Final answer:"; without one, the last paragraph.
    """
    text = _OBJECT_ID.sub("", _MARKUP.sub("", think)).strip()
    headings = [match.end() for match in _HEADING.finditer(text)]
    while headings and not text[headings[-1] :].strip():
        headings.pop()  # a heading with nothing below it
    if headings:
        region = text[headings[-1] :]
    else:
        region = text.rpartition("\n\n")[2] if "\n\n" in text else text.rpartition("\n")[2]
    asked = question.strip().rstrip("?").casefold()

    def unquoted(match: re.Match[str]) -> str:
        inner = match[0][1:-1]
        return " " if inner.rstrip("?").casefold() == asked or inner.endswith("?") else f" {inner} "

    sentences = [part.strip(" -\u2022\t") for part in _SENTENCE.split(_QUOTED.sub(unquoted, region))]
    return [sentence for sentence in sentences if re.search(r"\w", sentence)]
