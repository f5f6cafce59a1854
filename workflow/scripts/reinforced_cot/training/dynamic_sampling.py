"""Groups without variance in reward, which teach nothing, are replaced by groups of other questions.

DAPO's dynamic sampling (arXiv 2503.14476, section 3.2), except that it ends after so many further generations: what is
still without variance then stays, its advantages being zero.

Notation: R rows of one process, G of a group, W processes, P tokens of the longest prompt, C of the longest completion.
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

PROMPT, COMPLETION, BOTH = (1, 0), (0, 1), (1, 1)  # padded on the left, on the right, or P + C tokens and on both sides
# What has one value per token: where it is padded, and with what. Log-probabilities behind the end are 0, as TRL makes
# them.
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
    """Draws further groups for those without variance, over all processes alike.

    Args:
        refill_generations: the most further generations for one generation; 0 for none, which is TRL's own way.
    """

    _rewards: torch.Tensor

    def __init__(self, *args: Any, refill_generations: int = 0, **kwargs: Any) -> None:
        self.refill_generations = refill_generations
        super().__init__(*args, **kwargs)

    def _calculate_rewards(self, *args: Any) -> torch.Tensor:
        found: torch.Tensor = super()._calculate_rewards(*args)
        self._rewards = (found * self.reward_weights.to(found.device)).sum(dim=1)  # of all processes
        return found

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
            # The same number on every process, or they would wait for each other for ever.
            count = min(int(dead.sum(dim=1).max()), len(others) // len(dead))
            if not count:
                break
            own = others[self.accelerator.process_index :: len(dead)][:count]
            others = others[count * len(dead) :]
            questions = [self.train_dataset[number] for number in own]
            further = super()._generate_and_score_completions(
                [question for question in questions for _ in range(self.num_generations)]
            )
            rows.append(count * self.num_generations)
            found = [replacements(*states) for states in zip(dead, ~self._dead(), strict=True)]
            batch = self._replaced(batch, further, found[self.accelerator.process_index])
            for process, pairs in enumerate(found):
                dead[process, [old for old, _ in pairs]] = False
        log_together(metrics, logged, rows)
        metrics["refill/generations"].append(len(rows) - 1)
        metrics["refill/zero_variance_before"].append(before)
        metrics["refill/zero_variance_after"].append(dead.float().mean().item())
        return batch

    def _dead(self) -> torch.Tensor:
        """Which groups of the generation just drawn have no variance, shape ``(W, R / G)``; the same everywhere."""
        found = without_variance(self._rewards, self.num_generations)
        return found.view(self.accelerator.num_processes, -1).cpu()

    def _other_questions(self, inputs: Sequence[Mapping[str, Any]]) -> list[int]:
        """Numbers of the questions that no process has asked, in an order that a resumed run draws again."""
        asked = dict.fromkeys(gather_object([row["id"] for row in inputs]))
        others = [number for number, name in enumerate(self.train_dataset["id"]) if name not in asked]
        # An optimizer step may have several generations, which must not be refilled with the same questions.
        random.Random(mixed(self.args.seed, "refill", self.state.global_step, *asked)).shuffle(others)
        return others

    def _replaced(
        self, batch: dict[str, Any], further: dict[str, Any], pairs: Sequence[tuple[int, int]]
    ) -> dict[str, Any]:
        """A process's batch with some groups, by their numbers, replaced by others of ``further``."""
        if pairs:
            by_row = [split_pixel_values_by_grid(drawn) for drawn in with_tiles_counted(batch, further)]
            both = joined(by_row[0], by_row[1], self.processing_class.tokenizer.pad_token_id)
            groups = list(range(len(batch["prompt_ids"]) // self.num_generations))
            for old, new in pairs:
                groups[old] = len(groups) + new
            batch = unsplit_pixel_values_by_grid(selected(both, groups, self.num_generations))
        return {**batch, OF_ALL: self.accelerator.gather(batch["completion_mask"].sum()).sum()}


def check_whole_groups(refill_generations: int, arguments: GRPOConfig) -> None:
    """The dry run says it too, of the processes that are asked for; here of those that there are.

    Raises:
        PipelineError: a group is spread over processes, none of which could replace it.
    """
    own, size = arguments.per_device_train_batch_size * arguments.steps_per_generation, arguments.num_generations
    if refill_generations and own % size:
        raise PipelineError(
            f"policies.*.refill_generations is {refill_generations} and each process draws {own} completions per "
            f"generation, no multiple of num_generations, {size}: a group that is spread over processes cannot be "
            "replaced"
        )


def without_variance(rewards: torch.Tensor, size: int) -> torch.Tensor:
    """Which groups earn the same reward with all completions, but for rounding; shape ``(groups,)``.

    Args:
        rewards: finite ones, those of a group one after another, shape ``(groups * size,)``.
    """
    groups = rewards.view(-1, size)
    return torch.isclose(groups.amin(dim=1), groups.amax(dim=1))


def replacements(dead: torch.Tensor, live: torch.Tensor) -> list[tuple[int, int]]:
    """Pairs of a group that is replaced and the one that takes its place, as many as there are of both.

    Args:
        dead: of the groups of a batch, shape ``(R / G,)``; ``live``: of those that were drawn further.
    """
    numbers = (state.nonzero()[:, 0].tolist() for state in (dead, live))
    return list(zip(*numbers, strict=False))


def with_tiles_counted(*batches: dict[str, Any]) -> list[dict[str, Any]]:
    """Batches that all say, or all do not say, how many tiles a row has: TRL leaves it out where each image is one."""
    if not any("num_tiles" in batch for batch in batches):
        return list(batches)
    return [{"num_tiles": list(batch["num_images"]), **batch} for batch in batches]


def joined(first: Mapping[str, Any], second: Mapping[str, Any], pad_token: int) -> dict[str, Any]:
    """The rows of two batches as one batch, padded as if they had been drawn together; without `OF_ALL`.

    Args:
        first, second: what TRL's `_generate_and_score_completions` returns, with what belongs to images by row.

    Raises:
        PipelineError: a batch has something of which it is not known how it is put together.
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
            lacking = [
                (left * (longest[0] - prompt), right * (longest[1] - completion)) for prompt, completion in widths
            ]
            result[name] = torch.cat(
                [pad(value, sides, value=fill) for value, sides in zip(values, lacking, strict=True)]
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
    """The rows of some groups of ``size``, in the order given; of a batch as `joined` makes it."""
    rows = [group * size + row for group in groups for row in range(size)]
    return {
        name: value[rows] if isinstance(value, torch.Tensor) else [value[row] for row in rows]
        for name, value in batch.items()
    }


def log_together(metrics: Mapping[str, list[float]], logged: Mapping[str, int], rows: Sequence[int]) -> None:
    """Make what several generations have logged one value a metric: over all completions, not over generations.

    Args:
        metrics: TRL's, by name; ``logged``: how many values each had before.
        rows: completions of each generation. What has not as many new values is left as it is.
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
