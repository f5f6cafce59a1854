"""Several completions per prompt: each prompt is computed once, and each completion only until it ends.

`generate` of transformers computes prompt and image again for each of a question's completions, and goes on computing
all rows until the longest has ended. Here each prompt is computed once and its keys and values are handed to all its
completions; whenever enough rows have ended, the others go on without them. Every token still comes from `generate`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase, StoppingCriteria

from reinforced_cot.generation.prefill import prefilled
from reinforced_cot.models.loading import backbone_of

GOING_ON = 0.75  # when at most this share of the rows is unfinished, the finished rows are dropped
# Options of `generate` that do not depend on where a call begins: several calls in a row do the same as a single one.
_RESUMABLE = {
    *("do_sample", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "suppress_tokens"),
    *("max_new_tokens", "bos_token_id", "eos_token_id", "pad_token_id", "disable_compile", "transformers_version"),
}


class EnoughEnded(StoppingCriteria):
    """Stops `generate` when at most the share `GOING_ON` of its rows is unfinished; the next call gets only those."""

    def __init__(self, ends: torch.Tensor, rows: int) -> None:
        self._ends, self._limit, self._ended = ends, int(GOING_ON * rows), torch.zeros(rows, dtype=torch.bool)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        self._ended = self._ended.to(input_ids.device) | torch.isin(input_ids[:, -1], self._ends)
        enough = self._ended.logical_not().sum() <= self._limit
        return enough.expand(len(input_ids))


def not_resumable(config: GenerationConfig) -> str | None:
    """Why `complete` cannot take the place of ``generate`` with these options, or None if it can."""
    others = sorted(config.to_diff_dict().keys() - _RESUMABLE)
    return f"generation_kwargs has {', '.join(others)}" if others else None


@torch.no_grad()
def complete(
    model: PreTrainedModel,
    prompts: Mapping[str, torch.Tensor],
    index: torch.Tensor,
    max_new_tokens: int,
    end_ids: Sequence[int],
    **options: Any,
) -> list[list[int]]:
    """Complete prompts; each completion includes its end token, unless it is cut off before.

    Args:
        model: the model, which may be wrapped in a `PeftModel`.
        prompts: the model's inputs for distinct prompts; ``input_ids`` of shape ``(prompts, P)``, padded on the left.
        index: for each completion the number of its prompt, shape ``(completions,)``.
        end_ids: the tokens that end a completion, exactly those that ``generate`` knows.
        options: further options of ``generate``.

    Returns:
        Token ids of each completion, in the order of ``index``.
    """
    ends, backbone = torch.tensor(end_ids, device=index.device), backbone_of(model)
    cache, deltas = prefilled(model, prompts, index)
    ids, mask = prompts["input_ids"][index], prompts["attention_mask"][index]
    completions: list[list[int]] = [[] for _ in index]
    rows = torch.arange(len(index))
    while True:
        if deltas is not None:
            backbone.rope_deltas = deltas
        remaining = max_new_tokens - len(completions[rows[0]])
        sequences = model.generate(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=cache,
            max_new_tokens=remaining,
            stopping_criteria=[EnoughEnded(ends, len(rows))],
            return_dict_in_generate=True,
            synced_gpus=False,  # else processes wait for each other under ZeRO-3, and their numbers of calls differ
            **options,
        ).sequences
        new = sequences[:, ids.shape[1] :]
        ended = torch.isin(new, ends)
        for row, tokens, end in zip(rows.tolist(), new.tolist(), ended.tolist(), strict=True):
            completions[row] += tokens[: end.index(True) + 1] if True in end else tokens
        unfinished = (~ended.any(dim=1)).nonzero()[:, 0]
        if not len(unfinished) or new.shape[1] == remaining:
            return completions
        cache.batch_select_indices(unfinished)
        rows, ids = rows[unfinished.cpu()], sequences[unfinished]
        mask = torch.cat([mask, torch.ones_like(new)], dim=1)[unfinished]
        deltas = None if deltas is None else deltas[unfinished]


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids of the tokens that end a completion: the model's own, and the tokenizer's."""
    ends = model.generation_config.eos_token_id
    model_ends = {ends} if isinstance(ends, int) else set(ends or [])
    return sorted(model_ends | {tokenizer.eos_token_id})
