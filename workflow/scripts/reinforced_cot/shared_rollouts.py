"""Completions of prompts that are computed once each, however many completions follow, and only while they go on.

`generate` of transformers computes prompt and image for each of a question's completions, and computes on for all rows
until the longest has ended. Here each prompt is computed once and its keys and values are handed to all its
completions; whenever enough of them have ended, the others go on without them. Every token still comes from `generate`.
"""

from collections.abc import Mapping
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel, StoppingCriteria

from reinforced_cot.models import backbone_of

GOING_ON = 0.75  # when no more than this share of the rows goes on, the others are dropped
# Options of `generate` that count from its own beginning, or that want another kind of cache.
_NOT_RESUMABLE = ("min_new_tokens", "min_length", "begin_suppress_tokens", "stop_strings", "cache_implementation")


class EnoughEnded(StoppingCriteria):
    """Ends a call of `generate` once at most `GOING_ON` of its rows go on, so that these can do so by themselves."""

    def __init__(self, ends: torch.Tensor, rows: int) -> None:
        self._ends, self._left, self._ended = ends, int(GOING_ON * rows), torch.zeros(rows, dtype=torch.bool)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        self._ended = self._ended.to(input_ids.device) | torch.isin(input_ids[:, -1], self._ends)
        enough = self._ended.logical_not().sum() <= self._left
        return enough.expand(len(input_ids))


def not_resumable(config: GenerationConfig) -> str | None:
    """Which option keeps `complete` from serving in place of ``generate``, or None."""
    found = [name for name in _NOT_RESUMABLE if getattr(config, name, None)]
    return f"generation_kwargs has {', '.join(found)}" if found else None


@torch.no_grad()
def complete(
    model: PreTrainedModel,
    prompts: Mapping[str, torch.Tensor],
    index: torch.Tensor,
    max_new_tokens: int,
    **options: Any,
) -> list[list[int]]:
    """Completions of prompts, each up to and with its end token.

    Args:
        model: or a `PeftModel`; its generation config names the end tokens.
        prompts: what the model takes, different ones; ``input_ids`` of shape ``(prompts, P)``, padded on the left.
        index: for each completion the number of its prompt, shape ``(completions,)``.
        options: of ``generate``.

    Returns:
        Ids of each completion.
    """
    ends = end_tokens(model).to(index.device)
    backbone = backbone_of(model)
    known = model(**prompts, use_cache=True, logits_to_keep=1).past_key_values
    known.crop(-1)  # the last token's logits are what the first token is drawn from: it is computed again for each
    deltas = getattr(backbone, "rope_deltas", None)  # M-RoPE: where positions go on
    ids, mask = prompts["input_ids"], prompts["attention_mask"]
    completions: list[list[int]] = [[] for _ in index]
    rows, chosen = torch.arange(len(index)), index
    while len(rows):
        known.batch_select_indices(chosen)
        ids, mask = ids[chosen], mask[chosen]
        if deltas is not None:
            deltas = backbone.rope_deltas = deltas[chosen]
        left = max_new_tokens - len(completions[rows[0]])
        found = model.generate(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=known,
            max_new_tokens=left,
            stopping_criteria=[EnoughEnded(ends, len(rows))],
            return_dict_in_generate=True,
            **options,
        ).sequences
        new = found[:, ids.shape[1] :]
        ended = torch.isin(new, ends)
        for row, tokens, end in zip(rows.tolist(), new.tolist(), ended.tolist(), strict=True):
            completions[row] += tokens[: end.index(True) + 1] if True in end else tokens
        goes_on = ~ended.any(dim=1) if new.shape[1] < left else torch.zeros(len(rows), dtype=torch.bool)
        chosen = goes_on.nonzero()[:, 0]
        rows, ids = rows[chosen.cpu()], found
        mask = torch.cat([mask, torch.ones_like(new)], dim=1)
    return completions


def end_tokens(model: PreTrainedModel) -> torch.Tensor:
    """Ids of the tokens that end a completion."""
    ends = model.generation_config.eos_token_id
    return torch.tensor([ends] if isinstance(ends, int) else ends or [])
