"""When a short answer is the true one: strict, by the kind of answer, against whoever is paid for saying everything.

- yes and no: from the explicit word, or from "there are (no) ..."; never from a bare is, are or not.
- left, right and what else a question offers: by whole words, and no rival asserted beside it.
- anything else: the whole phrase, asserted once and for itself. Words that neither the truth nor the question explain
  ("red, blue, green", "hot dog" for dog) make another answer of it.
Singular and plural, articles, case, and numbers in words or digits do not count (`phrases`).
"""

from collections.abc import Sequence

from reinforced_cot.data.parsing import MAX_ANSWER_CHARACTERS
from reinforced_cot.scoring.words import ARTICLES, TURNS, is_word, negated, occurrences, phrase, same, word_set, words

YES, NO = frozenset(("yes", "yeah", "yep", "yup")), frozenset(("no", "nope"))
SIDES = (
    *(("left", "right"), ("top", "bottom"), ("upper", "lower"), ("front", "back", "behind"), ("above", "below")),
    *(("indoors", "outdoors"), ("inside", "outside"), ("open", "closed")),
)
_HEDGES = frozenset(("or", "maybe", "perhaps", "possibly", "either", "unless", "unsure", "unknown"))
# What may stand around an answer without being one.
FRAME = (
    ARTICLES
    | TURNS
    | word_set("""is are was were be been being does do did has have had can it its he she they him her his their them
    this that these those there here in on at of to from with by for as and both also very so then image picture
    photo photograph scene answer side part appears appear seems seem looks look visible shown seen located positioned
    called named color colour kind type made wearing think believe i would say just only likely probably clearly""")
)


def is_correct(answer: str | None, truth: str, question: str = "") -> bool:
    """Whether ``answer`` is the true one; a malformed completion (None) or an empty text never is.

    Args:
        question: its words may stand in the answer, too: "The cup is red." answers "What color is the cup?".

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
        return True  # whatever the truth holds that another answer may not: "no parking", "10:30"
    if "?" in tokens:
        return False
    if len(wanted) == 1 and wanted[0] in YES | NO:
        return polarity(answer) == (wanted[0] in YES)
    return _asserted(wanted, tokens, question[:MAX_ANSWER_CHARACTERS])


def core(answer: str) -> list[str]:
    """The words of an answer that carry it: without the frame of a sentence around them.

    >>> core("It is a cup of tea.")
    ['cup', 'of', 'tea']
    """
    said = phrase(answer)
    own = [i for i, word in enumerate(said) if word not in FRAME]
    return said[own[0] : own[-1] + 1] if own else said


def polarity(answer: str) -> bool | None:
    """True for a yes, False for a no, None where an answer says neither or both.

    >>> polarity("There are no cars"), polarity("Yes, it is"), polarity("yes no"), polarity("it is not")
    (False, True, None, None)
    """
    tokens = words(answer[:MAX_ANSWER_CHARACTERS])
    if not tokens or _HEDGES & set(tokens) or (YES & set(tokens) and NO & set(tokens)):
        return None
    said = _existence(tokens)
    for i, token in enumerate(tokens):
        after = tokens[i + 1] if i + 1 < len(tokens) else "."
        before = tokens[i - 1] if i else "."
        if before in ("not", "never") and token in YES | NO:
            return None
        if token in YES:
            said.add(True)
        elif token in NO and (i == 0 or not is_word(after)):
            said.add(False)
    if not said and len(tokens) - (tokens[-1] == ".") == 1:
        return {"true": True, "correct": True, "false": False, "incorrect": False}.get(tokens[0])
    return said.pop() if len(said) == 1 else None


def _existence(tokens: Sequence[str]) -> set[bool]:
    """What "there is a ..." and "there are no ..." say."""
    said = set()
    for i in range(len(tokens) - 2):
        if tokens[i] == "there" and tokens[i + 1] in ("is", "are", "was", "were"):
            said.add(tokens[i + 2] not in ("no", "not", "never"))
    return said


def _asserted(wanted: Sequence[str], tokens: Sequence[str], question: str) -> bool:
    denied = negated(tokens)
    places = occurrences(wanted, tokens)
    if not any(not any(denied[i] for i in place) for place in places) or any(denied[i] for p in places for i in p):
        return False
    if _HEDGES & (set(tokens) - set(wanted)):
        return False
    mine = {i for place in places for i in place}
    asked = [word for word in words(question) if is_word(word)]
    rivals = {rival for group in SIDES if set(group) & set(wanted) for rival in group} - set(wanted)
    rivals |= _offered(question, wanted)
    for i, token in enumerate(tokens):
        if i in mine or not is_word(token) or denied[i]:
            continue
        if any(same(token, rival) for rival in rivals):
            return False
        if token not in FRAME and not any(same(token, word) for word in asked):
            return False
    return True


def _offered(question: str, wanted: Sequence[str]) -> set[str]:
    """The words that a question sets against the true ones: on both sides of its "or", and what commas add to them."""
    tokens = [token for token in words(question) if token not in ARTICLES]
    found: set[str] = set()
    for i, token in enumerate(tokens):
        if token == "or":
            left, right = tokens[:i][::-1], tokens[i + 1 :]
            beside = {side[0] for side in (left, right) if side}
            # "in or on the box" offers in and on; "of wood or of metal" offers wood and metal.
            found |= beside if beside <= FRAME else _nearest(left) | _nearest(right)
    return {word for word in found if is_word(word) and not any(same(word, w) for w in wanted)}


def _nearest(tokens: Sequence[str]) -> set[str]:
    """The first word that is more than frame, and those that a list of commas puts beside it; else the first at all."""
    found: set[str] = set()
    wanting, passed = True, 0
    for token in tokens:
        if token == ",":
            wanting, passed = True, 0
        elif not is_word(token) or passed > 1:
            break
        elif wanting and token not in FRAME:
            found.add(token)
            wanting = False
        elif not wanting:
            passed += 1  # another word of the same item: "light brown, blue or ..."
    return found or set(tokens[:1])
