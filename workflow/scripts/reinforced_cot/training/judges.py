"""The judges among a policy's rewards: models behind endpoints, and reward models."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reinforced_cot.data.examples import Example
from reinforced_cot.models.loading import device
from reinforced_cot.policies.grpo import GrpoSettings
from reinforced_cot.processes import rank
from reinforced_cot.scoring.judge_rewards import endpoint_judges
from reinforced_cot.training.reward_model import reward_models


def loaded(
    settings: GrpoSettings, examples: Sequence[Example], data: Path, store: Path, output: Path
) -> dict[str, Any]:
    """The judges' rewards by their names.

    Args:
        examples: the records that will be asked about.
        data: the folder that their images are relative to.
        store: the folder of all replies.
        output: the policy's folder.

    Raises:
        PipelineError: as for `EndpointJudge` and `RewardModel`.
    """
    loading = settings.base_model
    return {
        **endpoint_judges(settings.judges, examples, data, store, output, rank()),
        **reward_models(settings.judges, examples, data, settings.prompt, device(), loading.trust_remote_code),
    }
