"""Completions of prompts that are computed once each, however many completions follow, and only while they go on.

`generate` of transformers computes prompt and image for each of a question's completions, and computes on for all rows
until the longest has ended. Here each prompt is computed once and its keys and values are handed to all its
completions; whenever enough of them have ended, the others go on without them. Every token still comes from `generate`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase, StoppingCriteria

from reinforced_cot.generation.prefill import prefilled
from reinforced_cot.models.loading import backbone_of

GOING_ON = 0.75  # when no more than this share of the rows goes on, the others are dropped
# Options of `generate` that do not count from the beginning of a call, so that several calls do as one.
_RESUMABLE = {
    *("do_sample", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "suppress_tokens"),
    *("max_new_tokens", "bos_token_id", "eos_token_id", "pad_token_id", "disable_compile", "transformers_version"),
}


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
    found = sorted(config.to_diff_dict().keys() - _RESUMABLE)
    return f"generation_kwargs has {', '.join(found)}" if found else None


@torch.no_grad()
def complete(
    model: PreTrainedModel,
    prompts: Mapping[str, torch.Tensor],
    index: torch.Tensor,
    max_new_tokens: int,
    end_ids: Sequence[int],
    **options: Any,
) -> list[list[int]]:
    """Completions of prompts, each up to and with its end token.

    Args:
        model: or a `PeftModel`.
        prompts: what the model takes, different ones; ``input_ids`` of shape ``(prompts, P)``, padded on the left.
        index: for each completion the number of its prompt, shape ``(completions,)``.
        end_ids: the tokens that end a completion, those that ``generate`` knows and no others.
        options: of ``generate``.

    Returns:
        Ids of each completion.
    """
    ends, backbone = torch.tensor(end_ids, device=index.device), backbone_of(model)
    known, deltas = prefilled(model, prompts, index)
    ids, mask = prompts["input_ids"][index], prompts["attention_mask"][index]
    completions: list[list[int]] = [[] for _ in index]
    rows = torch.arange(len(index))
    while True:
        if deltas is not None:
            backbone.rope_deltas = deltas
        left = max_new_tokens - len(completions[rows[0]])
        found = model.generate(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=known,
            max_new_tokens=left,
            stopping_criteria=[EnoughEnded(ends, len(rows))],
            return_dict_in_generate=True,
            synced_gpus=False,  # under ZeRO-3 processes would wait for each other, which make other numbers of calls
            **options,
        ).sequences
        new = found[:, ids.shape[1] :]
        ended = torch.isin(new, ends)
        for row, tokens, end in zip(rows.tolist(), new.tolist(), ended.tolist(), strict=True):
            completions[row] += tokens[: end.index(True) + 1] if True in end else tokens
        chosen = (~ended.any(dim=1)).nonzero()[:, 0]
        if not len(chosen) or new.shape[1] == left:
            return completions
        known.batch_select_indices(chosen)
        rows, ids = rows[chosen.cpu()], found[chosen]
        mask = torch.cat([mask, torch.ones_like(new)], dim=1)[chosen]
        deltas = None if deltas is None else deltas[chosen]


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids of the tokens that end a completion: the model's own, and the tokenizer's."""
    ends = model.generation_config.eos_token_id
    own = {ends} if isinstance(ends, int) else set(ends or [])
    return sorted(own | {tokenizer.eos_token_id})
