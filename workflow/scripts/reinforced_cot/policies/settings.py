"""What the settings of every trained policy have in common, whichever method makes it."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from reinforced_cot.chains.policy_keys import PassRate
from reinforced_cot.data.settings import Prompt
from reinforced_cot.models.settings import Loading
from reinforced_cot.section import Count, Natural, Section, Seed, Text

Quantization = Literal["nf4", "int8"]


class Selection(Section):
    """Questions of val that a policy answers while it is trained, by which a checkpoint is chosen. The merge of an
    adapter that was trained on a quantized base is measured by them, too.
    """

    examples: Count = 100
    """How many questions of val are asked each time, at most."""

    batch_size: Count = 64
    """How many of them are answered at once."""

    max_new_tokens: Count = 64
    """Longest answer, chain included, in tokens."""

    samples: Natural = 0
    """0 scores one greedy answer per question; a larger number scores as many samples at temperature 1, which RL starts
    from.
    """

    allow_cut_off: bool = False
    """Whether `max_new_tokens` may be below the length of the chains that SFT learns from, or of RL's completions.
    Answers are then cut off, and none is right: which checkpoint is chosen means nothing. This is for runs that only
    try the pipeline out.
    """

    every: Count | None = None
    """grpo: steps from one validation to the next, a multiple of `training.save_steps`; null for none. `sft` asks at
    each checkpoint.
    """

    publish: Literal["best", "last"] = "best"
    """Which checkpoint becomes the policy: the one with the best accuracy on val (of equal ones the later), or the
    last. Without validation it is the last.
    """

    patience: Count | None = None
    """Training ends when the accuracy has not risen in so many validations; null to train on."""


@dataclass(frozen=True)
class Workload:
    """What a micro-batch and a generation hold at once, on one device; at most, since rows are counted as the longest.

    Attributes:
        update_tokens: of a micro-batch.
        attended_tokens: keys that its attention holds: what several sequences share counts for each of them.
        scored_tokens: those of a micro-batch whose log-probabilities are computed.
        images: whose pixels are on the device, each as often as it is shown.
        generated_rows: completions that are written at once.
        generated_tokens: of the longest of them, with its prompt.
        prompts: how many different prompts they have.
        prompt_tokens: of the longest prompt.
    """

    update_tokens: int
    attended_tokens: int
    scored_tokens: int
    images: int
    generated_rows: int = 0
    generated_tokens: int = 0
    prompts: int = 0
    prompt_tokens: int = 0


class TrainedPolicy(Section):
    """A policy that a method makes from another policy."""

    method: str
    """What makes the policy: `sft` or `grpo`."""

    from_policy: Annotated[Text, Field(alias="from")]
    """The policy that training starts from: `base`, or any other name under `policies`."""

    start: Literal["model", "adapter"] = "model"
    """`model` starts from the (merged) model of that policy, with a fresh adapter or in full. `adapter` trains that
    policy's adapter further, on the same base; `lora` must then equal that policy's.
    """

    examples: Count | None = None
    """How many training examples the policy learns from, at most (for `sft`, of those that have a chain); null for all.
    """

    quantization: Quantization | None = None
    """`nf4` trains the adapter on a 4-bit base, `int8` on an 8-bit one (both need bitsandbytes); null for none."""

    global_batch_size: Count | None = None
    """Rows (`sft`: chains, `grpo`: completions) of one optimizer step, over all processes; gradient accumulation
    follows from it. null takes TRL's own fields, with which twice the processes make twice the batch.
    """

    lora: dict[str, Any] | None
    """The adapter: fields of PEFT's LoraConfig, among which `target_modules` is required; null trains every weight
    of the model.
    """

    selection: Selection = Selection()

    training: dict[str, Any] = Field(default_factory=dict)
    """Fields of TRL's configuration of the method's trainer."""

    @property
    def chain_set(self) -> str | None:
        """The set of chains that training learns from; None for a method that learns from none."""
        return None

    @property
    def rated_by(self) -> PassRate | None:
        """Whose samples choose the training questions, and which share must be right; None for all questions."""
        return None

    @property
    def is_adapted(self) -> bool:
        """Whether an adapter is trained, which is then merged; otherwise every weight is trained."""
        return self.lora is not None

    def new_tokens(self) -> dict[str, int]:
        """The longest completions that training writes, in tokens, each by the key of the policy that sets it."""
        return {}

    def workload(self, prompt: int, row: int, processes: int, trees: bool) -> Workload:
        """What the memory plan counts; here for a method that learns from rows and generates nothing.

        Args:
            prompt, row: the longest prompt, and the longest row (prompt and chain), in tokens.
            processes: over which the rows are spread.
            trees: whether the model's rows can hold several sequences.
        """
        rows = self.training["per_device_train_batch_size"]
        return Workload(rows * row, rows * row, rows * row, rows)

    def batch_in_words(self) -> str:
        """What `snakemake plan` says of a batch besides its rows."""
        return ""


class TrainSettings(Section):
    """What the stage that trains a policy reads.

    Attributes:
        repeats: how many of the policies that this one descends from were made by the same method.
    """

    seed: Seed
    prompt: Prompt
    base_model: Loading
    repeats: Natural
    policy: TrainedPolicy


class MergedPolicy(TrainedPolicy, extra="ignore"):
    """What a merge reads of a policy's settings, whichever method they are for."""


class MergeSettings(TrainSettings, extra="ignore"):
    """What the stage `merge_lora` reads: the settings that the policy was trained with."""

    policy: MergedPolicy
