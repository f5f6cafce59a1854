"""Where a chain of thought says that it concludes: the results of its steps, and the text behind a heading."""

import re

# A chain is read from its end up to this length: what follows may cost more than linear time in its words.
MAX_CHAIN_CHARACTERS = 4_000

_MARKUP = re.compile(r"[*_`#]+")
# Every repetition is bounded or possessive: a policy may write any text, and the cost must stay linear in its length.
_OBJECT_ID = re.compile(r"[ \t]?[(\[]\d[\d, ]{0,40}+[)\]]")  # GQA's object ids and step numbers, which teachers copy
_QUOTED = re.compile('["\u201c][^"\u201c\u201d\n]{0,400}["\u201d]')
_HEADING = re.compile(
    r"^[^\w\n]{0,20}+(?:final answer|final conclusion|conclusion|answer)\b\s*:?", re.IGNORECASE | re.MULTILINE
)
# A last paragraph, or a last line, that begins so is a conclusion without a heading.
_THEREFORE = re.compile(
    r"[-*\u2022 \t]{0,4}+(?:therefore|thus|hence|in conclusion|in summary|to conclude|based on"
    r"|given (?:this|that|the))\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_STEP = re.compile(r"\w++\([^()]*+\)\s*+:\s*+([^:]*+)")


def step_results(think: str) -> list[str | None]:
    """For each line, the result of a step such as ``QUERY(color): red``; None where the line is no step.

    >>> step_results("I look.\\nQUERY(color): red")
    [None, 'red']
    """
    steps = (_STEP.fullmatch(line.strip()) for line in think.strip()[-MAX_CHAIN_CHARACTERS:].splitlines())
    return [step[1].strip() if step else None for step in steps]


def without_object_ids(text: str) -> str:
    """A text without the numbers in brackets that teachers copy from GQA's programs."""
    return _OBJECT_ID.sub("", text)


def _therefore(text: str) -> int | None:
    """Where a last paragraph or line begins that opens with "Therefore" or the like, in a text of several."""
    for end in ("\n\n", "\n"):
        start = text.rfind(end) + len(end)
        if start >= len(end) and _THEREFORE.match(text, start):
            return start
    return None


def stated_conclusion(think: str, question: str = "") -> list[str] | None:
    """The sentences behind the last heading such as "Conclusion:" or "Final answer:"; None where there is none.

    A last paragraph or line that begins with "Therefore" or the like counts, too. The sentences come without markup,
    object ids, questions, and quotations of the question.
    """
    text = plain_text(think)
    headings = [match.end() for match in _HEADING.finditer(text)]
    while headings and not text[headings[-1] :].strip():
        headings.pop()  # no text follows this heading
    start = headings[-1] if headings else _therefore(text)
    if start is None:
        return None
    return conclusion_sentences(text[start:], question)


def plain_text(think: str) -> str:
    """A chain without markup and object ids."""
    return without_object_ids(_MARKUP.sub("", think)).strip()


def conclusion_sentences(text: str, question: str) -> list[str]:
    """The sentences of a conclusion without questions, and without quotations of the question."""
    plain_question = question.strip().rstrip("?").casefold()

    def unquoted(match: re.Match[str]) -> str:
        inner = match[0][1:-1]
        return " " if inner.rstrip("?").casefold() == plain_question or inner.endswith("?") else f" {inner} "

    region = _QUOTED.sub(unquoted, text[-MAX_CHAIN_CHARACTERS:])
    sentences = [part.strip(" -\u2022\t") for part in _SENTENCE.split(region)]
    # Questions are left out: a chain that only repeats the question would otherwise agree with every yes.
    return [part for part in sentences if re.search(r"\w", part) and not part.endswith("?")]
