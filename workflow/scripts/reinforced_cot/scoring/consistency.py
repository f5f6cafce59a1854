"""Whether a chain of thought leads to the policy's own answer, right or wrong.

A rule-based judge of entailment between the chain's conclusion and the answer. It never sees the true answer, so that
it cannot be a second matcher in disguise (the original's judge calls every chain consistent).
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from enum import Enum
from itertools import islice

from reinforced_cot.data.question_format import without_format
from reinforced_cot.data.tokens import ARTICLES, MAX_ANSWER_CHARACTERS, is_word
from reinforced_cot.scoring.answer_matching import FRAME, NO, SIDES, YES, core, polarity
from reinforced_cot.scoring.conclusions import MAX_CONCLUSION_CHARACTERS, conclusion, step_results
from reinforced_cot.scoring.words import (
    ENDS,
    is_same_word,
    negated,
    new_words,
    occurrences,
    phrase,
    word_set,
    words,
)

_ASIDE = re.compile(r"\b(?:do|does|did|can) (?:you|we) (?:think|see|believe)\b", re.IGNORECASE)
# All wordings by which the sample's teacher says that a question cannot be answered.
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
MAX_STATED_WORDS = 30  # no conclusion states a longer answer


class Verdict(Enum):
    """The relation of the chain's conclusion to the answer."""

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
    answer, question = answer[:MAX_ANSWER_CHARACTERS], without_format(question[:MAX_ANSWER_CHARACTERS])
    answer_words = core(answer)
    if not answer_words or len(answer_words) > MAX_STATED_WORDS:
        return Verdict.UNKNOWN
    results = step_results(think)
    if results and results[-1] is not None:
        return Verdict.SUPPORT if _is_same_answer(results[-1], answer) else Verdict.CONTRADICT
    sentences = conclusion(think, question)
    answered = polarity(answer)
    if answered is not None:
        concluded = concluded_polarity(sentences, question)
        if concluded is None:
            return Verdict.UNKNOWN
        return Verdict.SUPPORT if concluded == answered else Verdict.CONTRADICT
    rivals = rival_answers(question, answer_words)
    if rivals:
        return _judge_choice(sentences, answer_words, rivals, question)
    return _judge_open(sentences, answer_words, question)


def _is_same_answer(result: str, answer: str) -> bool:
    """Whether the last step results in the answer, whatever stands around either."""
    polarities = polarity(result), polarity(answer)
    if None not in polarities:
        return polarities[0] == polarities[1]
    one, other = core(result), core(answer)
    return len(one) == len(other) and all(is_same_word(a, b) for a, b in zip(one, other, strict=True))


def is_bare(think: str, answer: str, question: str = "") -> bool:
    """Whether a chain says next to nothing beyond question and answer: it copies the answer and does not lead to it.

    This guards against the cheapest copying. A chain of steps must have one before the last; prose must have
    `NEW_WORDS` words that stand neither in the question nor in the answer.

    >>> is_bare("I look at it. The answer is red.", "red"), is_bare("The cup on the table has a red handle.", "red")
    (True, False)
    """
    results = step_results(think)
    if results and results[-1] is not None:
        return sum(result is not None for result in results) < 2
    known = [*phrase(answer[:MAX_ANSWER_CHARACTERS]), *phrase(question[:MAX_ANSWER_CHARACTERS])]
    chain_words = set(phrase(think[:MAX_CONCLUSION_CHARACTERS])) - FRAME - _FUNCTION - _CONCLUDING
    return len(list(islice(new_words(chain_words, known), NEW_WORDS))) < NEW_WORDS


def concluded_polarity(sentences: Sequence[str], question: str) -> bool | None:
    """The conclusion's answer to a yes/no question: True, False, or None where it decides nothing.

    An explicit yes or no counts first; both of them decide nothing. Otherwise the first sentence that makes or denies
    the question's statement decides.
    """
    explicit = [value for sentence in sentences if (value := _explicit_polarity(words(sentence))) is not None]
    if explicit:
        return explicit[-1] if len(set(explicit)) == 1 else None
    for sentence in sentences:
        if _UNDECIDED.search(sentence):
            return None
        restated = _restated_polarity(sentence, question)
        if restated is not None:
            return restated
    return None


def _explicit_polarity(tokens: Sequence[str]) -> bool | None:
    """A yes or a no that stands for an answer: at the start, or after "answer ... is"."""
    for i, token in enumerate(tokens):
        if token not in YES | NO:
            continue
        after = tokens[i + 1] if i + 1 < len(tokens) else "."
        before = tokens[max(0, i - 12) : i]
        is_answer = i == 0 or "answer" in before or before[-1:] in (["is"], [":"])
        if is_answer and (not is_word(after) or token in YES or after in ("as", "because", "since")):
            return token in YES
    return None


def _restated_polarity(sentence: str, question: str) -> bool | None:
    """True where a sentence makes the statement that a yes/no question asks about, False where it denies it."""
    tokens = words(sentence)
    question_words = _content(words(_ASIDE.sub("", question)))
    sentence_words = [token for token in tokens if is_word(token)]
    if not question_words:
        return None
    covered = [word for word in question_words if any(is_same_word(word, token) for token in sentence_words)]
    denied = negated(tokens)
    has_denial = any(no and is_word(token) for no, token in zip(denied, tokens, strict=True))
    if has_denial and len(covered) * 2 >= len(question_words):
        return False
    return True if len(covered) >= 0.75 * len(question_words) else None


def rival_answers(question: str, answer_words: Sequence[str]) -> list[list[str]]:
    """The rivals of an answer: the opposite side, or the words that the question offers in its place.

    >>> rival_answers("Is the van red or white?", ["white"])
    [['red']]
    """
    for group in SIDES:
        if len(answer_words) == 1 and answer_words[0] in group:
            return [[side] for side in group if side != answer_words[0]]
    tokens = [token for token in words(question) if token not in ARTICLES]
    rivals = []
    for i, token in enumerate(tokens):
        if token != "or":
            continue
        n = len(answer_words)
        left, right = tokens[max(0, i - n) : i], tokens[i + 1 : i + 1 + n]
        if left and all(is_same_word(a, b) for a, b in zip(left, answer_words, strict=False)) and len(left) == n:
            rivals.append([token for token in tokens[i + 1 : i + 3] if is_word(token)][:1])
        elif len(right) == n and all(is_same_word(a, b) for a, b in zip(right, answer_words, strict=True)):
            rivals.append([token for token in tokens[max(0, i - 1) : i] if is_word(token)])
    return [rival for rival in rivals if rival]


def _judge_choice(
    sentences: Sequence[str], answer_words: Sequence[str], rivals: Sequence[Sequence[str]], question: str
) -> Verdict:
    for sentence in sentences[::-1] if len(sentences) > 1 and "answer" in words(sentences[-1]) else sentences:
        if _UNDECIDED.search(sentence):
            continue
        choices = [*answer_words, *(word for rival in rivals for word in rival)]
        tokens = _without_question_tail(words(sentence), question, choices)
        chooses_answer = _is_asserted(answer_words, tokens)
        chooses_rival = any(_is_asserted(rival, tokens) for rival in rivals)
        if chooses_answer != chooses_rival:
            return Verdict.SUPPORT if chooses_answer else Verdict.CONTRADICT
    return Verdict.UNKNOWN


def _judge_open(sentences: Sequence[str], answer_words: Sequence[str], question: str) -> Verdict:
    states_another = False
    for sentence in sentences:
        tokens = words(sentence)
        if _is_head(answer_words, tokens):
            return Verdict.UNKNOWN if _is_hedged(answer_words, tokens) else Verdict.SUPPORT
        states_another |= _is_on_topic(tokens, question) and not _UNDECIDED.search(sentence)
    return Verdict.CONTRADICT if states_another else Verdict.UNKNOWN


def _is_on_topic(tokens: Sequence[str], question: str) -> bool:
    """Whether a sentence takes up the question; if it does not state the answer, it then states another one."""
    question_words = _content(words(question))
    covered = [word for word in question_words if any(is_same_word(word, token) for token in tokens)]
    return "answer" in tokens or (bool(question_words) and 2 * len(covered) >= len(question_words))


def _is_asserted(wanted: Sequence[str], tokens: Sequence[str]) -> bool:
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


def _is_hedged(wanted: Sequence[str], tokens: Sequence[str]) -> bool:
    """Whether the phrase is one of two that the sentence does not choose between."""
    for place in occurrences(wanted, tokens):
        around = tokens[max(0, place.start - 4) : place.stop + 2]
        if "or" in around or "/" in around:
            return True
    return False


def _without_question_tail(tokens: Sequence[str], question: str, choices: Sequence[str]) -> list[str]:
    """A sentence without a repetition of the question's words after the choice: "... of the man on the right"."""
    question_words = [token for token in words(question) if is_word(token)]
    named = [i for i, token in enumerate(question_words) if token in choices]
    last = max((i for i in named if "or" in question_words[:i]), default=len(question_words))
    # The choice named last may be part of the description ("of the man on the right"): the one next to "or" counts.
    beside = [i for i in named if "or" in question_words[max(0, i - 5) : i]]
    tail = question_words[(beside[0] if beside else last) + 1 :]
    match = SequenceMatcher(None, tail, list(tokens), autojunk=False).find_longest_match()
    if match.size < 3 or match.a + match.size != len(tail):
        return list(tokens)
    return [*tokens[: match.b], *tokens[match.b + match.size :]]


def _content(tokens: Sequence[str]) -> list[str]:
    return [token for token in tokens if is_word(token) and token not in _FUNCTION and token not in ENDS]
