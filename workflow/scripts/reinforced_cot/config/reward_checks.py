"""Checks of ``rewards``, at the top level and in a policy."""

from collections.abc import Iterator, Mapping

from reinforced_cot.scoring.judge_settings import PREFIX, Judge
from reinforced_cot.scoring.reward_loading import loading_problem, used_weights


def reward_problems(
    key: str, rewards: str | Mapping[str, float | None] | None, judges: Mapping[str, Judge]
) -> Iterator[str]:
    """Whether any reward has weight, and whether the judges and the user's own reward functions exist."""
    if rewards is None:
        return
    weights = used_weights(rewards)
    if not any(weights.values()):
        yield f"`{key}` has no weight above 0; a policy needs something to learn from"
    for name in (name.removeprefix(PREFIX) for name in weights if name.startswith(PREFIX)):
        if name not in judges:
            known = f"it has {', '.join(judges)}" if judges else "there is no judge"
            yield f"`{key}` names {PREFIX}{name}, and {known}: add `judges.{name}`, or correct the name"
    for name in (name for name in weights if ":" in name):
        if problem := loading_problem(name):
            yield f"`{key}` names {name}; {problem}"
