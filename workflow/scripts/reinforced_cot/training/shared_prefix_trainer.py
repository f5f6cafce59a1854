"""A `GRPOTrainer` whose rollouts and old, reference and policy passes compute each group's prompt and image once."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from trl import GRPOTrainer
from trl.models import unwrap_model_for_generation
from trl.trainer.utils import split_pixel_values_by_grid, split_tensor_dict, unsplit_pixel_values_by_grid

from reinforced_cot.attention.packing import (
    PROMPT_FIELDS,
    Packed,
    Rows,
    find_groups,
    images_by_row,
    pack,
    positions,
    unpack,
)
from reinforced_cot.attention.tree_attention import NEFTUNE, no_trees, seen_by_trees
from reinforced_cot.generation.decoding import complete, not_resumable
from reinforced_cot.generation.distributed import forwards_together
from reinforced_cot.models.loading import backbone_of
from reinforced_cot.switches import is_on

SWITCH = "policies.*.shared_prefix"


class SharedPrefixTrainer(GRPOTrainer):
    """Has the same rows and loss as TRL. Only the forward passes differ, and micro-batches stay together.

    Args:
        shared_prefix: ``auto`` shares prompts where the model allows it, ``on`` insists, ``off`` leaves all to TRL.
    """

    _buffered_inputs: list[Any] | None

    def __init__(self, *args: Any, shared_prefix: str = "auto", **kwargs: Any) -> None:
        self.shared_prefix = shared_prefix
        super().__init__(*args, **kwargs)

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """As TRL, but shuffle micro-batches instead of single rows: a prompt is shared within a micro-batch.

        The prompts are in random order already. Old log-probabilities are computed in the same micro-batches, so that
        both passes round alike: in bfloat16, another layout moves most of GSPO's ratios beyond an epsilon of 3e-4.
        """
        if self.shared_prefix == "off" or not self.model.training or self._kept_apart(self.model) or self._mixes_rows():
            return super()._prepare_inputs(generation_batch)
        steps = self.args.steps_per_generation
        if self._step % (steps * self.num_iterations) == 0 or self._buffered_inputs is None:
            drawn = split_pixel_values_by_grid(self._generate_and_score_completions(generation_batch))
            batches = split_tensor_dict(shuffled_blocks(drawn, self.args.per_device_train_batch_size), steps)
            self._buffered_inputs = [unsplit_pixel_values_by_grid(batch) for batch in batches]
        return self._buffered_inputs[self._step % steps]

    def _mixes_rows(self) -> bool:
        """Whether the loss of a row depends on the others of its micro-batch, which then must be a random sample.

        Loss type bnpo divides by the micro-batch's tokens, and the entropies' quantile is the micro-batch's.
        """
        depends = self.loss_type == "bnpo" or self.top_entropy_quantile < 1
        return depends and self.args.steps_per_generation > 1

    def _generate_single_turn(
        self,
        prompt_ids: list[list[int]],
        images: list[Any] | None,
        multimodal_fields: dict[str, Any],
        num_generations: int,
        **tools: Any,
    ) -> tuple[list[list[int]], None]:
        other_engine = self.use_vllm or self.use_transformers_continuous_batching
        if other_engine or not is_on(SWITCH, self.shared_prefix, self._why_rollouts_by_trl(multimodal_fields)):
            return super()._generate_single_turn(prompt_ids, images, multimodal_fields, num_generations, **tools)
        prompts, index = distinct(prompt_ids, [len(shown) for shown in images or []], multimodal_fields)
        device = self.accelerator.device
        with unwrap_model_for_generation(
            self.model_wrapped,
            self.accelerator,
            gather_deepspeed3_params=self.args.ds3_gather_for_generation,
            generation_kwargs=self.generation_kwargs,
            gradient_checkpointing_kwargs=self.args.gradient_checkpointing_kwargs,
        ) as model:
            completions = complete(
                model,
                {name: value.to(device) for name, value in prompts.items()},
                index.to(device),
                self.max_completion_length,
                self.eos_token_ids,
                generation_config=self.generation_config,
            )
        return completions, None

    def _why_rollouts_by_trl(self, fields: Mapping[str, Any]) -> str | None:
        """Why TRL generates rollouts with transformers, or None if `complete` can."""
        if fields.keys() != PROMPT_FIELDS:
            return f"the prompts have {', '.join(sorted(fields.keys() ^ PROMPT_FIELDS))}"
        if forwards_together(self.accelerator, self.args.ds3_gather_for_generation):
            return "every token gathers weights from all processes, which must all generate equally many tokens"
        return not_resumable(self.generation_config)

    def _kept_apart(self, model: torch.nn.Module) -> str | None:
        """Why the completions of a group cannot share their prompt in a pass, or None if they can."""
        unwrapped = self.accelerator.unwrap_model(model)
        if self.args.per_device_train_batch_size == 1:
            return "per_device_train_batch_size is 1, so that a micro-batch has no two completions"
        if self.args.neftune_noise_alpha:
            return NEFTUNE
        if drops_out(unwrapped):
            return "dropout is drawn for each completion; disable_dropout or lora_dropout 0 would allow it"
        return no_trees(backbone_of(unwrapped))

    def _get_per_token_logps_and_entropies(
        self,
        model: torch.nn.Module,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **multimodal: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        fields = {name: value for name, value in multimodal.items() if value is not None}
        reason = "router losses count every row's tokens" if compute_aux_loss else self._kept_apart(model)
        reason = reason or not_packable(fields)
        if not is_on(SWITCH, self.shared_prefix, reason):
            return super()._get_per_token_logps_and_entropies(
                model,
                input_ids,
                attention_mask,
                logits_to_keep,
                batch_size,
                compute_entropy,
                compute_aux_loss,
                **multimodal,
            )
        backbone = backbone_of(self.accelerator.unwrap_model(model))
        rows = Rows(input_ids, attention_mask, logits_to_keep, **fields)
        lengths = attention_mask[:, -logits_to_keep:].sum(dim=1).tolist()
        results: list[tuple[int, torch.Tensor, torch.Tensor]] = []
        at_once = batch_size or len(input_ids)
        # By rows, as TRL does: where weights are split over processes, all must make the same number of passes.
        for start in range(0, len(input_ids), at_once):
            groups = rows.groups(range(start, min(start + at_once, len(input_ids))))
            members = [row for group in groups for row in group]
            packed = pack(rows, groups)
            with self.accelerator.autocast():
                outputs = model(**_inputs(rows, groups, packed, backbone), fused_lm_head=True)
            counts = [lengths[row] for row in members]
            log_probs = unpack(packed, outputs.log_probs, members, counts, logits_to_keep)
            entropies = log_probs
            if compute_entropy:
                entropies = unpack(packed, outputs.entropy, members, counts, logits_to_keep)
            results += zip(members, log_probs, entropies, strict=True)
        results.sort(key=lambda result: result[0])
        log_probs, entropies = (torch.stack([result[part] for result in results]) for part in (1, 2))
        return log_probs, entropies if compute_entropy else None, None


def shuffled_blocks(batch: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Shuffle the blocks of a batch.

    Args:
        batch: tensors and lists with one entry per row, None, and tensors without dimensions.
        size: rows per block; their number is a multiple of it.
    """
    rows = len(next(value for value in batch.values() if value is not None))
    order = (torch.randperm(rows // size)[:, None] * size + torch.arange(size)).flatten()

    def ordered(value: Any) -> Any:
        if value is None or (isinstance(value, torch.Tensor) and value.ndim == 0):
            return value
        return value[order] if isinstance(value, torch.Tensor) else [value[row] for row in order]

    return {name: ordered(value) for name, value in batch.items()}


def distinct(
    prompt_ids: Sequence[Sequence[int]], num_images: Sequence[int], fields: Mapping[str, Any]
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Collect the distinct prompts of a batch.

    Args:
        prompt_ids: the prompt's token ids, row by row.
        num_images: the number of images, row by row.
        fields: `PROMPT_FIELDS` of all rows; ``mm_token_type_ids`` row by row, the others as arrays.

    Returns:
        The model's inputs for the distinct prompts, padded on the left; and for each row the number of its prompt,
        shape ``(rows,)``.
    """
    rows = [torch.tensor(ids) for ids in prompt_ids]
    pixels, grid = (torch.as_tensor(fields[name]) for name in ("pixel_values", "image_grid_thw"))
    images = images_by_row(pixels, grid, num_images)
    groups = find_groups(rows, images)
    first = [group[0] for group in groups]
    index = torch.empty(len(rows), dtype=torch.long)
    for number, group in enumerate(groups):
        index[group] = number
    grids, patches = zip(*(images[row] for row in first), strict=True)
    padded = partial(pad_sequence, batch_first=True, padding_side="left")
    prompts = {
        "input_ids": padded([rows[row] for row in first]),
        "attention_mask": padded([torch.ones_like(rows[row]) for row in first]),
        "mm_token_type_ids": padded([torch.tensor(fields["mm_token_type_ids"][row]) for row in first]),
        "pixel_values": torch.cat(patches),
        "image_grid_thw": torch.cat(grids),
    }
    return prompts, index


def drops_out(model: torch.nn.Module) -> bool:
    """Whether a model draws dropout in training; an adapter's is a module, attention's a number in the config."""
    rates = [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    return any(rates) or bool(getattr(backbone_of(model).config.get_text_config(), "attention_dropout", 0))


def not_packable(fields: Mapping[str, Any]) -> str | None:
    """Why rows with these fields beside their ids cannot be packed, or None if they can."""
    odd = fields.keys() ^ (PROMPT_FIELDS | {"num_images"})
    return f"the rows have {', '.join(sorted(odd))}" if odd else None


def _inputs(rows: Rows, groups: Sequence[Sequence[int]], packed: Packed, backbone: torch.nn.Module) -> dict[str, Any]:
    grids, patches = zip(*(rows.images[group[0]] for group in groups), strict=True)
    return {
        "input_ids": packed.input_ids,
        **seen_by_trees(packed.trees, backbone, packed.input_ids.device),
        "position_ids": positions(rows, groups, packed.trees, backbone.get_rope_index),
        "labels": packed.labels,
        "pixel_values": torch.cat(patches),
        "image_grid_thw": torch.cat(grids),
    }
