"""The end of a run whose numbers are no longer finite, before anything of it is saved.

`Trainer` trains on: it leaves such losses out of its log, and writes checkpoints whose weights are NaN.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from reinforced_cot.errors import PipelineError
from reinforced_cot.resuming import MANIFEST, saved_checkpoints

# What torch says when the next token is to be drawn from logits that are not finite.
_UNDRAWABLE = re.compile(r"probability tensor contains either `inf`, `nan` or element < 0|must be non-negative")


class FiniteTrainer(Trainer):
    """Ends a run at the first loss or gradient that is not finite.

    In float16 a scaler tries large scales and leaves out steps whose gradients overflow: only the loss counts there.
    """

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        loss = super().training_step(*args, **kwargs)
        self._refuse_unless_finite("loss", loss)
        return loss

    def _get_grad_norm(self, *args: Any, **kwargs: Any) -> Any:
        norm = super()._get_grad_norm(*args, **kwargs)
        if norm is not None and not self.args.fp16:
            self._refuse_unless_finite("norm of the gradient", norm)
        return norm

    def _refuse_unless_finite(self, what: str, value: Any) -> None:
        if not bool(torch.isfinite(torch.as_tensor(value)).all()):
            raise diverged(f"the {what} is {float(value)}", self.args, self.state, self.state.global_step + 1)


class FiniteWeights(TrainerCallback):
    """Ends a run whose trained weights are not finite where a checkpoint is due: one step can ruin them."""

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        if control.should_save or control.should_evaluate:
            for name, parameter in kwargs["model"].named_parameters():
                if parameter.requires_grad and not bool(torch.isfinite(parameter).all()):
                    raise diverged(f"{name} is not finite", args, state, state.global_step)
        return control


@contextmanager
def undrawable_tokens_named(trainer: Trainer) -> Iterator[None]:
    """Turn torch's complaint that no token can be drawn into what it means.

    Raises:
        PipelineError: the policy's logits are not finite.
    """
    try:
        yield
    except RuntimeError as error:
        if not _UNDRAWABLE.search(str(error)):
            raise
        step = trainer.state.global_step + 1
        raise diverged("the policy's logits are not finite", trainer.args, trainer.state, step) from error


def diverged(what: str, args: TrainingArguments, state: TrainerState, step: int) -> PipelineError:
    """The error that names the step, the learning rate, and the last checkpoint from before it."""
    saved = [folder for folder in saved_checkpoints(Path(args.output_dir)) if (folder / MANIFEST).is_file()]
    rates = [entry["learning_rate"] for entry in state.log_history if "learning_rate" in entry]
    last = f"the last checkpoint is {saved[-1]}" if saved else "no checkpoint was saved before it"
    return PipelineError(
        f"step {step}: {what}; the run has diverged and was stopped, and {last}. Lower training.learning_rate "
        f"(now {args.learning_rate:g}{f', {rates[-1]:g} at the last logged step' if rates else ''}), or raise "
        "training.warmup_steps; the changed run starts from its first step"
    )
