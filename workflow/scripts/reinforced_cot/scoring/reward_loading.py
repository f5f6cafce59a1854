"""From the config's ``rewards:`` to functions: built-in ones by name, a user's own by ``module:function``, all checked.

A reward that raises, or returns anything but one finite number per completion, stops the run. The message names the
reward and the completion: TRL would leave a None out of the sum and let a NaN into the gradient. A reward may be a
coroutine function (``async def``), which asks a server about many completions at once.
"""

import asyncio
import functools
import inspect
import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from reinforced_cot import own_code
from reinforced_cot.code_hashes import module_hashes
from reinforced_cot.data.examples import Example
from reinforced_cot.errors import PipelineError
from reinforced_cot.paths import SCRIPTS
from reinforced_cot.scoring.rewards import REWARDS, Reward

Weights = Mapping[str, float | None]
JUDGES = "reinforced_cot.training.judges"  # the module that asks judges
RECORD_FIELDS = ("answers", "choices", "answer_kind", "extra")  # no columns of a data set: lists, or any JSON


def used_weights(rewards: str | Weights) -> dict[str, float]:
    """The rewards that have a weight, by name: the word ``original`` or the config's mapping.

    >>> used_weights("original"), used_weights({"format": 0.5, "tag_count": None})
    ({'original': 1.0}, {'format': 0.5})
    """
    if isinstance(rewards, str):
        return {rewards: 1.0}
    return {name: weight for name, weight in rewards.items() if weight is not None}


def own_modules(rewards: str | Weights) -> list[str]:
    """The modules of the user's own rewards; a change of their code makes a policy stale."""
    return own_code.own_modules(used_weights(rewards))


def reward_hashes(rewards: str | Weights, judges: Collection[str]) -> dict[str, str]:
    """Hashes of the code that a policy's rewards need beside that of its stage: a change makes the policy stale.

    Args:
        judges: their names; without any, the code that asks judges decides nothing.
    """
    hashes = module_hashes(own_modules(rewards), Path())
    return {**hashes, **module_hashes([JUDGES], SCRIPTS)} if judges else hashes


def loading_problem(name: str) -> str | None:
    """Why a user's own reward cannot be loaded (`own_code.loading_problem`); None if it is defined."""
    return own_code.loading_problem(name, "reward")


def load_rewards(
    rewards: str | Weights,
    examples: Sequence[Example] = (),
    judges: Mapping[str, Callable[..., Any]] | None = None,
    **constants: Any,
) -> tuple[list[Reward], list[float]]:
    """The functions that have a weight, each wrapped in `checked`, and their weights, in the order of the config.

    Args:
        examples: the records that will be asked about; every reward gets their `RECORD_FIELDS`.
        judges: rewards that are models, by their names.
        constants: arguments that every reward receives besides the columns.

    Raises:
        PipelineError: a reward of the user's own cannot be imported.
    """
    weights = used_weights(rewards)
    records = {example.id: example for example in examples}
    known: Mapping[str, Callable[..., Any]] = {**REWARDS, **(judges or {})}
    functions = [
        checked(name, known.get(name) or own_code.imported(name, "reward"), records, **constants) for name in weights
    ]
    return functions, list(weights.values())


def checked(
    name: str, reward: Callable[..., Any], records: Mapping[str, Example] | None = None, **constants: Any
) -> Reward:
    """Wrap ``reward`` so that anything but one finite number per completion raises a `PipelineError`.

    It gets a list per name of `RECORD_FIELDS` besides the columns, from the records by their ids.

    TRL logs a reward under its ``__name__``: a reward of the user's own gets its module and function as name.
    """

    @functools.wraps(reward)
    def function(completions: Sequence[Any], **columns: Any) -> list[float]:
        if records:
            asked_about = [records[id] for id in columns["id"]]
            columns |= {name: [getattr(record, name) for record in asked_about] for name in RECORD_FIELDS}
        columns = {**columns, **constants}
        try:
            values = reward(completions=completions, **columns)
            if inspect.isawaitable(values):
                values = asyncio.run(_result(values))
        except PipelineError:
            raise  # it says by itself what is wrong, and a judge is not asked again to find out where
        except (Exception, SystemExit) as error:
            if inspect.iscoroutinefunction(reward):  # to ask again, completion by completion, may cost much
                text = f"reward {name} {own_code.raised(error)} for one of {len(completions)} completions"
                raise PipelineError(text) from error
            place, cause = _culprit(reward, completions, columns, error)
            raise _refusal(name, completions, columns, place, own_code.raised(cause)) from cause
        if not isinstance(values, (list, tuple)) or len(values) != len(completions):
            raise PipelineError(f"reward {name} must return a list of {len(completions)} numbers, not {values!r:.200}")
        for place, value in enumerate(values):
            if not _is_number(value):
                raise _refusal(name, completions, columns, place, f"returned {value!r}")
        return [float(value) for value in values]

    if name not in REWARDS:
        function.__name__ = name.replace(":", ".")
    return function


async def _result(values: Awaitable[Any]) -> Any:
    return await values


def _is_number(value: Any) -> bool:
    try:
        return value is not None and math.isfinite(value)
    except (TypeError, ValueError, OverflowError):
        return False


def _culprit(
    reward: Callable[..., Any], completions: Sequence[Any], columns: Mapping[str, Any], error: BaseException
) -> tuple[int, BaseException]:
    """The place of the completion that makes the reward raise, else of the first one; and the error."""
    n = len(completions)
    for place in range(n):
        columns_of_one = {
            key: value[place : place + 1] if isinstance(value, list) and len(value) == n else value
            for key, value in columns.items()
        }
        try:
            reward(completions=completions[place : place + 1], **columns_of_one)
        except (Exception, SystemExit) as cause:
            return place, cause
    return 0, error


def _refusal(
    name: str, completions: Sequence[Any], columns: Mapping[str, Any], place: int, fault: str
) -> PipelineError:
    ids = columns.get("id")
    question = f" to question {ids[place]}" if ids else ""
    text = completions[place][-1]["content"]
    return PipelineError(f"reward {name} {fault} for this completion{question}: {text!r:.1000}")
