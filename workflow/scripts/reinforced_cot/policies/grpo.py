"""Settings of reinforcement learning with GRPO and the variants that TRL's fields select (GSPO, DAPO, ...)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, SerializerFunctionWrapHandler, Tag, model_serializer

from reinforced_cot.chains.policy_keys import PassRate
from reinforced_cot.policies.settings import TrainedPolicy, TrainSettings, Workload
from reinforced_cot.scoring.judge_settings import Judge
from reinforced_cot.section import Count, Natural, NotNegative, Positive, Section, Switch

# By type: a union without tags would report each mistake once per member.
Rewards = Annotated[
    Annotated[Literal["original"], Tag("<word>")] | Annotated[dict[str, NotNegative | None], Tag("<weights>")],
    Discriminator(lambda value: "<word>" if isinstance(value, str) else "<weights>"),
]


class Probing(Section):
    """What cheating would earn, logged beside the policy's reward (probes/... in the curves)."""

    every: Count | None = 50
    """Steps from one probing to the next; null for none."""

    questions: Annotated[int, Field(ge=2)] = 32
    """Training questions that each probing asks."""

    batch_size: Count = 32
    """How many of them are answered at once."""

    judged: Annotated[int, Field(ge=2)] = 8
    """If a judge behind an endpoint is among the rewards, at most this many questions and the three most frequent
    constant answers are probed, since each grade may cost money.
    """


class GrpoPolicy(TrainedPolicy):
    """A policy made by reinforcement learning."""

    shared_prefix: Switch = "auto"
    """Compute the prompt and image of a group's completions once per micro-batch in RL's passes, and once per
    generation: `auto` where the model allows it (else the log says why not), `on` insists, `off` computes each
    completion's own. Log-probabilities and gradients are the same. TRL shuffles the rows of a generation; here its
    micro-batches stay together, but for losses that depend on what a micro-batch holds (`loss_type: bnpo`,
    `top_entropy_quantile`).
    """

    refill_generations: Natural = 0
    """Up to this many further generations, of other questions, replace groups whose completions all earn the same and
    so teach nothing (DAPO's dynamic sampling); 0 for none.
    """

    pass_rate: PassRate | None = None
    """Ask only questions that a policy answers right neither too seldom nor too often; null for all questions."""

    rewards: Rewards | None = None
    """This policy's rewards in place of the top level's, all of them; null for those."""

    probes: Probing = Probing()

    max_sampling_logp_difference: Positive = 0.1
    """With `use_vllm`, the run ends where vLLM's log-probabilities differ by more from the trainer's (mean, nats per
    token).
    """

    @property
    def rated_by(self) -> PassRate | None:
        """As `TrainedPolicy.rated_by`."""
        return self.pass_rate

    def new_tokens(self) -> dict[str, int]:
        """As `TrainedPolicy.new_tokens`: a completion's."""
        return {"training.max_completion_length": self.training["max_completion_length"]}

    def workload(self, prompt: int, row: int, processes: int, trees: bool) -> Workload:
        """As `TrainedPolicy.workload`, for rows that the policy itself writes; ``row`` is not read."""
        training = self.training
        new, rows = training["max_completion_length"], training["per_device_train_batch_size"]
        drawn, group = training["generation_batch_size"] // processes, training["num_generations"]
        tokens = attended = rows * (prompt + new)
        scored = rows * new
        if trees and self._shares_prompts(processes):
            # Micro-batches are cut from rows in the order of their groups: the most groups that one of them touches.
            starts = range(0, rows * group, rows)
            groups = max((start + rows - 1) // group - start // group + 1 for start in starts)
            tokens, attended = groups * prompt + rows * (1 + new), attended + groups * prompt
        written, prompts = (0, 0) if training.get("use_vllm") else (drawn, drawn // group)
        if self.selection.every:  # validation generates without vLLM
            asked, new = self.selection.batch_size, max(new, self.selection.max_new_tokens)
            written, prompts = max(written, asked * max(1, self.selection.samples)), max(prompts, asked)
        return Workload(tokens, attended, scored, drawn, written, prompt + new, prompts, prompt)

    def _shares_prompts(self, processes: int) -> bool:
        """Whether a group's rows stay together and share their prompt, if the model allows it.

        `training.shared_prefix_trainer` decides it when the trainer exists.
        """
        training, rows = self.training, self.training["per_device_train_batch_size"]
        drops_out = (self.lora or {}).get("lora_dropout") and not training.get("disable_dropout")
        depends = training.get("loss_type") == "bnpo" or training.get("top_entropy_quantile", 1.0) < 1
        mixed = depends and training["generation_batch_size"] > rows * processes
        return (
            self.shared_prefix != "off" and rows > 1 and not (drops_out or mixed or training.get("neftune_noise_alpha"))
        )

    def batch_in_words(self) -> str:
        """Groups of a generation, and whether their prompts are computed once for all of a group."""
        drawn, group = self.training["generation_batch_size"], self.training["num_generations"]
        per_device = self.training["per_device_train_batch_size"]
        text = f"; {drawn} per generation = {drawn // group} groups"
        if self.shared_prefix != "off" and per_device < group:
            text += f", whose prompts are computed once for {per_device} of {group} completions"
        return text


class GrpoSettings(TrainSettings):
    """What the stage `grpo` reads; the policy's ``rewards`` are those that it learns from.

    Attributes:
        judges: those that the rewards name.
    """

    policy: GrpoPolicy
    judges: dict[str, Judge] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _stated(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without ``judges`` where there are none: their absence is no change of a policy's settings."""
        return {key: value for key, value in whole(self).items() if key != "judges" or value}


def server_gpus(training: Mapping[str, Any]) -> int:
    """GPUs that the server of an RL policy takes: as many as its weights are split over; 0 without one.

    Args:
        training: the policy's, TRL's field names.
    """
    if not training.get("use_vllm") or training.get("vllm_mode", "colocate") != "server":
        return 0
    return int(training.get("vllm_tensor_parallel_size", 1))
