"""A warning where RL cannot learn: every completion is cut off, and no group has answers of different worth."""

import logging
from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

log = logging.getLogger(__name__)

FROM_STEP = 10  # a policy may begin so
# TRL's metrics: shares of completions without an end, and of groups whose rewards are all equal.
CUT_OFF, WITHOUT_VARIANCE = "completions/clipped_ratio", "frac_reward_zero_std"


class StalledCheck(TrainerCallback):
    """Warns at every log from the tenth step on, as long as it was so at every log before."""

    def __init__(self) -> None:
        self._stalled = True

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """A run that goes on has the logs of its first part."""
        for logs in state.log_history:
            self._look(logs)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if not logs or CUT_OFF not in logs:
            return
        self._look(logs)
        if self._stalled and state.global_step >= FROM_STEP and state.is_world_process_zero:
            log.warning(
                "step %d: so far every completion was cut off at training.max_completion_length %d before it ended, "
                "and all completions to a question earned the same, so that nothing can be learned: raise it, or let "
                "SFT teach shorter chains first",
                *(state.global_step, args.max_completion_length),
            )

    def _look(self, logs: Mapping[str, Any]) -> None:
        if CUT_OFF in logs:
            self._stalled = self._stalled and logs[CUT_OFF] == 1 and logs.get(WITHOUT_VARIANCE) == 1
