"""Whether an expression has the form of an answer, before math-verify says whether it is equal to the true one.

math-verify computes what it is given, reads "x > 3" and "x = 4 or x = 3" as 3, and of an equation the right side. So
these are no answers: a part of the question ("1 + 2" to "What is 1 + 2?", unless the true answer is that as it stands);
sums and products that are left to be computed where the true answer is a number; relations, and several expressions
joined, where it is one value.
"""

import re

_BLANK = re.compile(r"\s+|\\[,;! ]|\\left|\\right|\$")
_EQUALS = re.compile(r"(?<![<>=!:])=(?!=)")
_LETTER = re.compile(r"(?<![A-Za-z\\])[^\W\d_](?![A-Za-z])")  # a variable, not a part of a command
_COMMAND = re.compile(r"\\[A-Za-z]+")
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:/\d+|\\?%)?|[-+]?\\[dt]?frac\{\d+\}\{\d+\}")
_JOINED = re.compile(
    r"\\\\|[&;]|\\(?:lor|land|vee|wedge|cup|cap|mid|to|rightarrow|Rightarrow|implies|iff|cancel|q?quad)\b"
)
_RELATION = re.compile(
    r"[<>\u2248\u2260\u2264\u2265]|!=|\\(?:not|neg|lnot|neq?|leq?|geq?|[lg]t|leqslant|geqslant|approx|sim)\b"
)
_SEVERAL_VALUES = re.compile(r"[,=\[\u2208\u222a]|\\(?:in|infty|pm|\{)")
_FRACTION = re.compile(r"\\[dt]?frac(?:\{([^{}]*)\}|(\w))(?:\{([^{}]*)\}|(\w))")
_NOT_IN_QUESTION = re.compile(r"[*{}()\[\]\u00b7\u00d7]|\\(?:boxed|cdot|times)")
_OPERATION = re.compile(r"[-+^/!%]|\\(?:frac|sqrt|sum|int|binom)|\\?(?:sin|cos|tan|log|ln|sqrt)")
_SCIENTIFIC = re.compile(r"(?:\*|\u00d7|\\times|\\cdot)10\^")
_LEFT_OPEN = re.compile(
    r"(?<=[\d)\]}])(?:[-+*!(\u00b7\u00d7\u00f7]|\\(?:cdot|times|div))|\)\d"
    r"|\\[dt]?binom|\\(?:sum|prod|int|lim|log|ln|lg|exp|gcd|lcm|max|min|det)"
)
_DIVISION = re.compile(r"/|\\[dt]?frac")


def plain_form(text: str) -> str:
    """An expression without blanks and the marks of mathematics around it."""
    return _BLANK.sub("", text).rstrip(".")


def is_no_answer(expression: str, true: str, question: str) -> bool:
    """Whether an expression has another form than an answer, whatever it is equal to.

    >>> is_no_answer("1 + 2", "3", "What is 1 + 2?"), is_no_answer("6/2", "3", "What is 1 + 2?")
    (True, False)
    >>> is_no_answer("0 + 3", "3", ""), is_no_answer("x > 3", "3", ""), is_no_answer("x > 3", "x > 2", "")
    (True, True, False)
    """
    if len(_EQUALS.findall(expression)) > 1 or _is_other_percent(expression, true, question):
        return True
    if not _SEVERAL_VALUES.search(true) and not _RELATION.search(true):
        if _JOINED.search(expression) or _RELATION.search(expression) or expression.count("|") % 2:
            return True
        if _NUMBER.fullmatch(plain_form(true)) and _is_left_open(plain_form(expression)):
            return True
    return _repeats(expression, question)


def other_side(expression: str) -> str | None:
    """The left side of an equation of numbers, which must be equal, too; math-verify compares the right one.

    >>> other_side("1 + 2 = 4"), other_side("x = 4"), other_side("4")
    ('1 + 2', None, None)
    """
    left, equals, _ = expression.partition("=")
    return left.strip() if equals and not _LETTER.search(_COMMAND.sub(" ", left)) else None


def _is_other_percent(expression: str, true: str, question: str) -> bool:
    return "%" in expression and "%" not in true and "%" not in question and "percent" not in question.casefold()


def _is_left_open(plain: str) -> bool:
    """Whether an expression of numbers leaves more to compute than a fraction, a power or a root."""
    value = _EQUALS.split(plain)[-1]
    if _LETTER.search(_COMMAND.sub(" ", value)):
        return False
    return bool(_LEFT_OPEN.search(_SCIENTIFIC.sub("e", value))) or len(_DIVISION.findall(value)) > 1


def _repeats(expression: str, question: str) -> bool:
    """Whether an expression with an operation in it stands in the question, brackets and signs of products aside."""
    plain, asked = map(_bare, (expression, question))
    return bool(_OPERATION.search(plain[1:])) and plain in asked


def _bare(text: str) -> str:
    fractions = _FRACTION.sub(r"\1\2/\3\4", plain_form(text).replace("\u00f7", "/").replace("\\div", "/"))
    return _NOT_IN_QUESTION.sub("", fractions)
