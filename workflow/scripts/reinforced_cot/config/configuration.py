"""The whole configuration as one object, and the key, type, default and meaning of what stands at its top level."""

import os
from collections.abc import Mapping
from typing import Annotated, Any, cast

from pydantic import AfterValidator, Field, SerializeAsAny, create_model
from pydantic_core import PydanticCustomError

from reinforced_cot.chains.policy_keys import DATA
from reinforced_cot.chains.settings import ChainSet
from reinforced_cot.data.settings import PixelBudget, Prompt
from reinforced_cot.evaluation.settings import Evaluating
from reinforced_cot.generation.settings import Answering
from reinforced_cot.launch.settings import CpuJob, Job
from reinforced_cot.models.settings import BaseModelSettings
from reinforced_cot.policies.graph import made_for
from reinforced_cot.policies.grpo import Rewards
from reinforced_cot.policies.methods import METHODS
from reinforced_cot.policies.settings import TrainedPolicy
from reinforced_cot.publishing.settings import Push
from reinforced_cot.scoring.judge_settings import Judge
from reinforced_cot.section import Section, Seed, Text
from reinforced_cot.sources.settings import DataSettings
from reinforced_cot.trackers.settings import Trackers

DEFAULT_REWARDS: dict[str, float | None] = {"format": 0.5, "correctness": 2.0, "consistency": 0.5, "brevity": 0.5}


def _without_repetition(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("explained", "it names an entry twice")
    return values


def _plain_folder(path: str) -> str:
    """A folder that has one spelling: to Snakemake, `results//x` and `results/x` are two files."""
    if any(character in path for character in "{}") or path.startswith("~"):
        raise PydanticCustomError("explained", "a folder may not contain { or }, or begin with ~; write it out")
    if (plain := os.path.normpath(path)) != path:
        raise PydanticCustomError("explained", "write {plain}", {"plain": plain})
    return path


class PathVars(Section):
    """Snakemake's own path variables: `<results>` in a rule's path."""

    results: Annotated[Text, AfterValidator(_plain_folder)] = "results"
    """Folder of everything that a run writes."""


class LaunchSettings(Section):
    """What one job of each stage gets."""

    def of(self, stage: str) -> Job:
        """The job of a stage that may be spread over GPUs: a method's, `merge_lora` or `answer`."""
        return cast(Job, getattr(self, stage))


Launch = create_model(
    "Launch",
    __base__=LaunchSettings,
    __doc__=LaunchSettings.__doc__,
    **cast(
        Mapping[str, Any],
        {
            "prepare_data": (CpuJob, CpuJob()),
            "base_model": (CpuJob, CpuJob()),
            **dict.fromkeys(("run_programs", "filter_chains"), (CpuJob, CpuJob())),
            **dict.fromkeys([*METHODS, "merge_lora", "answer"], (Job, Job())),
        },
    ),
)


class Config(Section):
    """Everything that config/config.yaml and the presets may say."""

    pathvars: PathVars = PathVars()

    seed: Seed = 1
    """The one seed; data, base model, SFT, RL and sampling draw from it."""

    seeds: Annotated[tuple[Seed, ...], Field(strict=False), AfterValidator(_without_repetition)] = ()
    """Further seeds; the whole run is repeated at each, under `seed_<n>/`, and the report gives mean and spread."""

    report: Annotated[tuple[Text, ...], Field(strict=False, min_length=1), AfterValidator(_without_repetition)]
    """The policies that are evaluated and compared, in this order: `base`, or names under `policies`. What they start
    from is made as well.
    """

    data: DataSettings

    image: PixelBudget = PixelBudget()

    prompt: Prompt = Prompt()

    base_model: BaseModelSettings = BaseModelSettings()

    policies: dict[str, SerializeAsAny[TrainedPolicy]]
    """One entry per policy, by its name."""

    chains: dict[str, ChainSet] = Field(default_factory=dict)
    """Sets of chains of thought that are made, by their names."""

    rewards: Rewards = Field(default_factory=lambda: dict(DEFAULT_REWARDS))
    """Weight of each reward that RL learns from."""

    judges: dict[str, Judge] = Field(default_factory=dict)
    """Models that grade completions, by their names; `judges.<name>` among the rewards gives one a weight."""

    answer: Answering = Answering()

    evaluate: Evaluating = Evaluating()

    trackers: Trackers = Trackers()

    push: Push = Push()

    launch: SerializeAsAny[LaunchSettings] = Field(default_factory=Launch)

    @property
    def made(self) -> list[str]:
        """The trained policies that the report needs, each after those that it needs."""
        return made_for(self.policies, self.chains, self.report)

    @property
    def learning_from_data(self) -> list[str]:
        """Those of them that learn from the chains that came with the data."""
        return [name for name in self.made if self.policies[name].chain_set == DATA]

    @property
    def results(self) -> str:
        """The results folder, relative to the working directory."""
        return self.pathvars.results
