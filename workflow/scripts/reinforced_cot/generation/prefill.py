"""Keys and values of prompts, from which completions go on.

Prompts about one image are the same up to the question, which is mostly the smaller part, and an image has many:
GQA's testdev_balanced has 12,578 questions about 398 images. Where a model's attention supports it, the common
beginning is computed once, and all prompts stand in one row without padding.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from transformers import Cache, PreTrainedModel

from reinforced_cot.attention.packing import PROMPT_FIELDS, find_groups, images_by_row
from reinforced_cot.attention.tree_attention import Tree, no_trees, seen_by_trees
from reinforced_cot.models.loading import backbone_of


@torch.no_grad()
def prefilled(
    model: PreTrainedModel, prompts: Mapping[str, torch.Tensor], index: torch.Tensor
) -> tuple[Cache, torch.Tensor | None]:
    """Compute the keys and values of prompts, without the last token of each: its logits give the first new token.

    Args:
        model: the model, which may be wrapped in a `PeftModel`.
        prompts: the model's inputs; ``input_ids`` of shape ``(prompts, P)``, padded on the left.
        index: for each row of the result the number of its prompt, shape ``(rows,)``; a number may occur several times.

    Returns:
        The cache, of ``rows`` rows and P - 1 tokens; and the offset of the M-RoPE positions that follow, shape
        ``(rows, 1)``, or None for a model without M-RoPE.
    """
    # Without an adapter's wrapper, as `generate` does it: a trainer may have put autocast around the wrapper alone.
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    backbone = backbone_of(model)
    if prompts.keys() == PROMPT_FIELDS | {"input_ids", "attention_mask"} and not no_trees(backbone):
        return _in_one_row(inner, backbone, prompts, index)
    ids, mask = prompts["input_ids"], prompts["attention_mask"]
    inputs = {name: value[:, :-1] if value.shape == ids.shape else value for name, value in prompts.items()}
    if not hasattr(backbone, "get_rope_index"):  # positions as `generate` counts them: padding has none
        inputs["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, :-1]
    cache = inner(**inputs, use_cache=True, logits_to_keep=1).past_key_values
    cache.batch_select_indices(index)
    deltas = getattr(backbone, "rope_deltas", None)
    return cache, None if deltas is None else deltas[index]


def _in_one_row(
    model: PreTrainedModel, backbone: Any, prompts: Mapping[str, torch.Tensor], index: torch.Tensor
) -> tuple[Cache, torch.Tensor]:
    """As `prefilled`, with all prompts in one row, and the common beginning of each group computed once."""
    ids, mask, types = (prompts[name] for name in ("input_ids", "attention_mask", "mm_token_type_ids"))
    grid, last = prompts["image_grid_thw"], ids.shape[1] - 1
    positions, deltas = backbone.get_rope_index(ids, mm_token_type_ids=types, image_grid_thw=grid, attention_mask=mask)
    starts = (last + 1 - mask.sum(dim=1)).tolist()
    is_image = torch.nn.functional.pad((types == 1).int(), (1, 0))
    images = images_by_row(prompts["pixel_values"], grid, (is_image.diff(dim=1) == 1).sum(dim=1).tolist())
    ends = (is_image * torch.arange(last + 2, device=ids.device)).amax(dim=1).tolist()
    # A prompt up to and with its last image; prompts that have this in common make a group.
    heads = [ids[row, start : max(start, end)] for row, (start, end) in enumerate(zip(starts, ends, strict=True))]
    groups = find_groups(heads, images)
    row = lay_out([tokens[start:last] for tokens, start in zip(ids.tolist(), starts, strict=True)], groups)
    stretches = [(prompt, slice(starts[prompt] + start, starts[prompt] + end)) for prompt, start, end in row.stretches]
    grids, patches = zip(*(images[group[0]] for group in groups), strict=True)
    cache: Cache = model(
        input_ids=torch.cat([ids[prompt, part] for prompt, part in stretches])[None],
        position_ids=torch.cat([positions[:, prompt, part] for prompt, part in stretches], dim=1)[:, None],
        **seen_by_trees(row.trees, backbone, ids.device),
        pixel_values=torch.cat(patches),
        image_grid_thw=torch.cat(grids),
        use_cache=True,
        logits_to_keep=1,
    ).past_key_values
    padded = [[0] * start + places for start, places in zip(starts, row.places, strict=True)]
    chosen = torch.tensor(padded, device=ids.device)[index]  # padding gets the first token's, which the mask hides
    for layer in cache.layers:
        layer.keys, layer.values = (part[0][:, chosen].transpose(0, 1) for part in (layer.keys, layer.values))
    return cache, deltas[index]


class Layout(NamedTuple):
    """Prompts in one row: each group's common beginning, then the rest of each of its prompts.

    Attributes:
        stretches: the pieces of the row: the number of a prompt, and where the piece starts and ends in that prompt.
        trees: the same pieces as `tree_attention` describes them.
        places: for each prompt, the place in the row of each of its tokens.
    """

    stretches: list[tuple[int, int, int]]
    trees: list[Tree]
    places: list[list[int]]


def lay_out(prompts: Sequence[Sequence[int]], groups: Sequence[Sequence[int]]) -> Layout:
    """Put prompts into one row, the common beginning of each group once.

    Args:
        prompts: token ids of each prompt.
        groups: the numbers of each group's prompts; every prompt is in one group.
    """
    layout = Layout([], [], [[] for _ in prompts])
    length = 0
    for group in groups:
        common = _common([prompts[number] for number in group])
        layout.stretches.append((group[0], 0, common))
        beginning = list(range(length, length + common))
        length += common
        branches = []
        for number in group:
            rest = len(prompts[number]) - common
            layout.places[number].extend([*beginning, *range(length, length + rest)])
            if rest:
                layout.stretches.append((number, common, common + rest))
                branches.append(rest)
            length += rest
        layout.trees.append(Tree(common, branches))
    return layout


def _common(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens at the beginning are the same in all rows."""
    for place, tokens in enumerate(zip(*rows, strict=False)):
        if len(set(tokens)) > 1:
            return place
    return min(map(len, rows))
