"""GQA's five structural question types, inferred from the wording where the data does not give them.

The original's files carry questions and answers without GQA's annotations. The types are those of Hudson & Manning,
"GQA: A New Dataset for Real-World Visual Reasoning", CVPR 2019:

- compare: two objects, or all of a kind, are set against each other (same, different, in common, "older than")
- choose: the question names the two alternatives of which one is the answer
- logical: a yes/no question that joins two with and, or
- verify: any other yes/no question
- query: an open question
"""

import re

from reinforced_cot.data.question_format import without_format

# "healthier", "more modern"; but "other than" and "rather than" are no comparisons.
_COMPARATIVE = r"(?:(?:more|less) \w+|(?!other\b|rather\b)\w{2,}er)"
_COMPARE = re.compile(
    r"\bin common\b|\b(?:the same|different|similar|differ)\b"
    rf"|\b{_COMPARATIVE} than\b"
    rf"|^(?:who|what|which)\b.*\b(?:is|are|looks?|seems?) {_COMPARATIVE}, .*\bor\b"
    r"|^are (?:both|all)(?: of)? (?:the|these|those)\b"
)
_AND_OR = re.compile(r"\b(?:and|or)\b")
_FIXED_PAIR = re.compile(r"\b(?:black and white|salt and pepper|mac and cheese)\b")  # one attribute or thing in GQA
_OR = re.compile(r"\bor\b")


def infer_question_type(question: str, answer: str) -> str:
    """Structural type of a question: verify, query, choose, logical or compare.

    >>> infer_question_type("Is the cup to the left or to the right of the fork?", "left")
    'choose'
    """
    wording = without_format(question).lower()
    if _COMPARE.search(wording):
        return "compare"
    if answer.lower().rstrip(".") in ("yes", "no"):
        return "logical" if _AND_OR.search(_FIXED_PAIR.sub("", wording)) else "verify"
    return "choose" if _OR.search(wording) else "query"
