"""The verdict on a conclusion that stands behind a heading: its first sentence that decides counts.

Teachers that fill in a form ("**Conclusion:** The cup is red.") state one thing there, so that no sentence has to be
weighed against another.
"""

import re
from collections.abc import Sequence

from reinforced_cot.data.tokens import is_word
from reinforced_cot.judging.free_chains import judge_mentions, judge_polar, without_question
from reinforced_cot.judging.mention_features import is_denied, is_listed, places_of
from reinforced_cot.judging.polar_features import bearing, explicit_answer
from reinforced_cot.matching.answer_matching import polarity
from reinforced_cot.matching.options import mentions
from reinforced_cot.matching.vocabulary import FRAME
from reinforced_cot.matching.words import occurrences, words
from reinforced_cot.reading.candidates import Candidate
from reinforced_cot.reading.sentences import FUNCTION_WORDS, Sentence, sentences
from reinforced_cot.reading.verdict import Verdict

_WORD = re.compile(r"\w+")
_MAX_VALUE = 3  # words of a conclusion that is no sentence


def judge_stated(
    stated: Sequence[Sentence], answered: bool | None, wanted: Candidate, question: str, think: str
) -> Verdict:
    """The verdict on the sentences of a stated conclusion, for a yes or a no (``answered``) or any other answer.

    Args:
        think: the whole chain. Where it names the answer, and concludes something else, the two are not the same.
    """
    if wanted.option is not None:
        return _judge_option(stated, wanted)
    if answered is not None:
        concluded = concluded_polarity(stated, question)
        if concluded is None:
            # "Answer: odd" says yes or no only beside the rest of the chain.
            return judge_polar(tuple(sentences(think)), answered, question) if _is_value(stated) else Verdict.UNKNOWN
        return Verdict.SUPPORT if concluded == answered else Verdict.CONTRADICT
    if wanted.rivals:
        return _judge_choice(stated, wanted, question)
    if (verdict := _judge_open(stated, wanted)) is not None:
        return verdict
    # What it states instead may be the answer in other words.
    is_named = _is_value(stated) and any({*_WORD.findall(think.casefold())}.issuperset(v) for v in wanted.variants)
    return Verdict.CONTRADICT if judge_mentions(stated, wanted, (), is_named) is Verdict.CONTRADICT else Verdict.UNKNOWN


def _is_value(stated: Sequence[Sentence]) -> bool:
    """Whether a conclusion is a word or a few, and no sentence."""
    return sum(is_word(token) for sentence in stated for token in sentence.tokens) <= _MAX_VALUE


def polar_answer(answer: str, question: str) -> bool | None:
    """True for a yes, False for a no, None for any other answer: "no parking" is a text on a sign."""
    tokens = words(answer)
    is_name = tokens[:1] == ("no",) and len(tokens) > 1 and is_word(tokens[1]) and tokens[1] not in FRAME
    return None if is_name else polarity(answer, question)


def concluded_polarity(stated: Sequence[Sentence], question: str) -> bool | None:
    """The conclusion's answer to a yes/no question: True, False, or None where it decides nothing.

    An explicit yes or no counts first; both of them decide nothing. Otherwise the first sentence that makes or denies
    the question's statement decides.
    """
    explicit = [value for sentence in stated if (value := explicit_answer(sentence.tokens)) is not None]
    if explicit:
        return explicit[-1] if len(set(explicit)) == 1 else None
    for sentence in stated:
        found = bearing(sentence, question)
        if found.undecided:
            return None
        if found.opposite:
            return False if not found.denies else None
        if found.denies_topic and found.covered >= 0.5:
            return False
        if found.covered >= 0.75 and not sentence.is_question:
            return True
    return None


def _judge_option(stated: Sequence[Sentence], wanted: Candidate) -> Verdict:
    """The first sentence that asserts one option, by its letter or its text, decides; as `_judge_choice`."""
    for sentence in _in_order(stated):
        asserted = {
            number
            for number, place in mentions(wanted.options, sentence.tokens)
            if not any(sentence.denied[i] for i in place)
        }
        if len(asserted) == 1 and not sentence.is_undecided:
            return Verdict.SUPPORT if asserted == {wanted.option} else Verdict.CONTRADICT
    return Verdict.UNKNOWN


def _in_order(stated: Sequence[Sentence]) -> Sequence[Sentence]:
    """The sentences, the last first where it names an "answer"."""
    return stated[::-1] if len(stated) > 1 and "answer" in stated[-1].tokens else stated


def _judge_choice(stated: Sequence[Sentence], wanted: Candidate, question: str) -> Verdict:
    """The first sentence that asserts either the answer or a rival decides."""
    for sentence in _in_order(stated):
        if sentence.is_undecided:
            continue
        (plain,) = without_question([sentence], question, wanted)
        chooses_answer = _is_asserted(wanted.words, plain)
        chooses_rival = any(_is_asserted(rival, plain) for rival in wanted.rivals)
        if chooses_answer != chooses_rival:
            return Verdict.SUPPORT if chooses_answer else Verdict.CONTRADICT
    return Verdict.UNKNOWN


def _judge_open(stated: Sequence[Sentence], wanted: Candidate) -> Verdict | None:
    """The verdict of the first sentence that asserts the answer; None where none does."""
    for sentence in stated:
        for place in places_of(wanted.words, sentence.tokens):
            if (
                is_denied(sentence, place)
                or "if" in sentence.tokens[: place.start]
                or not _is_head(sentence.tokens, place)
            ):
                continue
            return Verdict.UNKNOWN if is_listed(sentence, place, wanted) else Verdict.SUPPORT
    return None


def _is_asserted(wanted: Sequence[str], sentence: Sentence) -> bool:
    """Whether a phrase stands somewhere in a sentence and is not denied there."""
    return any(not any(sentence.denied[i] for i in place) for place in occurrences(wanted, sentence.tokens))


def _is_head(tokens: Sequence[str], place: range) -> bool:
    """Whether a phrase is a thing of its own: no short word that may be part of its name follows ("hot dog bun")."""
    after = tokens[place.stop] if place.stop < len(tokens) else "."
    return not is_word(after) or after in FUNCTION_WORDS or after.endswith(("ing", "ed", "ly")) or len(after) > 3
