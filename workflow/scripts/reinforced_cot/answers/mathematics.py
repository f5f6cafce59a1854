"""Mathematical answers, compared by math-verify in a process of its own (`math_process`).

math-verify takes the last of several expressions, multiplies the letters of words, and evaluates what it is given. So
an answer must be one expression here, on one line, without words and in the form of an answer (`expression_form`).
"""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

from reinforced_cot.answers.expression_form import is_no_answer, other_side, plain_form
from reinforced_cot.answers.math_process import verified
from reinforced_cot.answers.truth import Truth
from reinforced_cot.matching.answer_matching import is_correct
from reinforced_cot.matching.vocabulary import AROUND

MAX_CHARACTERS = 200
_COMMAND = re.compile(r"\\[A-Za-z]+")
_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mbox)\s*\{([^{}]*)\}")
_BOXED = re.compile(r"\\boxed\s*\{")
_WORD = re.compile(r"[^\W\d_]{2,}")
_DISPLAY = re.compile(r"\\[()\[\]]")
_DECIMAL = re.compile(r"[-+]?\d{1,20}(?:\.\d{1,6})?", re.ASCII)
_RATIONAL = re.compile(r"([-+]?)(\d{1,20})(?:/(\d{1,20}))?", re.ASCII)
_LATEX_FRACTION = re.compile(r"([-+]?)\\[dt]?frac\{(\d{1,20})\}\{(\d{1,20})\}", re.ASCII)
_NAMES = """sin cos tan cot sec csc arcsin arccos arctan asin acos atan sinh cosh tanh log ln lg exp sqrt pi inf
infinity oo abs min max gcd lcm mod det deg dx dy dt xy xyz ab abc bc"""
_FUNCTIONS = frozenset(_NAMES.split())
_FRAME = (AROUND | frozenset(("value", "answer", "solution", "equals", "equal", "thus", "so"))) - _FUNCTIONS


def is_right(answer: str, true: str, truth: Truth, settings: Mapping[str, float]) -> bool:
    """Whether an answer is the true expression in another form, as math-verify sees it."""
    said, wanted = plain_form(answer), plain_form(true)
    if said == wanted:
        return True
    if _words(true):
        return is_correct(answer, true, truth.question, as_text=True)
    expression = _expression(answer)
    expected = true.strip().strip("$")
    if expression is None or is_no_answer(expression, expected, truth.question):
        return False
    if (are_equal := _are_equal_numbers(said, wanted)) is not None:
        return are_equal
    if "%" in expression:  # math-verify takes 300 % for 3, and 3 % as well
        expected, expression = (text.replace("\\%", "").replace("%", "") for text in (expected, expression))
    other = other_side(expression)
    return verified(expected, expression) and (other is None or verified(expected, other))


def _are_equal_numbers(said: str, wanted: str) -> bool | None:
    """Whether two plain numbers are equal; None for anything else. Most answers are compared without a process.

    A decimal number and a fraction are left to math-verify, which looks at six digits.
    """
    for number in (_decimal, _fraction):
        one, other = number(said), number(wanted)
        if one is not None and other is not None:
            return one == other
    return None


def _decimal(plain: str) -> Fraction | None:
    return Fraction(plain) if _DECIMAL.fullmatch(plain) else None


def _fraction(plain: str) -> Fraction | None:
    match = _RATIONAL.fullmatch(plain) or _LATEX_FRACTION.fullmatch(plain)
    if match is None or (match[3] is not None and not int(match[3])):
        return None
    value = Fraction(int(match[2]), int(match[3] or 1))
    return -value if match[1] == "-" else value


def _words(text: str) -> list[str]:
    """The words of a text that are neither commands nor functions."""
    plain = _COMMAND.sub(" ", _TEXT.sub(r" \1 ", text))
    return [word for word in _WORD.findall(plain) if word.casefold() not in _FUNCTIONS]


def _expression(answer: str) -> str | None:
    """The one expression of an answer, without the words around it; None where there are several, or other words."""
    text = _DISPLAY.sub("$", answer).strip().rstrip(".")
    if len(text) > MAX_CHARACTERS or "\n" in text or "?" in text or len(_BOXED.findall(text)) > 1:
        return None
    marks = text.count("$")
    if marks and (marks not in (2, 4) or len([part for part in text.split("$")[1::2] if part]) > 1):
        return None
    if marks:
        outside = " ".join(text.split("$")[0::2])
        if re.search(r"\d", outside):
            return None
    if any(word.casefold() not in _FRAME for word in _words(text)):
        return None
    if marks:
        inner = next(part for part in text.split("$")[1::2] if part) if text.strip("$ ") else ""
    else:
        inner = re.sub(
            r"(?<!\\)\b[^\W\d_]{2,}\b", lambda match: match[0] if match[0].casefold() in _FUNCTIONS else " ", text
        )
        inner = inner if _COMMAND.search(text) is None else text
    return inner.strip(" :") or None


def cheats(truths: Sequence[Truth]) -> list[str]:
    """Expressions that a lax comparison may take for many: identities, nothing in a box, several numbers."""
    return ["x", "0", "1", "0 = 0", "\\boxed{}", "\\{0, 1, 2, 3\\}", "x = x"]
