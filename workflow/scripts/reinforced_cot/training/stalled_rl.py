"""A warning where RL cannot learn: all completions to each question earn the same."""

import logging
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

log = logging.getLogger(__name__)

FROM_STEP = 10  # a policy may begin so
# TRL's metrics: shares of completions without an end, and of groups whose rewards are all equal.
CUT_OFF, WITHOUT_VARIANCE = "completions/clipped_ratio", "frac_reward_zero_std"


class StalledCheck(TrainerCallback):
    """Warns at every log from the tenth step on, as long as it was so at every log before, also before a resumption."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if not logs or CUT_OFF not in logs or state.global_step < FROM_STEP or not state.is_world_process_zero:
            return
        steps = [entry for entry in state.log_history if CUT_OFF in entry]
        if any(entry.get(WITHOUT_VARIANCE) != 1 for entry in steps):
            return
        if all(entry[CUT_OFF] == 1 for entry in steps):
            log.warning(
                "step %d: so far every completion was cut off at training.max_completion_length %d before it ended, "
                "and all completions to a question earned the same, so that nothing can be learned: raise it, or let "
                "SFT teach shorter chains first",
                *(state.global_step, args.max_completion_length),
            )
        else:
            log.warning(
                "step %d: so far all completions to each question earned the same, %.3g in the last steps, so that "
                "nothing can be learned: let SFT teach the form first, start from a model that answers some questions, "
                "or add the reward tag_count, which pays for parts of the form",
                *(state.global_step, steps[-1]["reward"]),
            )
