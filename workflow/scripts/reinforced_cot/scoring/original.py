"""The original system's matcher and reward, kept for comparison and ablation only.

Any "is" matches a yes and any "not" a no, so that one constant answer is right about both. Only the reward `original`
and the legacy figures of an evaluation use them. tests/unit/scoring/test_original.py pins their outputs on recorded
completions.
"""

import re

_THINK_OPEN, _THINK_CLOSE = re.compile("<think>", re.IGNORECASE), re.compile("</think>", re.IGNORECASE)
_ANSWER_OPEN, _ANSWER_CLOSE = re.compile("<answer>", re.IGNORECASE), re.compile("</answer>", re.IGNORECASE)
_TAGS = ("<think>", "</think>", "<answer>", "</answer>")
_DROPPED = re.compile(r"[^\w\s]")
_GROUPS = tuple(
    frozenset(group.split())
    for group in (
        "no not false nope negative cannot cant incorrect couldnt doesnt didnt isnt arent wasnt werent dont never none "
        "nothing",
        "yes true correct yep positive is are",
        "left west",
        "right east",
    )
)


def legacy_extract(completion: str) -> tuple[str, str]:
    """Chain and answer as the original extracts them: the first of each, an unclosed answer to the end, else empty."""
    return (
        _between(completion, _THINK_OPEN, _THINK_CLOSE, unclosed=False),
        _between(completion, _ANSWER_OPEN, _ANSWER_CLOSE, unclosed=True),
    )


def _between(text: str, opening: re.Pattern[str], closing: re.Pattern[str], unclosed: bool) -> str:
    """The text between two tags; two searches replace the original's pattern, which is cubic in white space."""
    start = opening.search(text)
    if start is None:
        return ""
    end = closing.search(text, start.end())
    if end is None:
        return text[start.end() :].strip() if unclosed else ""
    return text[start.end() : end.start()].strip()


def legacy_matches(text: str, truth: str) -> bool:
    """Whether the original took ``text`` to say ``truth``.

    >>> [legacy_matches("is it not right, left?", truth) for truth in ("yes", "no", "left", "right", "red")]
    [True, True, True, True, False]
    """
    said, wanted = (_DROPPED.sub("", part.lower()) for part in (text, truth))
    if said == wanted:
        return True
    for group in _GROUPS:
        if wanted in group:
            return not group.isdisjoint(re.findall(r"\w+", said))
    return wanted in said.split()


def legacy_reward(completion: str, truth: str) -> float:
    """Format (0.2 per tag that occurs) plus correctness and consistency, from -1 to 3.3."""
    think, answer = legacy_extract(completion)
    total = 0.2 * sum(tag in completion for tag in _TAGS)
    if not answer:
        return total
    if not legacy_matches(answer, truth):
        return total - 1.0
    total += 2.0
    if think:
        total += 0.5 if legacy_matches(think, truth) else -0.5
    return total - 0.5 * (len(answer.split()) > 3)
