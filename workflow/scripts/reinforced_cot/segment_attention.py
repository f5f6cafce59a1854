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
    shared = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(shared, dim=1), value.repeat_interleave(shared, dim=1)

    def causal(own: slice, before: slice) -> torch.Tensor:
        keys, values = key[:, :, own], value[:, :, own]
        if before.stop == before.start:
            options: dict[str, Any] = {"is_causal": True}
        else:
            keys, values = torch.cat([key[:, :, before], keys], dim=2), torch.cat([value[:, :, before], values], dim=2)
            options = {"attn_mask": causal_lower_right(own.stop - own.start, keys.shape[2])}
        return scaled_dot_product_attention(query[:, :, own], keys, values, scale=scaling, dropout_p=dropout, **options)

    parts, start = [], 0
    for tree in trees:
        prefix = slice(start, start + tree.prefix)
        start = prefix.stop
        if tree.prefix:
            parts.append(causal(prefix, slice(0, 0)))
        for length in tree.branches:
            parts.append(causal(slice(start, start + length), prefix))
            start += length
    return torch.cat(parts, dim=2)


def seen_by_trees(trees: Sequence[Tree], device: torch.device) -> dict[str, Any]:
    """What a model is told in place of a mask; the one that it is given counts the tokens, and hides none."""
    tokens = sum(tree.prefix + sum(tree.branches) for tree in trees)
    return {"trees": trees, "attention_mask": torch.ones(1, 1, 1, tokens, dtype=torch.bool, device=device)}


def no_trees(backbone: torch.nn.Module) -> str | None:
    """Why a model's rows cannot hold several sequences, or None if they can."""
    if not hasattr(backbone, "get_rope_index"):
        return f"{type(backbone).__name__} has no M-RoPE positions"
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
