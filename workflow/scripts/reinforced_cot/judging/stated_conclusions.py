"""The verdict on a conclusion that stands behind a heading: its first sentence that decides counts.

Teachers that fill in a form ("**Conclusion:** The cup is red.") state one thing there, so that no sentence has to be
weighed against another.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher

from reinforced_cot.data.tokens import is_word
from reinforced_cot.judging.cues import ASIDE, is_undecided
from reinforced_cot.judging.sentences import FUNCTION_WORDS
from reinforced_cot.judging.verdict import Verdict
from reinforced_cot.matching.answer_matching import NO, YES
from reinforced_cot.matching.words import ENDS, is_same_word, negated, occurrences, words


def concluded_polarity(sentences: Sequence[str], question: str) -> bool | None:
    """The conclusion's answer to a yes/no question: True, False, or None where it decides nothing.

    An explicit yes or no counts first; both of them decide nothing. Otherwise the first sentence that makes or denies
    the question's statement decides.
    """
    explicit = [value for sentence in sentences if (value := _explicit_polarity(words(sentence))) is not None]
    if explicit:
        return explicit[-1] if len(set(explicit)) == 1 else None
    for sentence in sentences:
        if is_undecided(sentence):
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
    question_words = _content(words(ASIDE.sub("", question)))
    sentence_words = [token for token in tokens if is_word(token)]
    if not question_words:
        return None
    covered = [word for word in question_words if any(is_same_word(word, token) for token in sentence_words)]
    denied = negated(tokens)
    has_denial = any(no and is_word(token) for no, token in zip(denied, tokens, strict=True))
    if has_denial and len(covered) * 2 >= len(question_words):
        return False
    return True if len(covered) >= 0.75 * len(question_words) else None


def judge_choice(
    sentences: Sequence[str], answer_words: Sequence[str], rivals: Sequence[Sequence[str]], question: str
) -> Verdict:
    for sentence in sentences[::-1] if len(sentences) > 1 and "answer" in words(sentences[-1]) else sentences:
        if is_undecided(sentence):
            continue
        choices = [*answer_words, *(word for rival in rivals for word in rival)]
        tokens = without_question_tail(words(sentence), question, choices)
        chooses_answer = _is_asserted(answer_words, tokens)
        chooses_rival = any(_is_asserted(rival, tokens) for rival in rivals)
        if chooses_answer != chooses_rival:
            return Verdict.SUPPORT if chooses_answer else Verdict.CONTRADICT
    return Verdict.UNKNOWN


def judge_open(sentences: Sequence[str], answer_words: Sequence[str], question: str) -> Verdict:
    states_another = False
    for sentence in sentences:
        tokens = words(sentence)
        if _is_head(answer_words, tokens):
            return Verdict.UNKNOWN if _is_hedged(answer_words, tokens) else Verdict.SUPPORT
        states_another |= _is_on_topic(tokens, question) and not is_undecided(sentence)
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
        free = not is_word(after) or after in FUNCTION_WORDS or after.endswith(("ing", "ed", "ly")) or len(after) > 3
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


def without_question_tail(tokens: Sequence[str], question: str, choices: Sequence[str]) -> list[str]:
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
    return [token for token in tokens if is_word(token) and token not in FUNCTION_WORDS and token not in ENDS]
