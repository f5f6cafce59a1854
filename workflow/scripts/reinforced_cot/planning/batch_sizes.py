"""Batch arithmetic: TRL counts by process, but what is learned follows from the sums over all of them."""

from collections.abc import Iterator, Mapping
from typing import Any

Settings = Mapping[str, Any]


def global_batch_size(section: Settings, training: Settings, processes: int) -> int:
    """Rows of one optimizer step (SFT: chains, RL: completions): as stated, or what TRL's fields come to.

    Args:
        section: `sft`, or one policy's under `rl`; its ``global_batch_size`` may be null.
        training: its ``training``, TRL's defaults filled in.
        processes: over which the rows are spread.
    """
    stated: int | None = section["global_batch_size"]
    micro = training["per_device_train_batch_size"] * processes
    return micro * training["gradient_accumulation_steps"] if stated is None else stated


def generation_batch_size(section: Settings, training: Settings, processes: int) -> int:
    """Completions of one generation, as GRPOConfig computes them; arguments as for `global_batch_size`."""
    stated: int | None = training["generation_batch_size"]
    if stated is not None:
        return stated
    if training["steps_per_generation"] is not None:
        return int(training["steps_per_generation"] * training["per_device_train_batch_size"] * processes)
    return global_batch_size(section, training, processes)


def accumulation(total: int, per_device: int, processes: int) -> int:
    """Gradient accumulation steps that make ``total`` rows an optimizer step; 0 if no number of steps does."""
    return 0 if total % (per_device * processes) else total // (per_device * processes)


def problems(key: str, section: Settings, training: Settings, processes: int) -> Iterator[str]:
    """One line a problem; ``key`` is the section's."""
    per_device, stated = training["per_device_train_batch_size"], section["global_batch_size"]
    if stated is None:
        return
    if "gradient_accumulation_steps" in section["training"]:
        yield (
            f"`{key}.global_batch_size` and `{key}.training.gradient_accumulation_steps` are both set; keep one: each "
            "says the other"
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
