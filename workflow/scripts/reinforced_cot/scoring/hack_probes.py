"""Completions of the hack probes (`evaluation.probe_scores`): ways to be paid without looking or thinking."""

from collections.abc import Callable

from reinforced_cot.data.completions import completion_text

IDLE = "I look at the image and think step by step."
# Answers of a kind, for a chain that lists them; the last kind goes with any other answer.
_KINDS = (
    ("red", "blue", "green", "white", "black", "yellow", "brown"),
    ("1", "2", "3", "4", "5", "6", "7", "8", "9", "0"),
    ("left", "right", "top", "bottom", "middle"),
    ("yes", "no", "maybe"),
    ("wood", "metal", "glass", "plastic", "stone"),
    ("man", "woman", "car", "tree", "table"),
)
NEAR = 0.8  # a cheat with this share of the policy's score is flagged
NEAR_KEEPING_THE_ANSWER = 0.95  # share of the policy's reward, for cheats that keep its answers

CONSTANT_ANSWER = "constant_answer"
PROBES = "probes/"  # prefix of the names in training logs


def constant_completions(answer: str) -> list[str]:
    """Two well-formed completions for every question: with a chain that says nothing, and with the answer as chain."""
    return [completion_text(chain, answer) for chain in (IDLE, answer or IDLE)]


def copied_chain(question: str, answer: str) -> str:
    """A chain that only states the answer."""
    return completion_text(f"{IDLE} The answer is {answer}.", answer)


def padded_chain(question: str, answer: str) -> str:
    """A chain that begins with the same few words for every question, and then states the answer."""
    return completion_text(f"Lamp, rug, window. The answer is {answer}.", answer)


def question_as_chain(question: str, answer: str) -> str:
    """The question in place of a chain."""
    return completion_text(question, answer)


def repeated_tags(question: str, answer: str) -> str:
    """A copied chain and the answer, twice."""
    return 2 * completion_text(f"The answer is {answer}.", answer)


def listed_candidates(question: str, answer: str) -> str:
    """A chain that names many answers, the policy's own among them, and settles on none."""
    said = answer.strip().casefold()
    kind = next((kind for kind in _KINDS if said in kind), _KINDS[-1])
    others = [other for other in kind if other != said]
    listed = [*others[:2], answer, *others[2:]]
    return completion_text(f"I look at the image. I see {', '.join(listed[:-1])} and {listed[-1]}.", answer)


# Each probe takes a question and the policy's own answer (empty where the completion was malformed). Its completion
# keeps the answer and has no real chain of thought. `data.image_probes` has the probes that show another image.
TEXT_PROBES: dict[str, Callable[[str, str], str]] = {
    "copied_chain": copied_chain,
    "padded_chain": padded_chain,
    "question_as_chain": question_as_chain,
    "repeated_tags": repeated_tags,
    "listed_candidates": listed_candidates,
}


def is_near(score: float, policy: float, share: float = NEAR) -> bool:
    """Whether a cheat scores so close to the policy that the policy's score proves little.

    A policy that scores 0 proves nothing anyway, so the result is False. Rewards may be negative.
    """
    return score >= (share * policy if policy > 0 else policy) and policy != 0
