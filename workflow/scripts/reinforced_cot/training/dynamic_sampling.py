"""Groups without variance in reward, which teach nothing, are replaced by groups of other questions.

This is DAPO's dynamic sampling (arXiv 2503.14476, section 3.2) with a limit on the number of further generations:
groups that have no variance after the last one stay, and their advantages are zero.

Notation: R rows per process, G rows per group, W processes, P tokens of the longest prompt, C of the longest
completion.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from accelerate.utils import gather_object
from torch.nn.functional import pad
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import split_pixel_values_by_grid, unsplit_pixel_values_by_grid

from reinforced_cot.errors import PipelineError
from reinforced_cot.seeds import mixed
from reinforced_cot.training.trl_hooks import next_log

# Where fields are padded: those of P tokens on the left, of C tokens on the right, of P + C tokens on both sides.
PROMPT, COMPLETION, BOTH = (1, 0), (0, 1), (1, 1)
# Fields with one value per token: where they are padded, and with what. As in TRL, log-probabilities end with zeros.
BY_TOKEN: dict[str, tuple[tuple[int, int], float | None]] = {
    "prompt_ids": (PROMPT, None),  # None: the padding token
    "prompt_mask": (PROMPT, 0),
    "completion_ids": (COMPLETION, None),
    "completion_mask": (COMPLETION, 0),
    "old_per_token_logps": (COMPLETION, 0.0),
    "ref_per_token_logps": (COMPLETION, 0.0),
    "sampling_per_token_logps": (COMPLETION, 0.0),
    "importance_sampling_ratio": (COMPLETION, 1.0),
    "mm_token_type_ids": (BOTH, 0),
}
BY_SEQUENCE = {"advantages"}
OF_ALL = "num_items_in_batch"  # completion tokens of all processes


class RefillingTrainer(GRPOTrainer):
    """Draws further groups to replace those without variance; every process draws equally many.

    Args:
        refill_generations: how many extra generations one generation may take; 0 for none, as in TRL.

    Attributes:
        generation: the last one of this process, for those who show it: rows of the data set, completions as messages,
            and the rewards of all processes, shape ``(R * W, reward functions)``; None before the first.
    """

    _rewards: torch.Tensor
    generation: tuple[Sequence[Mapping[str, Any]], Sequence[Any], torch.Tensor] | None = None

    def __init__(self, *args: Any, refill_generations: int = 0, **kwargs: Any) -> None:
        self.refill_generations = refill_generations
        super().__init__(*args, **kwargs)

    def _calculate_rewards(self, *args: Any) -> torch.Tensor:
        rewards: torch.Tensor = super()._calculate_rewards(*args)
        self.generation = args[0], args[2], rewards
        self._rewards = (rewards * self.reward_weights.to(rewards.device)).sum(dim=1)  # of all processes
        return rewards

    def _generate_and_score_completions(self, inputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        if not self.refill_generations or not self.model.training:
            drawn: dict[str, Any] = super()._generate_and_score_completions(inputs)
            return drawn
        metrics = next_log(self)
        logged = {name: len(values) for name, values in metrics.items()}
        batch = super()._generate_and_score_completions(inputs)
        dead, rows = self._dead(), [len(inputs)]
        before = dead.float().mean().item()
        others = self._other_questions(inputs) if dead.any() else []
        while dead.any() and len(rows) <= self.refill_generations:
            # The same number on every process: otherwise they would wait for each other for ever.
            count = min(int(dead.sum(dim=1).max()), len(others) // len(dead))
            if not count:
                break
            numbers = others[self.accelerator.process_index :: len(dead)][:count]
            others = others[count * len(dead) :]
            questions = [self.train_dataset[number] for number in numbers]
            further = super()._generate_and_score_completions(
                [question for question in questions for _ in range(self.num_generations)]
            )
            rows.append(count * self.num_generations)
            by_process = [replacements(*states) for states in zip(dead, ~self._dead(), strict=True)]
            batch = self._replaced(batch, further, by_process[self.accelerator.process_index])
            for process, pairs in enumerate(by_process):
                dead[process, [old for old, _ in pairs]] = False
        log_together(metrics, logged, rows)
        metrics["refill/generations"].append(len(rows) - 1)
        metrics["refill/zero_variance_before"].append(before)
        metrics["refill/zero_variance_after"].append(dead.float().mean().item())
        return batch

    def _dead(self) -> torch.Tensor:
        """Which groups of the last generation have no variance, shape ``(W, R / G)``; the same on every process."""
        groups = without_variance(self._rewards, self.num_generations)
        return groups.view(self.accelerator.num_processes, -1).cpu()

    def _other_questions(self, inputs: Sequence[Mapping[str, Any]]) -> list[int]:
        """Numbers of the questions that no process has drawn in this generation, in an order that resuming repeats."""
        drawn = dict.fromkeys(gather_object([row["id"] for row in inputs]))
        others = [number for number, name in enumerate(self.train_dataset["id"]) if name not in drawn]
        # An optimizer step may have several generations, which must not be refilled with the same questions.
        random.Random(mixed(self.args.seed, "refill", self.state.global_step, *drawn)).shuffle(others)
        return others

    def _replaced(
        self, batch: dict[str, Any], further: dict[str, Any], pairs: Sequence[tuple[int, int]]
    ) -> dict[str, Any]:
        """This process's batch after replacement: a pair has the number of a group in it and of one in ``further``."""
        if pairs:
            by_row = [split_pixel_values_by_grid(drawn) for drawn in with_tiles_counted(batch, further)]
            both = joined(by_row[0], by_row[1], self.processing_class.tokenizer.pad_token_id)
            groups = list(range(len(batch["prompt_ids"]) // self.num_generations))
            for old, new in pairs:
                groups[old] = len(groups) + new
            batch = unsplit_pixel_values_by_grid(selected(both, groups, self.num_generations))
        return {**batch, OF_ALL: self.accelerator.gather(batch["completion_mask"].sum()).sum()}


def check_whole_groups(refill_generations: int, arguments: GRPOConfig) -> None:
    """See that each process draws whole groups.

    The dry-run checks this for the number of processes in the configuration, this function for the actual one.

    Raises:
        PipelineError: a group is spread over processes, none of which could replace it.
    """
    rows, size = arguments.per_device_train_batch_size * arguments.steps_per_generation, arguments.num_generations
    if refill_generations and rows % size:
        raise PipelineError(
            f"policies.*.refill_generations is {refill_generations} and each process draws {rows} completions per "
            f"generation, no multiple of num_generations, {size}: a group that is spread over processes cannot be "
            "replaced"
        )


def without_variance(rewards: torch.Tensor, size: int) -> torch.Tensor:
    """Which groups earn the same reward for each of their completions, up to rounding; shape ``(groups,)``.

    Args:
        rewards: finite, group by group, shape ``(groups * size,)``.
        size: completions per group.
    """
    groups = rewards.view(-1, size)
    return torch.isclose(groups.amin(dim=1), groups.amax(dim=1))


def replacements(dead: torch.Tensor, live: torch.Tensor) -> list[tuple[int, int]]:
    """Pairs of a group to replace and the one that takes its place, until either of the two run out.

    Args:
        dead: which groups of a batch have no variance, shape ``(R / G,)``.
        live: which of the further groups have variance, shape ``(further groups,)``.
    """
    numbers = (state.nonzero()[:, 0].tolist() for state in (dead, live))
    return list(zip(*numbers, strict=False))


def with_tiles_counted(*batches: dict[str, Any]) -> list[dict[str, Any]]:
    """Batches of which all or none have ``num_tiles``: TRL leaves it out where each image is a single tile."""
    if not any("num_tiles" in batch for batch in batches):
        return list(batches)
    return [{"num_tiles": list(batch["num_images"]), **batch} for batch in batches]


def joined(first: Mapping[str, Any], second: Mapping[str, Any], pad_token: int) -> dict[str, Any]:
    """Join the rows of two batches into one batch, padded as if they had been drawn together, without `OF_ALL`.

    Args:
        first, second: results of TRL's `_generate_and_score_completions`, with the fields of images split by row.
        pad_token: the id of the padding token.

    Raises:
        PipelineError: only one batch has a field, or it is not known how to join a field.
    """
    if first.keys() != second.keys():
        raise PipelineError(f"of two generations only one has {', '.join(sorted(first.keys() ^ second.keys()))}")
    both = first, second
    widths = [(len(batch["prompt_ids"][0]), len(batch["completion_ids"][0])) for batch in both]
    longest = [max(width) for width in zip(*widths, strict=True)]
    result: dict[str, Any] = {}
    for name in first.keys() - {OF_ALL}:
        values = [batch[name] for batch in both]
        if all(isinstance(value, list) for value in values):
            result[name] = values[0] + values[1]
        elif name in BY_SEQUENCE or _is_ratio_of_sequences(name, values, widths):
            result[name] = torch.cat(values)
        elif name in BY_TOKEN:
            (left, right), fill = BY_TOKEN[name]
            fill = pad_token if fill is None else fill
            padding = [
                (left * (longest[0] - prompt), right * (longest[1] - completion)) for prompt, completion in widths
            ]
            result[name] = torch.cat(
                [pad(value, sides, value=fill) for value, sides in zip(values, padding, strict=True)]
            )
        else:
            raise PipelineError(
                f"policies.*.refill_generations cannot put {name} of two generations together: set it 0"
            )
    return {name: result[name] for name in first if name in result}


def _is_ratio_of_sequences(name: str, values: Sequence[torch.Tensor], widths: Sequence[tuple[int, int]]) -> bool:
    """Whether these are importance ratios of whole sequences, shape ``(R, 1)``, not ``(R, C)``."""
    by_token = all(value.shape[1] == width for value, (_, width) in zip(values, widths, strict=True))
    return name == "importance_sampling_ratio" and not by_token


def selected(batch: Mapping[str, Any], groups: Sequence[int], size: int) -> dict[str, Any]:
    """Select groups of ``size`` rows, by their numbers and in that order, from a batch as `joined` makes it."""
    rows = [group * size + row for group in groups for row in range(size)]
    return {
        name: value[rows] if isinstance(value, torch.Tensor) else [value[row] for row in rows]
        for name, value in batch.items()
    }


def log_together(metrics: Mapping[str, list[float]], logged: Mapping[str, int], rows: Sequence[int]) -> None:
    """Merge the values that several generations logged into one per metric, weighted by their numbers of completions.

    Args:
        metrics: TRL's values by metric, changed in place.
        logged: how many values each metric had before.
        rows: completions of each generation; a metric with a different number of new values is left as it is.
    """
    for name, values in metrics.items():
        start = logged.get(name, 0)
        new = values[start:]
        if len(rows) == 1 or len(new) != len(rows):
            continue
        last = name.rpartition("/")[2]
        if last.startswith(("min", "max")):
            values[start:] = [min(new) if last.startswith("min") else max(new)]
        else:
            values[start:] = [sum(value * n for value, n in zip(new, rows, strict=True)) / sum(rows)]
