"""Which of the completions that might teach are kept: right, supported by their chain, and without leaks."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from reinforced_cot.answers.kinds import is_right
from reinforced_cot.answers.truth import truth_of
from reinforced_cot.chains.settings import ChainSet
from reinforced_cot.chains.taught import Chain
from reinforced_cot.data.examples import Example
from reinforced_cot.data.parsing import Parsed, parse_completion
from reinforced_cot.judging.by_kind import judged
from reinforced_cot.judging.consistency import is_bare
from reinforced_cot.processes import in_order
from reinforced_cot.reading.verdict import Verdict

SHOWN, _SHOWN_PER_REASON = 10, 3
_OPENING = 5  # words
_PART = 2000  # questions that a process judges at once
_LEAKS = {
    "names the given answer": re.compile(
        r"\b(?:given|provided|correct|true|expected|reference|gold|ground[- ]truth) (?:answer|label|solution)\b"
        r"|\bground[- ]truth\b"
        r"|\b(?:as|since|because) (?:the|we are|i am|i was) (?:answer is )?(?:given|provided|told)\b",
        re.IGNORECASE,
    ),
    "names the annotation": re.compile(
        r"\bscene graph\b|\bannotations?\b|\bbounding box|\bmetadata\b|\bobject ids?\b", re.IGNORECASE
    ),
    "holds an object's id": re.compile(r"\(\s*\d{5,}\s*\)|\b(?:obj|object|id)[ _#:]*\d{3,}\b", re.IGNORECASE),
}
_LATIN, _LETTER = re.compile(r"[A-Za-z\u00c0-\u024f]"), re.compile(r"[^\W\d_]")


class Shown(NamedTuple):
    """A completion as the report shows it, with the reason why it was left out; none if it was kept."""

    id: str
    question: str
    answer: str
    completion: str
    reason: str = ""


@dataclass
class Filtered:
    """What is left of a set's completions.

    Attributes:
        kept: the chains, in the order of the questions.
        questions: how many were asked. candidates: how many completions there were.
        rejected: how many completions were left out, by reason.
        accepted, refused: some of either.
    """

    kept: list[Chain] = field(default_factory=list)
    questions: int = 0
    candidates: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    accepted: list[Shown] = field(default_factory=list)
    refused: list[Shown] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Counts, lengths in words, and how much the chains vary."""
        words = sorted(len(one.chain.split()) for one in self.kept)
        openings = {tuple(one.chain.lower().split()[:_OPENING]) for one in self.kept}
        return {
            "questions": self.questions,
            "completions": self.candidates,
            "chains": len(self.kept),
            "questions_with_chain": len({one.id for one in self.kept}),
            "rejected": dict(self.rejected.most_common()),
            "words": {"min": words[0], "median": words[len(words) // 2], "max": words[-1]} if words else None,
            "distinct_chains": len({one.chain for one in self.kept}),
            "distinct_openings": len(openings),
            "accepted": [one._asdict() for one in self.accepted],
            "refused": [one._asdict() for one in self.refused],
        }


def _joined(parts: Iterable[Filtered]) -> Filtered:
    """The results of several parts of the questions, in their order."""
    whole, shown = Filtered(), Counter[str]()
    for part in parts:
        whole.kept += part.kept
        whole.questions += part.questions
        whole.candidates += part.candidates
        whole.rejected += part.rejected
        whole.accepted += part.accepted[: SHOWN - len(whole.accepted)]
        for row in part.refused:
            shown[row.reason] += 1
            if shown[row.reason] <= _SHOWN_PER_REASON and len(whole.refused) < SHOWN:
                whole.refused.append(row)
    return whole


def filtered(
    examples: Sequence[Example], completions: Mapping[str, Sequence[str]], chosen: ChainSet, processes: int = 1
) -> Filtered:
    """Keep the chains of a set that may be taught, at most ``per_question`` of each question.

    Args:
        completions: of each question by its id, with their tags; a question may have none.
        processes: how many judge chains; the result does not depend on it.

    Raises:
        PipelineError: a process was killed, perhaps for want of memory.
    """
    parts = [examples[start : start + _PART] for start in range(0, len(examples), _PART)]
    tasks = ((part, {one.id: completions.get(one.id, ()) for one in part}) for part in parts)
    return _joined(in_order(partial(_filtered, chosen), tasks, processes))


def _filtered(chosen: ChainSet, task: tuple[Sequence[Example], Mapping[str, Sequence[str]]]) -> Filtered:
    (examples, completions), result = task, Filtered()
    for example in examples:
        texts = completions.get(example.id, ())
        result.questions += 1
        result.candidates += len(texts)
        kept: list[str] = []
        for text in texts:
            if len(kept) == chosen.per_question:
                result.rejected["the question has enough"] += 1
                continue
            parsed = parse_completion(text)
            reason = next(_faults(parsed, example, chosen, kept), "")
            row = Shown(example.id, example.question_text, example.answer, text, reason)
            if not reason:
                kept.append(str(parsed.think))
                result.kept.append(Chain(example.id, str(parsed.think), str(parsed.answer)))
                if len(result.accepted) < SHOWN:
                    result.accepted.append(row)
                continue
            result.rejected[reason] += 1
            if result.rejected[reason] <= _SHOWN_PER_REASON and len(result.refused) < SHOWN:
                result.refused.append(row)
    return result


def _faults(parsed: Parsed, example: Example, chosen: ChainSet, kept: Sequence[str]) -> Iterator[str]:
    """Why a completion may not be taught; the cheapest checks come first.

    Args:
        kept: chains of the same question.
    """
    if parsed.think is None or parsed.answer is None:
        yield f"malformed: {parsed.problem}"
        return
    truth = truth_of(example)
    if not is_right(parsed.answer, truth):
        yield "wrong answer"
    if parsed.think in kept:
        yield "said before"
    if len(parsed.think.split()) > chosen.max_words:
        yield f"longer than {chosen.max_words} words"
    yield from (name for name, pattern in _LEAKS.items() if pattern.search(parsed.think))
    if _other_script(parsed.think, example.question):
        yield "another script than the question's"
    verdict = judged(parsed.think, parsed.answer, truth)
    if verdict is not Verdict.SUPPORT:
        yield f"the chain does not lead to the answer ({verdict.value})"
    if is_bare(parsed.think, parsed.answer, example.question_text):
        yield "the chain adds too little to question and answer"


def _other_script(chain: str, question: str) -> bool:
    """Whether most letters of a chain are of a script that the question is not written in.

    >>> _other_script("图片里是一只猫", "What is it?"), _other_script("I see a cat: 猫.", "What is it?")
    (True, False)
    """

    def latin(text: str) -> float:
        letters = len(_LETTER.findall(text))
        return len(_LATIN.findall(text)) / letters if letters else 1.0

    return (latin(chain) < 0.5) != (latin(question) < 0.5)
