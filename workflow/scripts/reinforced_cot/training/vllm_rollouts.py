"""Rollouts by vLLM: repairs and checks of what TRL 1.16 does wrong or does not check."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import trl
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import is_deepspeed_zero3_enabled
from trl import GRPOTrainer

from reinforced_cot.errors import PipelineError
from reinforced_cot.models.embedded_adapter import changed_weight, fixed_layers

REPAIRED_TRL = "1.16.0"
LOGP_DIFFERENCE = "sampling/sampling_logp_difference/mean"  # TRL: |log-prob of vLLM - of the trainer| per token


def check_repaired_trl() -> None:
    """See that TRL is the version whose faults are repaired here: in any other version, a repair may do harm.

    Raises:
        PipelineError: it is a different version.
    """
    if trl.__version__ != REPAIRED_TRL:
        raise PipelineError(
            f"rollouts by vLLM are repaired for TRL {REPAIRED_TRL}, and TRL {trl.__version__} is installed: install "
            f"trl=={REPAIRED_TRL}, or set use_vllm false"
        )


def collapsed(ids: Sequence[int], image_token: int) -> list[int]:
    """Prompt ids with each run of image tokens reduced to one token, which vLLM expands by itself.

    >>> collapsed([1, 9, 9, 9, 2, 9, 9, 3], 9)
    [1, 9, 2, 9, 3]
    """
    pairs = zip([None, *ids], ids, strict=False)
    return [token for previous, token in pairs if token != image_token or previous != image_token]


def with_collapsed_prompts(generate: Callable[..., Any], image_token: int) -> Callable[..., Any]:
    """Wrap `VLLMGeneration.generate` in colocate mode, so that vLLM gets prompts in the form that it expects.

    TRL hands over ids in which image tokens are already expanded; vLLM expands them again, and every rollout would
    answer a corrupted prompt (trl#6294).

    Raises:
        PipelineError: the ids that vLLM read differ from those that the trainer computes log-probabilities of.
    """

    def repaired(prompts: Sequence[Sequence[int]], *args: Any, **options: Any) -> Any:
        outputs = generate([collapsed(ids, image_token) for ids in prompts], *args, **options)
        for ids, read in zip(prompts, outputs[0], strict=True):
            if list(ids) != list(read):
                raise PipelineError(
                    f"vLLM read a prompt as {len(read)} tokens that are not the trainer's {len(ids)}: the pixel "
                    "budgets or templates of the two differ"
                )
        return outputs

    return repaired


def with_restored_base(sync_weights: Callable[[], None], model: torch.nn.Module) -> Callable[[], None]:
    """Wrap `VLLMGeneration.sync_weights`, so that every weight below an adapter stays the same, to the bit.

    TRL merges the adapter into its base, sends the sum and subtracts the adapter again, which leaves a remainder in
    bfloat16: after some hundred generations, the trained policy is no longer the base on disk with the adapter
    (trl#6688). What a fixed adapter adds (`models.embedded_adapter`) is sent with the weights, too.
    """

    def repaired() -> None:
        layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
        fixed = list(fixed_layers(model))
        weights = {id(weight): weight for layer in layers for weight in layer.get_base_layer().parameters()}
        weights |= {id(layer.weight): layer.weight for layer in fixed}
        kept = [weight.detach().clone() for weight in weights.values()]  # under ZeRO-3 empty: nothing is changed there
        for layer in fixed:
            layer.weight.data.copy_(changed_weight(layer))
        sync_weights()
        for weight, before in zip(weights.values(), kept, strict=True):
            weight.data.copy_(before)

    return repaired


def repair_rollouts(trainer: GRPOTrainer) -> None:
    """Repair how TRL's generation by vLLM handles prompts and weights.

    Raises:
        PipelineError: a fixed adapter would have to be sent from weights that are split over processes.
    """
    if is_deepspeed_zero3_enabled() and any(fixed_layers(trainer.model)):
        raise PipelineError(
            f"{trainer.model.name_or_path} has an adapter beside its weights, which cannot be sent to vLLM under "
            "ZeRO-3: choose another topology, or `start: adapter`"
        )
    rollouts = trainer.vllm_generation
    rollouts.sync_weights = with_restored_base(rollouts.sync_weights, trainer.model)
    if rollouts.mode == "colocate":
        rollouts.generate = with_collapsed_prompts(rollouts.generate, trainer.model.config.image_token_id)


class SamplingCheck(TrainerCallback):
    """Ends a run whose rollouts are not drawn from the policy in training: its gradients would mean nothing."""

    def __init__(self, limit: float) -> None:
        """
        Args:
            limit: largest mean difference of log-probabilities between vLLM and the trainer, in nats per token.
        """
        self._limit = limit

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        difference = (logs or {}).get(LOGP_DIFFERENCE)
        if difference is not None and not difference <= self._limit:
            raise PipelineError(
                f"step {state.global_step}: vLLM's log-probabilities differ from the trainer's by {difference:.3f} "
                f"nats per token, more than policies.*.max_sampling_logp_difference {self._limit}: the rollouts come "
                "from a different policy or prompt; set use_vllm false, or report it with this log"
            )
