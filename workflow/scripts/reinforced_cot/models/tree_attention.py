"""Attention within a row that holds several sequences, some of which share their beginning.

A row is a list of trees, one after the other; a tree is a prefix and branches that each go on from it. A prefix sees
itself, a branch sees its prefix and itself. Each part is attended to by a call of its own with the kernel for causal
attention: nothing is computed that a mask would hide, and no mask of the row's length squared is held.

Importing this module teaches transformers' attention functions the argument ``trees``; without it they do as before.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

import torch
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from reinforced_cot.models.loading import autocast_dtype

NEFTUNE = "NEFTune's noise depends on how long a row is"
IMPLEMENTATIONS = ("sdpa", "flash_attention_2", "flash_attention_3")  # which `trees` can be given to


class Tree(NamedTuple):
    """How many tokens the prefix has, which may be none, and how many each branch."""

    prefix: int
    branches: Sequence[int]


def tree_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    trees: Sequence[Tree],
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
) -> torch.Tensor:
    """Attention of one row.

    Args:
        query: shape ``(1, heads, tokens, features)``; the trees' tokens are all there are.
        key, value: shape ``(1, heads or fewer, tokens, features)``, each head serving several of the query's.
        scaling: of the products; None is one over the root of ``features``.

    Returns:
        Shape ``(1, heads, tokens, features)``.
    """
    kind = autocast_dtype(query.device.type)
    if kind:  # by hand: autocast does not see a call whose mask is a `CausalBias`
        query, key, value = (part.to(kind) for part in (query, key, value))
    shared = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(shared, dim=1), value.repeat_interleave(shared, dim=1)
    options: dict[str, Any] = {"scale": scaling, "dropout_p": dropout}
    lengths = [length for tree in trees for length in (tree.prefix, *tree.branches)]
    # Split at once: the gradient of each slice by itself would be a row of zeros but for the slice.
    parts = iter(zip(*(part.split(lengths, dim=2) for part in (query, key, value)), strict=True))
    found = []
    for tree in trees:
        own, prefix_key, prefix_value = next(parts)
        if tree.prefix:
            found.append(scaled_dot_product_attention(own, prefix_key, prefix_value, is_causal=True, **options))
        for length in tree.branches:
            own, keys, values = next(parts)
            if tree.prefix:
                keys, values = torch.cat([prefix_key, keys], dim=2), torch.cat([prefix_value, values], dim=2)
                bias = causal_lower_right(length, tree.prefix + length)
                found.append(scaled_dot_product_attention(own, keys, values, attn_mask=bias, **options))
            else:
                found.append(scaled_dot_product_attention(own, keys, values, is_causal=True, **options))
    return torch.cat(found, dim=2)


def seen_by_trees(trees: Sequence[Tree], device: torch.device) -> dict[str, Any]:
    """What a model is told in place of a mask; the one that it is given counts the tokens, and hides none."""
    tokens = sum(tree.prefix + sum(tree.branches) for tree in trees)
    return {"trees": trees, "attention_mask": torch.ones(1, 1, 1, tokens, dtype=torch.bool, device=device)}


def no_trees(backbone: torch.nn.Module) -> str | None:
    """Why a model's rows cannot hold several sequences, or None if they can."""
    if not hasattr(backbone, "get_rope_index"):
        return f"{type(backbone).__name__} has no M-RoPE positions"
    if set(getattr(backbone.config.get_text_config(), "layer_types", None) or ()) - {"full_attention"}:
        return "some of its layers see a window only"
    attention = backbone.config._attn_implementation
    return None if attention in IMPLEMENTATIONS else f"base_model.attn_implementation is {attention}"


def _with_trees(stock: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(stock)
    def attention(
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        *args: Any,
        trees: Sequence[Tree] | None = None,
        **kwargs: Any,
    ) -> Any:
        if trees is None or not module.is_causal:  # a vision tower is handed the arguments of the language model, too
            return stock(module, query, key, value, attention_mask, *args, **kwargs)
        options = {name: kwargs[name] for name in ("scaling", "dropout")}
        return tree_attention(query, key, value, trees, **options).transpose(1, 2), None

    return attention


for _name in IMPLEMENTATIONS:
    ALL_ATTENTION_FUNCTIONS.register(_name, _with_trees(ALL_ATTENTION_FUNCTIONS[_name]))
