"""The end of a training by SIGTERM, with which a cluster announces that it takes a job's machine away.

transformers has a callback for this (``enable_jit_checkpoint``), which is not used: its processes do not agree on the
step, its checkpoints get no manifest, it saves where RL and the choice of a checkpoint cannot go on exactly, and the
trainer then returns as if training were complete.
"""

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from reinforced_cot.processes import world_size

log = logging.getLogger(__name__)

EXIT_STATUS = 128 + signal.SIGTERM  # what a shell reports of a process that SIGTERM ended


@contextmanager
def saved_at_sigterm(trainer: Trainer) -> Iterator[None]:
    """In the block, SIGTERM lets the trainer end its step and save a checkpoint.

    Raises:
        SystemExit: SIGTERM came, and the checkpoint is saved; the same command goes on from it.
    """
    callback = _SaveAndStop()
    trainer.add_callback(callback)
    before = signal.signal(signal.SIGTERM, callback.ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        trainer.remove_callback(callback)
    if callback.stopped:
        trainer.accelerator.wait_for_everyone()  # the first to end would make the launcher kill the others
        log.warning("ended by SIGTERM after step %d; the same command goes on from there", trainer.state.global_step)
        sys.exit(EXIT_STATUS)


class _SaveAndStop(TrainerCallback):
    """Saves and stops where a run can go on exactly: at the end of a step, between two generations of RL.

    At the end of an epoch or of the training, the trainer first scores the policy where that is due.

    Attributes:
        stopped: whether a checkpoint was saved because of the signal.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._asked = False

    def ask(self, *_: Any) -> None:
        """The handler of the signal."""
        self._asked = True

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        ends_epoch = float(state.epoch or 0).is_integer() or state.global_step >= state.max_steps
        if self._is_asked(args) and not ends_epoch and _is_between_generations(args, state):
            self._stop(control)
        return control

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        if self.stopped:  # in the middle of the epoch, so nothing of its end is due
            control.should_save = control.should_evaluate = control.should_log = False
        elif self._is_asked(args) and _is_between_generations(args, state):
            self._stop(control)
        return control

    def _stop(self, control: TrainerControl) -> None:
        self.stopped = control.should_save = control.should_training_stop = True

    def _is_asked(self, args: TrainingArguments) -> bool:
        """Whether any process got the signal: all stop at the same step."""
        if world_size() == 1:
            return self._asked
        asked = torch.tensor(int(self._asked), device=args.device)
        torch.distributed.all_reduce(asked, torch.distributed.ReduceOp.MAX)
        return bool(asked)


def _is_between_generations(args: TrainingArguments, state: TrainerState) -> bool:
    """Whether the next step of RL draws new completions; those that are not used up are in no checkpoint."""
    parts = getattr(args, "steps_per_generation", 1) * getattr(args, "num_iterations", 1)
    return state.global_step * args.gradient_accumulation_steps % parts == 0
