"""Where a chain of thought concludes: its last words on the question, as sentences."""

import re

# A conclusion is read from its end up to this length: later steps may cost more than linear time in its words.
MAX_CONCLUSION_CHARACTERS = 4_000

_MARKUP = re.compile(r"[*_`#]+")
# Every repetition is bounded or possessive: a policy may write any text, and the cost must stay linear in its length.
_OBJECT_ID = re.compile(r"[ \t]?[(\[]\d[\d, ]{0,40}+[)\]]")  # GQA's object ids and step numbers, which teachers copy
_QUOTED = re.compile('["\u201c][^"\u201c\u201d\n]{0,400}["\u201d]')
_HEADING = re.compile(
    r"^[^\w\n]{0,20}+(?:final answer|final conclusion|conclusion|answer)\b\s*:?", re.IGNORECASE | re.MULTILINE
)
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_STEP = re.compile(r"\w++\([^()]*+\)\s*+:\s*+([^:]*+)")


def step_results(think: str) -> list[str | None]:
    """For each line, the result of a step such as ``QUERY(color): red``; None where the line is no step.

    >>> step_results("I look.\\nQUERY(color): red")
    [None, 'red']
    """
    steps = (_STEP.fullmatch(line.strip()) for line in think.strip()[-MAX_CONCLUSION_CHARACTERS:].splitlines())
    return [step[1].strip() if step else None for step in steps]


def conclusion(think: str, question: str = "") -> list[str]:
    """The sentences of a chain's conclusion, without markup, object ids and quotations of the question.

    It follows the last heading such as "Conclusion:" or "Final answer:". Without a heading, it is the last paragraph,
    or the last line of a single paragraph.
    """
    text = _OBJECT_ID.sub("", _MARKUP.sub("", think)).strip()
    headings = [match.end() for match in _HEADING.finditer(text)]
    while headings and not text[headings[-1] :].strip():
        headings.pop()  # no text follows this heading
    if headings:
        region = text[headings[-1] :]
    else:
        region = text.rpartition("\n\n")[2] if "\n\n" in text else text.rpartition("\n")[2]
    plain_question = question.strip().rstrip("?").casefold()

    def unquoted(match: re.Match[str]) -> str:
        inner = match[0][1:-1]
        return " " if inner.rstrip("?").casefold() == plain_question or inner.endswith("?") else f" {inner} "

    region = _QUOTED.sub(unquoted, region[-MAX_CONCLUSION_CHARACTERS:])
    sentences = [part.strip(" -\u2022\t") for part in _SENTENCE.split(region)]
    # Questions are left out: a chain that only repeats the question would otherwise agree with every yes.
    return [part for part in sentences if re.search(r"\w", part) and not part.endswith("?")]
