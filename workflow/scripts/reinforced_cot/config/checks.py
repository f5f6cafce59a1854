"""Checks that span several keys: what TRL would refuse an hour later is refused at dry-run.

Each check is a row of a table: the sections that it reads, and the function that gets them. It runs only if all of
these sections agree with their types, so that one mistake does not cause puzzling further messages.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from reinforced_cot.chains.settings import chain_problems
from reinforced_cot.config.configuration import Config
from reinforced_cot.config.data_checks import data_problems, gqa_problems, program_problems
from reinforced_cot.config.grpo_checks import (
    grpo_problems,
    grpo_warnings,
    prompts_problems,
    rollout_problems,
    validation_problems,
    vllm_room_problems,
)
from reinforced_cot.config.launch_checks import (
    attention_problems,
    processes_of,
    quantization_problems,
    topology_problems,
)
from reinforced_cot.config.model_checks import (
    base_model_problems,
    context_problems,
    scene_problems,
    tiny_problems,
    vllm_family_problems,
)
from reinforced_cot.config.policy_checks import Candidate, sft_problems, trainer_problems
from reinforced_cot.config.reward_checks import reward_problems
from reinforced_cot.config.trl_fields import defaults
from reinforced_cot.generation.settings import Answering
from reinforced_cot.models.settings import BaseModelSettings
from reinforced_cot.planning.batch_sizes import batch_problems
from reinforced_cot.policies.grpo import GrpoPolicy
from reinforced_cot.policies.methods import METHODS
from reinforced_cot.policies.settings import TrainedPolicy
from reinforced_cot.scoring.judge_settings import judge_problems, used_judges

Sections = Mapping[str, Any]


def _seeds(seed: int, seeds: Sequence[int]) -> Iterator[str]:
    if seed in seeds:
        yield f"`seeds` names {seed}, which is `seed` itself; leave it out: seeds are further ones"


def _answers(base_model: BaseModelSettings, answer: Answering) -> Iterator[str]:
    yield from context_problems(base_model, "answer", {"max_new_tokens": answer.max_new_tokens})


def _completions(candidate: Candidate, base_model: BaseModelSettings) -> Iterator[str]:
    yield from context_problems(base_model, candidate.key, candidate.policy.new_tokens())


Check = Callable[..., Iterator[str]]
CHECKS: list[tuple[tuple[str, ...], Check]] = [
    (("seed", "seeds"), _seeds),
    (("data",), data_problems),
    (("base_model",), base_model_problems),
    (("base_model",), tiny_problems),
    (("base_model", "image"), scene_problems),
    (("base_model", "answer"), _answers),
    (("launch", "used"), topology_problems),
    (("launch", "used", "base_model"), attention_problems),
    (("rewards", "judges"), lambda rewards, judges: reward_problems("rewards", rewards, judges)),
    (("judges",), judge_problems),
    (("evaluate", "data"), gqa_problems),
    (("chains",), lambda chains: (line for name in chains for line in chain_problems(name, chains[name]))),
    (("chains", "data"), program_problems),
]
# Of one policy: the method that the check is for (None: any), the sections beside the policy, the function.
POLICY_CHECKS: list[tuple[str | None, tuple[str, ...], Check]] = [
    (None, (), trainer_problems),
    ("sft", (), sft_problems),
    (
        "grpo",
        ("judges",),
        lambda candidate, judges: reward_problems(f"{candidate.key}.rewards", candidate.policy.rewards, judges),
    ),
    (None, ("launch",), quantization_problems),
    (None, ("base_model",), _completions),
    ("grpo", (), validation_problems),
    ("grpo", ("launch",), rollout_problems),
    ("grpo", ("base_model",), vllm_family_problems),
]
# Checks of one policy that compute with its batch size: they run only if `batch_problems` finds none.
BATCH_CHECKS: list[tuple[str | None, tuple[str, ...], Check]] = [
    ("grpo", (), grpo_problems),
    ("grpo", ("prompt",), vllm_room_problems),
    ("grpo", ("data",), prompts_problems),
]

WARNINGS: dict[str, Check] = {"grpo": grpo_warnings}  # by method


def problems(sections: Sections) -> Iterator[str]:
    """One line per problem.

    Args:
        sections: those that agree with their types, by name; ``policies`` has the valid ones, and ``made`` names those
            to check.
    """
    policies = {name: sections["policies"][name] for name in sections.get("made", ())}
    used = sorted({policy.method for policy in policies.values()}, key=list(METHODS).index)
    sections = {**sections, "used": [*used, "merge_lora", "answer"]}
    for needed, check in CHECKS:
        if are_sound(sections, needed):
            yield from check(*[sections[name] for name in needed])
    for name, policy in policies.items():
        candidate = as_candidate(name, policy, sections)
        yield from _of_policy(POLICY_CHECKS, candidate, sections)
        if refused := list(batch_problems(candidate.key, policy, candidate.policy.training, candidate.processes)):
            yield from refused
        else:
            yield from _of_policy(BATCH_CHECKS, candidate, sections)


def warnings_of(config: Config) -> list[str]:
    """One line per setting that is allowed but probably a mistake, of the policies that the report needs."""
    sections = {name: getattr(config, name) for name in Config.model_fields}
    candidates = [as_candidate(name, config.policies[name], sections) for name in config.made]
    checked = [one for one in candidates if one.policy.method in WARNINGS]
    lines = [line for one in checked for line in WARNINGS[one.policy.method](one)]
    asked = [one for one in candidates if one.key.removeprefix("policies.") in config.report]
    return [*lines, *_cut_off_answers(config.answer.max_new_tokens, asked), *_missing_keys(config)]


def _cut_off_answers(allowed: int, candidates: Sequence[Candidate]) -> Iterator[str]:
    for one in candidates:
        for key, longest in one.policy.new_tokens().items():
            if longest > allowed:
                yield (
                    f"`answer.max_new_tokens` is {allowed}, and `{one.key}.{key}` lets completions have {longest} "
                    "tokens: longer answers to the test split are cut off, and none of those is right"
                )


def _missing_keys(config: Config) -> Iterator[str]:
    policies = [config.policies[name] for name in config.made]
    rewards = [config.rewards if policy.rewards is None else policy.rewards for policy in policies if _is_rl(policy)]
    variables = {judge.key_env for given in rewards for judge in used_judges(given, config.judges).values()}
    for variable in sorted({name for name in variables if name} - os.environ.keys()):
        yield f"the environment has no {variable}, which a judge names as key_env: export it where the job runs"


def _is_rl(policy: TrainedPolicy) -> TypeGuard[GrpoPolicy]:
    return isinstance(policy, GrpoPolicy)


def as_candidate(name: str, policy: Any, sections: Sections) -> Candidate:
    """A policy as the checks take it: with TRL's defaults, and bf16 as `training.trainer.trainer_arguments` sets it."""
    stock = defaults(METHODS[policy.method].trl_config)
    bf16 = "base_model" in sections and sections["base_model"].dtype == "bfloat16"
    training = {**stock, "bf16": bf16, **policy.training}
    processes = processes_of(sections["launch"], policy.method) if "launch" in sections else 1
    return Candidate(f"policies.{name}", policy.model_copy(update={"training": training}), policy.training, processes)


def are_sound(sections: Sections, needed: Sequence[str]) -> bool:
    """Whether all sections that a check reads are sound."""
    return all(name in sections for name in needed)


def _of_policy(
    table: Sequence[tuple[str | None, tuple[str, ...], Callable[..., Iterator[str]]]],
    candidate: Candidate,
    sections: Sections,
) -> Iterator[str]:
    for method, needed, check in table:
        if method in (None, candidate.policy.method) and are_sound(sections, needed):
            yield from check(candidate, *[sections[name] for name in needed])
