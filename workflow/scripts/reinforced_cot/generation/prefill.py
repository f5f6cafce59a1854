"""Keys and values of prompts, from which completions go on.

Prompts about the same image are the same up to the question, which mostly is nearly all of them, and there are many:
GQA's testdev_balanced has 12,578 questions about 398 images. Where a model's attention can be told so, what they begin
with is computed once, and all of them stand in one row without padding.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from transformers import Cache, PreTrainedModel

from reinforced_cot.models.loading import backbone_of
from reinforced_cot.models.packing import PROMPT_FIELDS, find_groups, images_by_row
from reinforced_cot.models.tree_attention import Tree, no_trees, seen_by_trees


@torch.no_grad()
def prefilled(
    model: PreTrainedModel, prompts: Mapping[str, torch.Tensor], index: torch.Tensor
) -> tuple[Cache, torch.Tensor | None]:
    """Keys and values of prompts but for each one's last token, whose logits the first new token is drawn from.

    Args:
        model: or a `PeftModel`.
        prompts: what the model takes; ``input_ids`` of shape ``(prompts, P)``, padded on the left.
        index: the numbers of the prompts in the order that is wanted, any number of times each, shape ``(rows,)``.

    Returns:
        The cache, of ``rows`` rows and P - 1 tokens, and where M-RoPE's positions go on, shape ``(rows, 1)``; None for
        a model that has no M-RoPE.
    """
    # As `generate` does, without an adapter's wrapper: a trainer may have put that, and it alone, under autocast.
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    backbone = backbone_of(model)
    if prompts.keys() == PROMPT_FIELDS | {"input_ids", "attention_mask"} and not no_trees(backbone):
        return _in_one_row(inner, backbone, prompts, index)
    ids, mask = prompts["input_ids"], prompts["attention_mask"]
    inputs = {name: value[:, :-1] if value.shape == ids.shape else value for name, value in prompts.items()}
    if not hasattr(backbone, "get_rope_index"):  # positions as `generate` counts them: padding has none
        inputs["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, :-1]
    known = inner(**inputs, use_cache=True, logits_to_keep=1).past_key_values
    known.batch_select_indices(index)
    deltas = getattr(backbone, "rope_deltas", None)
    return known, None if deltas is None else deltas[index]


def _in_one_row(
    model: PreTrainedModel, backbone: Any, prompts: Mapping[str, torch.Tensor], index: torch.Tensor
) -> tuple[Cache, torch.Tensor]:
    ids, mask, types = (prompts[name] for name in ("input_ids", "attention_mask", "mm_token_type_ids"))
    grid, last = prompts["image_grid_thw"], ids.shape[1] - 1
    positions, deltas = backbone.get_rope_index(ids, mm_token_type_ids=types, image_grid_thw=grid, attention_mask=mask)
    starts = (last + 1 - mask.sum(dim=1)).tolist()
    is_image = torch.nn.functional.pad((types == 1).int(), (1, 0))
    images = images_by_row(prompts["pixel_values"], grid, (is_image.diff(dim=1) == 1).sum(dim=1).tolist())
    ends = (is_image * torch.arange(last + 2, device=ids.device)).amax(dim=1).tolist()
    shown = [ids[row, start : max(start, end)] for row, (start, end) in enumerate(zip(starts, ends, strict=True))]
    groups = find_groups(shown, images)
    row = lay_out([tokens[start:last] for tokens, start in zip(ids.tolist(), starts, strict=True)], groups)
    stretches = [(prompt, slice(starts[prompt] + start, starts[prompt] + end)) for prompt, start, end in row.stretches]
    grids, patches = zip(*(images[group[0]] for group in groups), strict=True)
    known: Cache = model(
        input_ids=torch.cat([ids[prompt, part] for prompt, part in stretches])[None],
        position_ids=torch.cat([positions[:, prompt, part] for prompt, part in stretches], dim=1)[:, None],
        **seen_by_trees(row.trees, backbone, ids.device),
        pixel_values=torch.cat(patches),
        image_grid_thw=torch.cat(grids),
        use_cache=True,
        logits_to_keep=1,
    ).past_key_values
    places = torch.tensor([[0] * start + own for start, own in zip(starts, row.places, strict=True)], device=ids.device)
    chosen = places[index]  # padding has the first token's, which a mask hides
    for layer in known.layers:
        layer.keys, layer.values = (part[0][:, chosen].transpose(0, 1) for part in (layer.keys, layer.values))
    return known, deltas[index]


class Layout(NamedTuple):
    """Prompts in one row: each group's beginning, then what each of its prompts goes on with.

    Attributes:
        stretches: of which the row is made: the number of a prompt, where the stretch starts there, where it ends.
        trees: the same as `tree_attention` has it.
        places: of each prompt's tokens in the row.
    """

    stretches: list[tuple[int, int, int]]
    trees: list[Tree]
    places: list[list[int]]


def lay_out(prompts: Sequence[Sequence[int]], groups: Sequence[Sequence[int]]) -> Layout:
    """Put each group's common beginning and all else into a row.

    Args:
        prompts: ids of each.
        groups: of numbers of prompts, each once.
    """
    found = Layout([], [], [[] for _ in prompts])
    length = 0
    for group in groups:
        common = _common([prompts[number] for number in group])
        found.stretches.append((group[0], 0, common))
        beginning = list(range(length, length + common))
        length += common
        branches = []
        for number in group:
            rest = len(prompts[number]) - common
            found.places[number].extend([*beginning, *range(length, length + rest)])
            if rest:
                found.stretches.append((number, common, common + rest))
                branches.append(rest)
            length += rest
        found.trees.append(Tree(common, branches))
    return found


def _common(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with."""
    for place, tokens in enumerate(zip(*rows, strict=False)):
        if len(set(tokens)) > 1:
            return place
    return min(map(len, rows))
