"""When a short answer is the true one: strict rules per kind of answer; naming several answers is never right.

- yes and no: from the explicit word, or from "there are (no) ..."; never from a bare is, are or not.
- left, right and other choices that a question offers: by whole words, with no rival asserted beside them.
- all other answers: the whole phrase, asserted and never denied. Words that neither the truth nor the question explain
  ("red, blue, green", "hot dog" for dog) make it another answer.
Singular and plural, articles, case, and numbers in words or digits do not count (`words`).
"""

from collections.abc import Sequence

from reinforced_cot.data.parsing import MAX_ANSWER_CHARACTERS
from reinforced_cot.scoring.words import (
    ARTICLES,
    TURNS,
    is_same_word,
    is_word,
    negated,
    occurrences,
    phrase,
    word_set,
    words,
)

YES, NO = frozenset(("yes", "yeah", "yep", "yup")), frozenset(("no", "nope"))
SIDES = (
    *(("left", "right"), ("top", "bottom"), ("upper", "lower"), ("front", "back", "behind"), ("above", "below")),
    *(("indoors", "outdoors"), ("inside", "outside"), ("open", "closed")),
)
_HEDGES = frozenset(("or", "maybe", "perhaps", "possibly", "either", "unless", "unsure", "unknown"))
# Words that may stand around an answer without being part of it.
FRAME = (
    ARTICLES
    | TURNS
    | word_set("""is are was were be been being does do did has have had can it its he she they him her his their them
    this that these those there here in on at of to from with by for as and both also very so then image picture
    photo photograph scene answer side part appears appear seems seem looks look visible shown seen located positioned
    called named color colour kind type made wearing think believe i would say just only likely probably clearly""")
)


def is_correct(answer: str | None, truth: str, question: str = "") -> bool:
    """Whether ``answer`` is the true one; None (a malformed completion) and an empty text never are.

    Args:
        question: its words may stand in the answer as well: "The cup is red." answers "What color is the cup?".

    >>> is_correct("A tennis racket.", "tennis rackets"), is_correct("not red but blue", "red")
    (True, False)
    >>> is_correct("No, there are not.", "no", "Are there cars?"), is_correct("is it not right, left?", "no")
    (True, False)
    """
    wanted = phrase(truth)
    if not answer or not wanted or len(answer) > MAX_ANSWER_CHARACTERS:
        return False
    tokens = words(answer)
    if tokens == words(truth):
        return True  # also truths that the rules below refuse: "no parking", "10:30"
    if "?" in tokens:
        return False
    if len(wanted) == 1 and wanted[0] in YES | NO:
        return polarity(answer) == (wanted[0] in YES)
    return _asserts_only(wanted, tokens, question[:MAX_ANSWER_CHARACTERS])


def core(answer: str) -> list[str]:
    """The words that carry an answer, without the frame of a sentence around them.

    >>> core("It is a cup of tea.")
    ['cup', 'of', 'tea']
    """
    answer_words = phrase(answer)
    positions = [i for i, word in enumerate(answer_words) if word not in FRAME]
    return answer_words[positions[0] : positions[-1] + 1] if positions else answer_words


def polarity(answer: str) -> bool | None:
    """True for a yes, False for a no, None for an answer that says neither or both.

    >>> polarity("There are no cars"), polarity("Yes, it is"), polarity("yes no"), polarity("it is not")
    (False, True, None, None)
    """
    tokens = words(answer[:MAX_ANSWER_CHARACTERS])
    if not tokens or _HEDGES & set(tokens) or (YES & set(tokens) and NO & set(tokens)):
        return None
    claims = _existence_claims(tokens)
    for i, token in enumerate(tokens):
        after = tokens[i + 1] if i + 1 < len(tokens) else "."
        before = tokens[i - 1] if i else "."
        if before in ("not", "never") and token in YES | NO:
            return None
        if token in YES:
            claims.add(True)
        elif token in NO and (i == 0 or not is_word(after)):
            claims.add(False)
    if not claims and len(tokens) - (tokens[-1] == ".") == 1:
        return {"true": True, "correct": True, "false": False, "incorrect": False}.get(tokens[0])
    return claims.pop() if len(claims) == 1 else None


def _existence_claims(tokens: Sequence[str]) -> set[bool]:
    """True for each "there is a ...", False for each "there are no ..."."""
    claims = set()
    for i in range(len(tokens) - 2):
        if tokens[i] == "there" and tokens[i + 1] in ("is", "are", "was", "were"):
            claims.add(tokens[i + 2] not in ("no", "not", "never"))
    return claims


def _asserts_only(wanted: Sequence[str], tokens: Sequence[str], question: str) -> bool:
    """Whether ``tokens`` assert the phrase ``wanted`` and no other answer to the question."""
    denied = negated(tokens)
    positions = {i for place in occurrences(wanted, tokens) for i in place}
    if not positions or any(denied[i] for i in positions):
        return False
    if _HEDGES & (set(tokens) - set(wanted)):
        return False
    question_words = [word for word in words(question) if is_word(word)]
    rivals = {rival for group in SIDES if set(group) & set(wanted) for rival in group} - set(wanted)
    rivals |= _offered(question, wanted)
    for i, token in enumerate(tokens):
        if i in positions or not is_word(token) or denied[i]:
            continue
        if any(is_same_word(token, rival) for rival in rivals):
            return False
        if token not in FRAME and not any(is_same_word(token, word) for word in question_words):
            return False
    return True


def _offered(question: str, wanted: Sequence[str]) -> set[str]:
    """The words that a question offers beside the true ones: on both sides of its "or", and in a list with commas."""
    tokens = [token for token in words(question) if token not in ARTICLES]
    offered: set[str] = set()
    for i, token in enumerate(tokens):
        if token == "or":
            left, right = tokens[:i][::-1], tokens[i + 1 :]
            beside = {side[0] for side in (left, right) if side}
            # "in or on the box" offers in and on; "of wood or of metal" offers wood and metal.
            offered |= beside if beside <= FRAME else _nearest(left) | _nearest(right)
    return {word for word in offered if is_word(word) and not any(is_same_word(word, true) for true in wanted)}


def _nearest(tokens: Sequence[str]) -> set[str]:
    """The first word outside the frame, and those beside it in a list with commas; without one, the first word."""
    nearest: set[str] = set()
    wanting, passed = True, 0
    for token in tokens:
        if token == ",":
            wanting, passed = True, 0
        elif not is_word(token) or passed > 1:
            break
        elif wanting and token not in FRAME:
            nearest.add(token)
            wanting = False
        elif not wanting:
            passed += 1  # another word of the same item: "light brown, blue or ..."
    return nearest or set(tokens[:1])
