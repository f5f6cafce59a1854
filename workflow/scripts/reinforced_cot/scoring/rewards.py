"""Rewards of RL as free functions in TRL's form: ``(completions, **columns) -> list[float]``, each logged by itself.

``completions`` holds one conversation per completion (its last message is the policy's); ``question`` and ``answer``
are the data set's columns, repeated for the G completions of a prompt. Weights stand in the config under ``rewards:``;
`reward_loading` finds the functions.
"""

from collections.abc import Callable, Mapping
from typing import Any

from reinforced_cot.answers.kinds import credit, longest
from reinforced_cot.answers.truth import Truth
from reinforced_cot.data.completions import TAGS
from reinforced_cot.data.parsing import parse_completion
from reinforced_cot.judging.by_kind import judged
from reinforced_cot.judging.consistency import is_bare
from reinforced_cot.reading.verdict import Verdict
from reinforced_cot.scoring.original import legacy_reward

MAX_ANSWER_WORDS = 3
OVERLONG_SHARE = 0.2

Completions = list[list[dict[str, Any]]]


def _texts(completions: Completions) -> list[str]:
    return [messages[-1]["content"] for messages in completions]


def format_reward(completions: Completions, **columns: Any) -> list[float]:
    """1 for a well-formed completion (`parsing.parse_completion`), else 0."""
    return [float(parse_completion(text).well_formed) for text in _texts(completions)]


def correctness_reward(completions: Completions, question: list[str], answer: list[str], **columns: Any) -> list[float]:
    """The credit of the answer: 1 for a true one, else 0; leaving it out costs as much as a wrong one.

    Args:
        columns: ``answers`` (all true answers of each question, in place of ``answer``), ``answer_kind`` and
            ``choices`` say how answers are compared (`answers.kinds`); the kind ``vqa`` gives parts of the credit.
    """
    return [
        credit(parse_completion(text).answer, truth)
        for text, truth in zip(_texts(completions), _truths(question, answer, columns), strict=True)
    ]


def consistency_reward(completions: Completions, question: list[str], answer: list[str], **columns: Any) -> list[float]:
    """The credit of an answer that follows from its chain, -1 if the chain contradicts it, right or wrong, else 0.

    A chain that only copies the answer earns nothing: it agrees with whatever is answered. A malformed completion
    counts as a contradiction: leaving the answer out must not pay.

    Args:
        columns: as for `correctness_reward`.
    """
    return [
        _consistency_value(*row) for row in zip(_texts(completions), _truths(question, answer, columns), strict=True)
    ]


def _truths(question: list[str], answer: list[str], columns: Mapping[str, Any]) -> list[Truth]:
    """What each answer is compared with; columns that a caller does not have say nothing."""
    n = len(question)
    answers = columns.get("answers") or [(true,) for true in answer]
    kinds, choices = columns.get("answer_kind") or [""] * n, columns.get("choices") or [()] * n
    return [
        Truth(tuple(true), asked, kind, tuple(offered))
        for true, asked, kind, offered in zip(answers, question, kinds, choices, strict=True)
    ]


def _consistency_value(text: str, truth: Truth) -> float:
    parsed = parse_completion(text)
    if parsed.think is None or parsed.answer is None:
        return -1.0
    verdict = judged(parsed.think, parsed.answer, truth)
    if verdict is Verdict.CONTRADICT:
        return -1.0
    if verdict is Verdict.UNKNOWN or is_bare(parsed.think, parsed.answer, truth.question):
        return 0.0
    return credit(parsed.answer, truth)


def brevity_reward(completions: Completions, question: list[str], answer: list[str], **columns: Any) -> list[float]:
    """-1 for an answer of more than 3 words, right or wrong, and for a missing answer, else 0.

    Where the record names the kind of its answer, an answer may have as many words as the true one.

    Args:
        columns: as for `correctness_reward`.
    """
    answers = [parse_completion(text).answer for text in _texts(completions)]
    limits = [longest(truth, MAX_ANSWER_WORDS) for truth in _truths(question, answer, columns)]
    return [-float(said is None or len(said.split()) > limit) for said, limit in zip(answers, limits, strict=True)]


def tag_count_reward(completions: Completions, **columns: Any) -> list[float]:
    """Share of the four tags that occur exactly once, as in open-r1: a first reward for a policy without the form."""
    return [sum(text.count(tag) == 1 for tag in TAGS) / len(TAGS) for text in _texts(completions)]


def overlong_reward(
    completions: Completions, completion_ids: list[list[int]], max_completion_length: int, **columns: Any
) -> list[float]:
    """0 up to four fifths of the maximum length, then falling to -1 at the maximum: DAPO's soft overlong punishment.

    Args:
        completion_ids: the tokens of each completion; in the paper 16384 of 20480 are free (arXiv:2503.14476, eq. 13).
    """
    free = max_completion_length * (1 - OVERLONG_SHARE)
    return [-min(1.0, max(0.0, (len(ids) - free) / (max_completion_length - free))) for ids in completion_ids]


def original_reward(completions: Completions, answer: list[str], **columns: Any) -> list[float]:
    """The original system's reward, from -1 to 3.3, for ablation (`scoring.original`)."""
    return [legacy_reward(text, truth) for text, truth in zip(_texts(completions), answer, strict=True)]


Reward = Callable[..., list[float]]
REWARDS: dict[str, Reward] = {
    "format": format_reward,
    "correctness": correctness_reward,
    "consistency": consistency_reward,
    "brevity": brevity_reward,
    "tag_count": tag_count_reward,
    "overlong": overlong_reward,
    "original": original_reward,
}
