"""Whether a chain of thought leads to the policy's own answer, right or wrong.

A rule-based judge of entailment between the chain's conclusion and the answer. It never sees the true answer, so that
it cannot be a second matcher in disguise (the original's calls every chain consistent).
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from enum import Enum

from reinforced_cot.data.parsing import MAX_ANSWER_CHARACTERS
from reinforced_cot.scoring.answer_matching import FRAME, NO, SIDES, YES, core, polarity
from reinforced_cot.scoring.conclusions import MAX_CONCLUSION_CHARACTERS, conclusion, step_results
from reinforced_cot.scoring.words import ARTICLES, ENDS, is_word, negated, occurrences, phrase, same, word_set, words

_ASIDE = re.compile(r"\b(?:do|does|did|can) (?:you|we) (?:think|see|believe)\b", re.IGNORECASE)
# That nothing can be said, in every wording of the sample's teacher.
_UNDECIDED = re.compile(
    r"\b(?:cannot|can not|can't|could not|unable to|not possible to|impossible to|difficult to) (?:be )?"
    r"(?:\w+ ){0,2}?(?:determined?|answer(?:ed)?|verify|verified|confirm(?:ed)?|identify|identified|say|tell)\b"
    r"|\bunclear\b|\bundetermined\b|\bnot (?:clear|certain|sure|specified|possible)\b",
    re.IGNORECASE,
)
_FUNCTION = ARTICLES | word_set(
    """is are was were be been being am do does did has have had can could will would should may might must it its he
    she they him her his their them this that these those there here who whom which what where when how why in on at of
    to from with by for as and or nor not no yes into onto than then so if also both either neither all any some each
    based upon"""
)
_CONCLUDING = word_set("therefore thus hence conclusion final answer question because step let us")
NEW_WORDS = 3
MAX_STATED_WORDS = 30  # a longer answer is none that a conclusion states


class Verdict(Enum):
    """What the chain's conclusion says about the answer."""

    SUPPORT = "support"
    CONTRADICT = "contradict"
    UNKNOWN = "unknown"


def judge(think: str, answer: str, question: str = "") -> Verdict:
    """Compare the chain's conclusion with the answer.

    >>> judge("SELECT(top left): red 7\\nQUERY(color): red", "red").value
    'support'
    >>> judge("I see a bus. Conclusion: The bus is not red; it is blue.", "yes", "Is the bus red?").value
    'contradict'
    >>> judge("I look at the picture.", "blue", "What color is it?").value
    'unknown'
    """
    answer, question = answer[:MAX_ANSWER_CHARACTERS], question[:MAX_ANSWER_CHARACTERS]
    own = core(answer)
    if not own or len(own) > MAX_STATED_WORDS:
        return Verdict.UNKNOWN
    results = step_results(think)
    if results and results[-1] is not None:
        return Verdict.SUPPORT if _is_same_answer(results[-1], answer) else Verdict.CONTRADICT
    sentences = conclusion(think, question)
    said = polarity(answer)
    if said is not None:
        found = concluded_polarity(sentences, question)
        if found is None:
            return Verdict.UNKNOWN
        return Verdict.SUPPORT if found == said else Verdict.CONTRADICT
    rivals = alternatives(question, own)
    if rivals:
        return _chosen(sentences, own, rivals, question)
    return _open(sentences, own, question)


def _is_same_answer(result: str, answer: str) -> bool:
    """Whether the last step results in the answer, whatever stands around either."""
    said = polarity(result), polarity(answer)
    if None not in said:
        return said[0] == said[1]
    one, other = core(result), core(answer)
    return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))


def is_bare(think: str, answer: str, question: str = "") -> bool:
    """Whether a chain says next to nothing that question and answer do not: it copies the answer, it leads nowhere.

    A guard against the cheapest copying: of steps it asks for one before the last, of prose for `NEW_WORDS`.

    >>> is_bare("I look at it. The answer is red.", "red"), is_bare("The cup on the table has a red handle.", "red")
    (True, False)
    """
    results = step_results(think)
    if results and results[-1] is not None:
        return sum(result is not None for result in results) < 2
    known = [*phrase(answer[:MAX_ANSWER_CHARACTERS]), *phrase(question[:MAX_ANSWER_CHARACTERS])]
    said = set(phrase(think[:MAX_CONCLUSION_CHARACTERS])) - FRAME - _FUNCTION - _CONCLUDING
    new = [word for word in said if not any(same(word, other) for other in known)]
    return len(new) < NEW_WORDS


def concluded_polarity(sentences: Sequence[str], question: str) -> bool | None:
    """What the conclusion answers to a yes/no question: True, False, or None where it does not say.

    An explicit yes or no counts first, the last one stated; then whether the question's statement is made or denied.
    """
    explicit = [said for sentence in sentences if (said := _explicit(words(sentence))) is not None]
    if explicit:
        return explicit[-1] if len(set(explicit)) == 1 else None
    for sentence in sentences:
        if _UNDECIDED.search(sentence):
            return None
        stated = _restated(sentence, question)
        if stated is not None:
            return stated
    return None


def _explicit(tokens: Sequence[str]) -> bool | None:
    """A yes or a no that stands for an answer: at the start, or behind "answer ... is"."""
    for i, token in enumerate(tokens):
        if token not in YES | NO:
            continue
        after = tokens[i + 1] if i + 1 < len(tokens) else "."
        before = tokens[max(0, i - 12) : i]
        told = i == 0 or "answer" in before or before[-1:] in (["is"], [":"])
        if told and (not is_word(after) or token in YES or after in ("as", "because", "since")):
            return token in YES
    return None


def _restated(sentence: str, question: str) -> bool | None:
    """True where a sentence makes the statement that a yes/no question asks about, False where it denies it."""
    tokens = words(sentence)
    asked = _content(words(_ASIDE.sub("", question)))
    told = [token for token in tokens if is_word(token)]
    if not asked:
        return None
    covered = [word for word in asked if any(same(word, token) for token in told)]
    denied = negated(tokens)
    if any(no and is_word(token) for no, token in zip(denied, tokens, strict=True)) and len(covered) * 2 >= len(asked):
        return False
    return True if len(covered) >= 0.75 * len(asked) else None


def alternatives(question: str, own: Sequence[str]) -> list[list[str]]:
    """The rivals of an answer: what the question offers in its place, or the opposite side.

    >>> alternatives("Is the van red or white?", ["white"])
    [['red']]
    """
    for group in SIDES:
        if len(own) == 1 and own[0] in group:
            return [[side] for side in group if side != own[0]]
    tokens = [token for token in words(question) if token not in ARTICLES]
    rivals = []
    for i, token in enumerate(tokens):
        if token != "or":
            continue
        n = len(own)
        left, right = tokens[max(0, i - n) : i], tokens[i + 1 : i + 1 + n]
        if left and all(same(a, b) for a, b in zip(left, own, strict=False)) and len(left) == n:
            rivals.append([token for token in tokens[i + 1 : i + 3] if is_word(token)][:1])
        elif len(right) == n and all(same(a, b) for a, b in zip(right, own, strict=True)):
            rivals.append([token for token in tokens[max(0, i - 1) : i] if is_word(token)])
    return [rival for rival in rivals if rival]


def _chosen(sentences: Sequence[str], own: Sequence[str], rivals: Sequence[Sequence[str]], question: str) -> Verdict:
    for sentence in sentences[::-1] if len(sentences) > 1 and "answer" in words(sentences[-1]) else sentences:
        if _UNDECIDED.search(sentence):
            continue
        choices = [*own, *(word for rival in rivals for word in rival)]
        tokens = _without_repetition(words(sentence), question, choices)
        mine = _asserted(own, tokens)
        theirs = any(_asserted(rival, tokens) for rival in rivals)
        if mine != theirs:
            return Verdict.SUPPORT if mine else Verdict.CONTRADICT
    return Verdict.UNKNOWN


def _open(sentences: Sequence[str], own: Sequence[str], question: str) -> Verdict:
    stated = False
    for sentence in sentences:
        tokens = words(sentence)
        if _is_head(own, tokens):
            return Verdict.UNKNOWN if _hedged(own, tokens) else Verdict.SUPPORT
        stated |= _on_topic(tokens, question) and not _UNDECIDED.search(sentence)
    return Verdict.CONTRADICT if stated else Verdict.UNKNOWN


def _on_topic(tokens: Sequence[str], question: str) -> bool:
    """Whether a sentence takes up the question, so that what it says instead of an answer is another answer."""
    asked = _content(words(question))
    covered = [word for word in asked if any(same(word, token) for token in tokens)]
    return "answer" in tokens or (bool(asked) and 2 * len(covered) >= len(asked))


def _asserted(wanted: Sequence[str], tokens: Sequence[str]) -> bool:
    """Whether a phrase stands somewhere in the text and is not denied there."""
    denied = negated(tokens)
    return any(not any(denied[i] for i in place) for place in occurrences(wanted, tokens))


def _is_head(wanted: Sequence[str], tokens: Sequence[str]) -> bool:
    """Whether a phrase is asserted as a thing of its own: "bed" is not in "a bed frame"."""
    denied = negated(tokens)
    for place in occurrences(wanted, tokens):
        after = tokens[place.stop] if place.stop < len(tokens) else "."
        free = not is_word(after) or after in _FUNCTION or after.endswith(("ing", "ed", "ly")) or len(after) > 3
        if not any(denied[i] for i in place) and free:
            return True
    return False


def _hedged(wanted: Sequence[str], tokens: Sequence[str]) -> bool:
    """Whether the phrase is one of two that the sentence does not choose between."""
    for place in occurrences(wanted, tokens):
        around = tokens[max(0, place.start - 4) : place.stop + 2]
        if "or" in around or "/" in around:
            return True
    return False


def _without_repetition(tokens: Sequence[str], question: str, choices: Sequence[str]) -> list[str]:
    """A sentence without what repeats the question's words after the choice: "... of the man on the right"."""
    asked = [token for token in words(question) if is_word(token)]
    last = max((i for i, token in enumerate(asked) if token in choices and "or" in asked[:i]), default=len(asked))
    # The choice named last may be part of the description ("of the man on the right"): the one next to "or" counts.
    beside = [i for i, token in enumerate(asked) if token in choices and "or" in asked[max(0, i - 5) : i]]
    tail = asked[(beside[0] if beside else last) + 1 :]
    match = SequenceMatcher(None, tail, list(tokens), autojunk=False).find_longest_match()
    if match.size < 3 or match.a + match.size != len(tail):
        return list(tokens)
    return [*tokens[: match.b], *tokens[match.b + match.size :]]


def _content(tokens: Sequence[str]) -> list[str]:
    return [token for token in tokens if is_word(token) and token not in _FUNCTION and token not in ENDS]
