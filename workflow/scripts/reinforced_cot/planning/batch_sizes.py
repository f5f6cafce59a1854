"""Batch arithmetic: TRL counts rows per process, but the result of training depends on the sum over all processes."""

from collections.abc import Iterator, Mapping
from typing import Any

from reinforced_cot.policies.settings import TrainedPolicy

Training = Mapping[str, Any]


def global_batch_size(policy: TrainedPolicy, training: Training, processes: int) -> int:
    """Rows of one optimizer step (SFT: chains, RL: completions): ``policy.global_batch_size``, or by TRL's fields.

    Args:
        training: the policy's, with TRL's defaults filled in.
        processes: number of processes that share the rows.
    """
    stated = policy.global_batch_size
    micro = training["per_device_train_batch_size"] * processes
    return micro * training["gradient_accumulation_steps"] if stated is None else stated


def generation_batch_size(policy: TrainedPolicy, training: Training, processes: int) -> int:
    """Completions of one generation, as GRPOConfig computes them; arguments as for `global_batch_size`."""
    stated: int | None = training["generation_batch_size"]
    if stated is not None:
        return stated
    if training["steps_per_generation"] is not None:
        return int(training["steps_per_generation"] * training["per_device_train_batch_size"] * processes)
    return global_batch_size(policy, training, processes)


def accumulation(total: int, per_device: int, processes: int) -> int:
    """Gradient accumulation steps that make ``total`` rows per optimizer step; 0 if no number of steps does."""
    return 0 if total % (per_device * processes) else total // (per_device * processes)


def batch_problems(key: str, policy: TrainedPolicy, training: Training, processes: int) -> Iterator[str]:
    """One line per reason why ``policy.global_batch_size`` cannot be reached.

    Args:
        key: ``policies.{name}``.
        policy: its ``training`` is as the user wrote it.
        training: the same with TRL's defaults filled in.
    """
    per_device, stated = training["per_device_train_batch_size"], policy.global_batch_size
    if stated is None:
        return
    if "gradient_accumulation_steps" in policy.training:
        yield (
            f"`{key}.global_batch_size` and `{key}.training.gradient_accumulation_steps` are both set; keep one: each "
            "determines the other"
        )
    elif not accumulation(stated, per_device, processes):
        yield (
            f"`{key}.global_batch_size` is {stated}; it must be a multiple of per_device_train_batch_size x "
            f"processes, {per_device} x {processes}: {_suggestion(stated, processes)}"
        )


def _suggestion(total: int, processes: int) -> str:
    if total % processes == 0:
        return f"lower per_device_train_batch_size to {total // processes} or a divisor of it"
    near = [total // processes * processes, (total // processes + 1) * processes]
    return f"{processes} processes share no {total} rows evenly: take {' or '.join(str(n) for n in near if n)} rows"
