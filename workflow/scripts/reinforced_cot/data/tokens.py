"""The form in which texts are compared: tokens, made in the same way of questions, true answers and completions.

A token is a word with its combining marks, a number as a whole (``3.5``, ``10:30``, ``-5``), a symbol that changes the
meaning (``<``, ``+``), or a mark of punctuation. Typography (case, quotes, emphasis, LaTeX around an answer) is left
out. Which tokens mean the same is the matter of `matching.words`; this module is read by `prepare_data`.
"""

import unicodedata

import regex

from reinforced_cot.data.text_cleaning import canonical

MAX_ANSWER_CHARACTERS = 500  # of an answer that is compared; beyond what a question of these kinds asks for

UNMATCHABLE = f"is empty, only articles and punctuation, or longer than {MAX_ANSWER_CHARACTERS} characters"

PUNCTUATION = frozenset("?!.;:,/\n")
ARTICLES = frozenset(("a", "an", "the"))

_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d", "-"),  # hyphens, en dash, minus
        **dict.fromkeys("\u2014\u2015", " "),  # the long dash parts clauses as a blank parts words
        **dict.fromkeys("\u2018\u2019\u201b\u02bc", "'"),
        **dict.fromkeys("\u3002\u0964\u06d4", "."),  # full stops of Chinese, Hindi and Urdu
        **dict.fromkeys("\u060c\u3001", ","),
        "\u061b": ";",
        "\u061f": "?",
        "\u00d7": "*",
        "\u2044": "/",
    }
)
_POWER = regex.compile(r"[\u207a\u207b]?[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+")  # a whole one: 10⁻³, 10²³
_FRACTION_AFTER_NUMBER = regex.compile(r"(?<=\d)(?=[\u00bc-\u00be\u2150-\u215e])")  # 1½ is not 11/2

# LaTeX and markup around a word: the word alone is compared. Repetitions are bounded: a policy writes what it likes.
_COMMAND = regex.compile(r"\\(?:boxed|fbox|text\w{0,8}|math\w{0,8}|emph)\s{0,4}\{([^{}]{0,500}+)\}")
_LATEX_FRACTION = regex.compile(r"\\[dt]?frac\{(\d{1,9})\}\{(\d{1,9})\}")
_DELIMITER = regex.compile(r"\\[()\[\],;! ]|\\(?=[%$#&_{}])")
_EMPHASIS = regex.compile(r"(\*{1,3})(?=[^\s*])([^*\n]{1,500}+)(?<=[^\s*])\1(?![\w*])")
_BULLET = regex.compile(r"^[ \t]*+(?:\*|(?:\#{1,6}|>)(?=[ \t]++[^\s\d]))(?=[ \t])|\*{2,}", regex.MULTILINE)
_TAG = regex.compile(r"</?(?:b|i|u|em|strong|code|sub|sup)>")
_DOLLARS = regex.compile(r"\s*+(\${1,2})([^$\n]++)\1[\s.]*+")

_CONTRACTED = regex.compile(r"(?:\b(ca|wo|sha)|(\w))n't\b")  # can't, won't, shan't lose a letter or more
_CLITIC = regex.compile(r"(?<=[^\W\d])'(?:s|re|m)\b|(?<=\d)'(?=s\b)")  # it's, they're, the man's; 1980's is 1980s
_INITIALS = regex.compile(r"\b(?:\p{L}\.[ ]?){2,8}(?!\w)|\b(?:\p{L}\.){2,8}")  # U.S.A., J. K.
_COMPARISONS = (("<=", "\u2264"), (">=", "\u2265"), ("!=", "\u2260"), ("->", "\u2192"), ("=>", "\u2192"))

_CURRENCIES = {
    **{"$": "dollar", "\u20ac": "euro", "\u00a3": "pound", "\u00a5": "yen", "\u20b9": "rupee", "\u00a2": "cent"},
    **{"\u20a9": "won", "\u20bd": "ruble", "\u20ba": "lira", "\u20bf": "bitcoin"},
}
_AMOUNT = r"[-+]?(?:\d[\d.,:/]*\d|\d)"
_CURRENCY = regex.compile(
    rf"([-+]?)([{''.join(_CURRENCIES)}])\s?({_AMOUNT})(\s?(?:hundred|thousand|million|billion|trillion|bn|[km])\b)?"
)
_CODED = regex.compile(rf"\b(usd|eur|gbp|inr|jpy)\s?({_AMOUNT})")
_NAMED_SYMBOLS = {
    **{symbol: f" {name} " for symbol, name in _CURRENCIES.items()},
    "%": " percent ",
    "\u2030": " permille ",
    "\u00b0": " degree ",
    "&": " and ",
}
_NUMBER_SIGN = regex.compile(r"#(?=\d)")

_TOKEN = regex.compile(
    r"[\p{L}\p{M}][\p{L}\p{M}\p{N}]{2,}+|"  # most words, tried first
    r"(?<![\w)\]])[-+](?=\.?\d)(?:\d++(?:[.,:/]\d++)*+|\.\d++)"  # a number with its sign
    r"|\d++(?:[.,:/]\d++)*+|(?<![\w.])\.\d++"  # a number
    r"|\p{L}{1,2}(?:\+{1,2}|-|\#|\*)(?![\w+\-\#*])"  # a grade, a blood group, a language: B-, AB+, C#
    r"|[\p{L}\p{M}\p{N}--\d]++(?:[\p{L}\p{M}\p{N}]*+)"  # a word, combining marks included
    r"|(?<=\d\s?)-(?=\s?\d)|(?<=[)\]])-(?=\d)"  # between numbers: 2 - 3, 2-3
    r"|(?<=(?<!\p{L})\p{L}\s|\d\s)-(?=\s[\p{L}\d](?!\p{L}))"  # between variables: x - 3
    r"|[+*^@\#]|[\p{S}--[`\p{Sk}]]"  # symbols
    r"|[?!.;:,/\n]",
    regex.VERSION1,
)
_FOREIGN_DIGIT = regex.compile(r"(?![0-9])\d")
_THOUSANDS = regex.compile(r"([-+]?)(\d{1,3}(?:,\d{3})++|\d{1,2}(?:,\d{2})*+,\d{3})(\.\d++)?")
_DECIMAL = regex.compile(r"([-+]?)(\d*)\.(\d++)")


def tokens(text: str) -> tuple[str, ...]:
    """The tokens of a text, in order, lower case.

    >>> tokens("It isn't the **3.50** T-shirt, it's \\\\boxed{$1,000}!")
    ('it', 'is', 'not', 'the', '3.5', 't', 'shirt', ',', 'it', '1000', 'dollar', '!')
    >>> tokens("x <= -5"), tokens("B-"), tokens("10:30")
    (('x', '≤', '-5'), ('b-',), ('10:30',))
    """
    plain = _plain(text)
    return tuple(_number(token) if token[-1].isdecimal() else token for token in _TOKEN.findall(plain))


def is_word(token: str) -> bool:
    """Whether a token carries meaning: a word, a number or a symbol, not a mark of punctuation."""
    return token not in PUNCTUATION


def can_be_matched(truth: str) -> bool:
    """Whether an answer can be right at all where this is the true one: not too long, and more than articles and marks.

    A single "a" is a letter, such as that of an option.

    >>> can_be_matched("A"), can_be_matched("the"), can_be_matched("?!"), can_be_matched("C++")
    (True, False, False, True)
    """
    words = [token for token in tokens(truth) if is_word(token)]
    return len(truth) <= MAX_ANSWER_CHARACTERS and (bool(set(words) - ARTICLES) or words == ["a"])


def _plain(text: str) -> str:
    """The text in canonical form, lower case, without typography, symbols with a name as that name."""
    text = canonical(text)
    if not text.isascii():
        text = _POWER.sub(lambda m: f"^{unicodedata.normalize('NFKC', m[0])}", _FRACTION_AFTER_NUMBER.sub(" ", text))
        text = text.translate(_CHARACTERS)
    if "\\" in text:
        for _ in range(4):  # \boxed{\text{red}}
            text, replaced = _COMMAND.subn(r" \1 ", text)
            if not replaced:
                break
        text = _LATEX_FRACTION.sub(r"\1/\2", text).replace("\\times", "*").replace("^\\circ", "\u00b0")
        text = _DELIMITER.sub("", text)
    if "$" in text and (match := _DOLLARS.fullmatch(text)):
        text = match[2]
    if "*" in text:
        text = _EMPHASIS.sub(r" \2 ", text)
    if "*" in text or "#" in text or ">" in text:
        text = _BULLET.sub(" ", text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_CHARACTERS)
    text = text.casefold()
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = _FOREIGN_DIGIT.sub(lambda m: str(unicodedata.decimal(m[0])), text)
    if "'" in text:
        text = _CONTRACTED.sub(
            lambda m: {"ca": "can", "wo": "will", "sha": "shall"}.get(m[1], m[2] or "") + " not", text
        )
        text = _CLITIC.sub("", text)
    if "." in text:
        text = _INITIALS.sub(lambda m: "".join(c for c in m[0] if c.isalpha()) + " ", text)
    for written, symbol in _COMPARISONS:
        if written in text:
            text = text.replace(written, symbol)
    if any(sign in text for sign in _CURRENCIES):
        text = _CURRENCY.sub(lambda m: f"{m[1]}{m[3]}{_scale(m[4] or '')} {_CURRENCIES[m[2]]} ", text)
    if _CODED.search(text):
        text = _CODED.sub(r"\2 \1", text)
    if "#" in text:
        text = _NUMBER_SIGN.sub(" number ", text)
    for symbol, name in _NAMED_SYMBOLS.items():
        if symbol in text:
            text = text.replace(symbol, name)
    return text


def _scale(written: str) -> str:
    """The word for "k", "m" or "bn" behind an amount of money."""
    return {"k": " thousand", "m": " million", "bn": " billion"}.get(written.strip(), written)


def _number(token: str) -> str:
    """One way of writing a number: without thousands' commas and closing zeros. Other tokens stay as they are."""
    if match := _THOUSANDS.fullmatch(token):
        token = f"{match[1]}{match[2].replace(',', '')}{match[3] or ''}"
    if match := _DECIMAL.fullmatch(token):
        fraction = match[3].rstrip("0")
        return f"{match[1]}{match[2] or '0'}" + (f".{fraction}" if fraction else "")
    return token
