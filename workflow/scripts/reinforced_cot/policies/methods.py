"""The methods that make a policy. A method is one row here, one rule, one script and one module of `training`."""

from dataclasses import dataclass
from typing import cast

from reinforced_cot.policies.grpo import GrpoSettings
from reinforced_cot.policies.settings import TrainedPolicy, TrainSettings
from reinforced_cot.policies.sft import SftSettings


@dataclass(frozen=True)
class Method:
    """What the pipeline knows of a method before it runs.

    Attributes:
        settings: the content of a policy's settings file.
        splits: of the data that its stage reads.
        trl_config: the section of ``trl_fields.json`` with the fields that ``training`` may have.
        loss_title: the report's title for the curves of the method's loss; empty where the loss says little.
        read_fields: those of them that the pipeline reads itself: TRL's default is written out where the user left them
            out.
    """

    settings: type[TrainSettings]
    splits: tuple[str, ...]
    trl_config: str
    loss_title: str = ""
    read_fields: tuple[str, ...] = ("per_device_train_batch_size", "gradient_accumulation_steps")

    @property
    def policy(self) -> type[TrainedPolicy]:
        """The settings that a policy of this method has under `policies`."""
        return cast(type[TrainedPolicy], self.settings.model_fields["policy"].annotation)


METHODS = {
    "sft": Method(
        settings=SftSettings,
        splits=("train", "val"),
        trl_config="sft",
        loss_title="Supervised loss",
        read_fields=("per_device_train_batch_size", "gradient_accumulation_steps", "save_strategy", "save_steps"),
    ),
    "grpo": Method(
        settings=GrpoSettings,
        splits=("train",),
        trl_config="grpo",
        read_fields=(
            *("per_device_train_batch_size", "gradient_accumulation_steps"),
            *("generation_batch_size", "steps_per_generation", "num_generations", "max_completion_length"),
        ),
    ),
}
