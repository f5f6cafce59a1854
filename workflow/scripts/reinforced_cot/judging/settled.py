"""The verdict of the last sentence whose meaning is certain, where nothing behind it speaks against it.

Some sentences need no weights: a comparison of the two things that the question compares (`comparisons`), or "one is
black, the other is white" where it asks about both (`quantities`), or "it is brown" where it asks whether it is green
(`values`).
"""

from collections.abc import Sequence

from reinforced_cot.judging.mention_features import is_named
from reinforced_cot.judging.polar_features import explicit_answer
from reinforced_cot.matching.words import word_set
from reinforced_cot.reading import comparisons, quantities, values
from reinforced_cot.reading.candidates import Candidate, rivals_of
from reinforced_cot.reading.cues import FIRST_THOUGHTS
from reinforced_cot.reading.sentences import Sentence
from reinforced_cot.reading.verdict import Verdict

_LOOKS = frozenset((("looks", "like"), ("look", "like"), ("kind", "of"), ("to", "say")))  # also of a settled thought
_TURNING = word_set("wait actually sorry hmm")
_SUBJECTS = word_set("it that this they he she")


def settled(read: Sequence[Sentence], question: str, answered: bool | None, wanted: Candidate) -> Verdict | None:
    """The verdict on a yes or a no (``answered``), or else on a candidate; None where no sentence settles it."""
    found = (
        comparisons.reader(question, answered, wanted),
        None if answered is None else quantities.reader(question, answered),
        None if answered is None else values.reader(question, answered),
    )
    readers = [reader for reader in found if reader is not None]
    if not readers:
        return None
    explicit = last = None
    for sentence in reversed(read):
        said = (
            None
            if answered is None or sentence.is_question or _takes_back(sentence)
            else explicit_answer(sentence.tokens)
        )
        if said is not None and explicit is None:
            explicit = Verdict.SUPPORT if said == answered else Verdict.CONTRADICT
        verdicts = {verdict for reader in readers if (verdict := reader(sentence)) is not None}
        if last is not None:
            if verdicts and last not in verdicts:
                return None  # "The bus is older. The car is older than all others."
        elif verdicts:
            last = verdicts.pop() if len(verdicts) == 1 else Verdict.UNKNOWN
            is_open = last is Verdict.UNKNOWN or sentence.phrases & FIRST_THOUGHTS - _LOOKS
            if is_open or explicit not in (None, last):
                return None
            if sentence.concludes or sentence.retracts:
                break
        elif _may_decide(sentence, wanted if answered is None else None):
            return None
    return last


def _takes_back(sentence: Sentence) -> bool:
    """Whether its "no" answers the chain itself: "No, wait, it is red"."""
    return sentence.tokens[:2] == ("no", ",") and not _TURNING.isdisjoint(sentence.tokens[2:3])


def _may_decide(sentence: Sentence, wanted: Candidate | None) -> bool:
    """Whether a sentence may change the verdict of one before it: it doubts, takes back, denies, or names an answer."""
    if sentence.is_undecided or sentence.retracts:
        return True
    if sentence.is_question:
        return False
    if any(sentence.denied) and (sentence.concludes or not _SUBJECTS.isdisjoint(sentence.tokens[:2])):
        return True
    if wanted is None:
        return False
    return "answer" in sentence.tokens or any(is_named([sentence], one) for one in (wanted, *rivals_of(wanted)))
