"""What the package uses of TRL that has no public name, beside the methods that its trainers override.

`tests/unit/test_library_hooks.py` pins all of it, the overridden methods too, to the version that is installed.
"""

from trl import GRPOTrainer


def next_log(trainer: GRPOTrainer) -> dict[str, list[float]]:
    """What the trainer's next log averages, by name; a name that is not there yet begins with no values.

    ``log_metric``, which reward functions get, would move a value to the log after the next generation, and a log of
    our own would close the figures of the step.
    """
    found: dict[str, list[float]] = trainer._metrics["train"]
    return found
