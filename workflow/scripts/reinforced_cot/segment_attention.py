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
    parts, start = [], 0
    for tree in trees:
        prefix = slice(start, start + tree.prefix)
        start = prefix.stop
        if tree.prefix:
            keys, values = key[:, :, prefix], value[:, :, prefix]
            parts.append(
                scaled_dot_product_attention(
                    query[:, :, prefix], keys, values, is_causal=True, scale=scaling, dropout_p=dropout
                )
            )
        for length in tree.branches:
            branch = slice(start, start + length)
            start = branch.stop
            keys, values = (torch.cat([part[:, :, prefix], part[:, :, branch]], dim=2) for part in (key, value))
            bias = causal_lower_right(length, tree.prefix + length)
            parts.append(
                scaled_dot_product_attention(
                    query[:, :, branch], keys, values, attn_mask=bias, scale=scaling, dropout_p=dropout
                )
            )
    return torch.cat(parts, dim=2)


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
