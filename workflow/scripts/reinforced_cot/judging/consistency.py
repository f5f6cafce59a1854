"""Whether a chain of thought leads to the policy's own answer, right or wrong.

A judge of entailment between the chain's conclusion and the answer. It never sees the true answer, so that it cannot be
a second matcher in disguise (the original's judge calls every chain consistent). It reads, in this order:

1. the result of the last step, in chains of steps ("QUERY(color): red");
2. the text behind a heading such as "Conclusion:" or a label (`stated_conclusions`, `labels`);
3. a sentence whose meaning is certain, such as a comparison of the two things that the question compares (`settled`);
4. else the whole chain (`free_chains`): how its last sentences speak of the answer, as features (`mention_features`,
   `polar_features`) with weights that were fitted to chains labelled by reading (`weights`).

Before 3 and 4, what would mislead them is put in plain words: the chain's own questions (`self_answers`), "anything
but" (`exclusions`), and the numbers and colours of other things (`other_things`).
"""

from functools import lru_cache

from reinforced_cot.data.question_format import without_format
from reinforced_cot.data.tokens import MAX_ANSWER_CHARACTERS
from reinforced_cot.judging.free_chains import judge_mentions, judge_polar, without_question
from reinforced_cot.judging.self_answers import joined
from reinforced_cot.judging.settled import settled
from reinforced_cot.judging.stated_conclusions import judge_stated, polar_answer
from reinforced_cot.matching.answer_matching import MAX_QUESTION_CHARACTERS, core, polarity
from reinforced_cot.matching.vocabulary import FRAME
from reinforced_cot.matching.words import forms, is_same_word, phrase, word_set
from reinforced_cot.reading.candidates import candidate
from reinforced_cot.reading.conclusions import MAX_CHAIN_CHARACTERS, stated_conclusion, step_results
from reinforced_cot.reading.exclusions import in_plain_words
from reinforced_cot.reading.labels import labelled_conclusion
from reinforced_cot.reading.other_things import without_other_things
from reinforced_cot.reading.sentences import (
    FUNCTION_WORDS,
    Sentence,
    all_stems,
    as_sentences,
    base_forms,
    bold_phrases,
    content_words,
    in_full,
    sentences,
)
from reinforced_cot.reading.verdict import Verdict

_CONCLUDING = word_set("therefore thus hence conclusion final answer question because step let us")
_PLAIN = FRAME | FUNCTION_WORDS | _CONCLUDING
# Words that a chain must add to question and answer; and where it takes up no word of the question.
NEW_WORDS, UNRELATED_WORDS = 3, 10
BEGINNING = 100  # characters
MAX_STATED_WORDS = 30  # no conclusion states a longer answer


def judge(think: str, answer: str, question: str = "") -> Verdict:
    """Compare the chain's conclusion with the answer.

    >>> judge("SELECT(top left): red 7\\nQUERY(color): red", "red").value
    'support'
    >>> judge("I see a bus. Conclusion: The bus is not red; it is blue.", "yes", "Is the bus red?").value
    'contradict'
    >>> judge("It looks like a cat. No, the ears are too long. So it must be a rabbit.", "cat", "What is it?").value
    'contradict'
    >>> judge("I look at the picture.", "blue", "What color is it?").value
    'unknown'
    """
    answer, question = answer[:MAX_ANSWER_CHARACTERS], without_format(question[:MAX_QUESTION_CHARACTERS])
    answer_words = core(answer)
    if not answer_words or len(answer_words) > MAX_STATED_WORDS:
        return Verdict.UNKNOWN
    results = step_results(think)
    if results and results[-1] is not None:
        return Verdict.SUPPORT if _is_same_answer(results[-1], answer) else Verdict.CONTRADICT
    answered, wanted = polar_answer(answer, question), candidate(answer, question)
    stated = _stated(think, question)
    said = stated or _read(think)
    if not stated and all(sentence.is_question for sentence in said):
        return Verdict.UNKNOWN
    is_polar = answered is not None
    read = tuple(in_plain_words(sentence, is_polar) for sentence in joined(said, question, is_polar))
    if (verdict := settled(read, question, answered, wanted)) is not None:
        return verdict
    about = read if is_polar else without_other_things(read, wanted)
    if stated:
        return judge_stated(about, answered, wanted, question, think)
    if answered is not None:
        return judge_polar(read, answered, question)
    return judge_mentions(without_question(about, question, wanted), wanted, bold_phrases(think))


@lru_cache(maxsize=8)  # several answers are judged by one chain: the policy's own, and the negative control
def _stated(think: str, question: str) -> tuple[Sentence, ...]:
    said = stated_conclusion(think, question) or labelled_conclusion(think, question) or ()
    return tuple(as_sentences(said))


@lru_cache(maxsize=8)
def _read(think: str) -> tuple[Sentence, ...]:
    return tuple(sentences(think))


def _is_same_answer(result: str, answer: str) -> bool:
    """Whether the last step results in the answer, whatever stands around either."""
    polarities = polarity(result), polarity(answer)
    if None not in polarities:
        return polarities[0] == polarities[1]
    one, other = (base_forms(core(in_full(text))) for text in (result, answer))
    return len(one) == len(other) and all(is_same_word(a, b) for a, b in zip(one, other, strict=True))


def is_bare(think: str, answer: str, question: str = "") -> bool:
    """Whether a chain says next to nothing beyond question and answer: it copies the answer and does not lead to it.

    This guards against the cheapest copying. A chain of steps must have one with a result before the last; prose must
    have `NEW_WORDS` words that stand neither in the question nor in the answer, and one that the question holds, or
    else `UNRELATED_WORDS`: three words that fit every question are a cheap beginning. To
    rule out rivals ("not red, not green, so it must be blue") does not count: such a beginning fits many questions.

    >>> is_bare("I look at it. The answer is red.", "red"), is_bare("The cup on the table has a red handle.", "red")
    (True, False)
    >>> is_bare("Lamp, rug, window. The answer is red.", "red", "What color is the cup?")
    True
    """
    results = step_results(think)
    if results and results[-1] is not None:
        return sum(bool(result) for result in results) < 2
    known, asked = _known(answer[:MAX_ANSWER_CHARACTERS], question[:MAX_QUESTION_CHARACTERS])

    def is_bare_text(text: str) -> bool:
        said = set(phrase(text)) - _PLAIN
        is_related = not asked or not all_stems(said).isdisjoint(asked)
        wanted = NEW_WORDS if is_related else UNRELATED_WORDS
        return sum(known.isdisjoint(forms(word)) for word in said) < wanted

    # The beginning of a long chain mostly shows it, and is cheaper to read.
    if len(think) > 1.5 * BEGINNING and not is_bare_text(think[:BEGINNING].rpartition(" ")[0]):
        return False
    return is_bare_text(think[:MAX_CHAIN_CHARACTERS])


@lru_cache(maxsize=512)
def _known(answer: str, question: str) -> tuple[frozenset[str], frozenset[str]]:
    """The forms of all words of an answer and its question, and the stems of what only the question holds."""
    answer_words, question_words = phrase(answer), phrase(without_format(question))
    known = frozenset(form for word in (*answer_words, *question_words) for form in forms(word))
    return known, all_stems(content_words(question_words)) - all_stems(answer_words)
