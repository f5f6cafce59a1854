"""Uses of TRL's private names, apart from the methods that the package's trainers override.

`tests/unit/test_library_hooks.py` pins all of it, the overridden methods too, to the version that is installed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import Trainer
from trl import GRPOTrainer


def next_log(trainer: GRPOTrainer) -> dict[str, list[float]]:
    """The values that the trainer's next log averages, by metric; a new metric begins with an empty list.

    ``log_metric``, which reward functions get, would put a value into the log after the next generation, and a separate
    log would end the averages of the step.
    """
    metrics: dict[str, list[float]] = trainer._metrics["train"]
    return metrics


def count_tokens_on(trainer: Trainer, history: Sequence[Mapping[str, Any]]) -> None:
    """Let SFT's count of tokens (``num_tokens`` in its log) go on from a checkpoint's history; TRL begins at 0."""
    counts = [entry["num_tokens"] for entry in history if "num_tokens" in entry]
    trainer._total_train_tokens = int(counts[-1]) if counts else 0
