"""RL whose completions to each question are all worth the same says so while it runs."""

from pathlib import Path

import pytest
from tiny_run import TinyRun
from transformers import TrainerControl, TrainerState

from reinforced_cot.errors import PipelineError
from reinforced_cot.policies.grpo import GrpoSettings
from reinforced_cot.training import grpo as grpo_stage
from reinforced_cot.training.stalled_rl import CUT_OFF, WITHOUT_VARIANCE, StalledCheck

MESSAGE = "every completion was cut off at training.max_completion_length 4 before it ended"
ALIKE = "step 10: so far all completions to each question earned the same, 0.25 in the last steps"


def settings(run: TinyRun) -> GrpoSettings:
    """An untrained policy would end some completions by chance."""
    training = {"max_steps": 11, "max_completion_length": 4, "generation_kwargs": {"min_new_tokens": 4}}
    return run.settings(**{f"grpo__training__{key}": value for key, value in training.items()}).grpo


def test_rl_that_cannot_learn_says_so_from_the_tenth_step_on(
    tiny_run: TinyRun, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(PipelineError, match="the trained adapter is zero"):
        grpo_stage.train(settings(tiny_run), tiny_run.examples, tiny_run.data, tiny_run.base, tmp_path, None)
    said = [record.getMessage() for record in caplog.records if MESSAGE in record.getMessage()]
    assert [message.partition(":")[0] for message in said] == ["step 10", "step 11"]


@pytest.mark.parametrize(
    ("logs", "message"),
    [
        ([(1.0, 1.0), (1.0, 1.0)], MESSAGE),
        ([(0.5, 1.0), (1.0, 1.0)], ALIKE),  # some have ended before
        ([(1.0, 1.0), (0.0, 1.0)], ALIKE),
        ([(1.0, 0.5), (1.0, 1.0)], None),  # some have differed in their rewards
        ([(0.5, 1.0), (0.5, 0.5)], None),
    ],
)
def test_only_a_run_that_never_moved_is_warned_of(
    tiny_run: TinyRun,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    logs: list[tuple[float, float]],
    message: str | None,
) -> None:
    """Each log comes to a new callback, as after a resumption: the checkpoint's state has the logs before."""
    arguments, state = grpo_stage.GRPOConfig(str(tmp_path), max_completion_length=4, use_cpu=True), TrainerState()
    for state.global_step, (cut_off, without_variance) in zip((9, 10), logs, strict=True):
        shares = {CUT_OFF: cut_off, WITHOUT_VARIANCE: without_variance, "reward": 0.25}
        state.log_history.append(shares)  # as `Trainer.log` does before it calls
        StalledCheck().on_log(arguments, state, TrainerControl(), logs=shares)
    warnings = [record.getMessage() for record in caplog.records if "step 10" in record.getMessage()]
    assert all(message and message in warning for warning in warnings) and len(warnings) == bool(message)
