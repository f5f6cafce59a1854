"""Attention within a row that holds several sequences, some of which share their beginning.

A row is a list of trees, one after the other. A tree is a prefix and branches that each continue it. A prefix sees
itself; a branch sees its prefix and itself. Each prefix and each branch is a separate call of the kernel for causal
attention: no product is computed that a mask would hide, and no mask of the row's length squared is held.

Transformers knows this attention under separate names. A language model is switched to one of them before its first
row of trees, and keeps it: gradient checkpointing computes a layer again long after the pass, with the attention that
the config names by then. Under these names, rows without trees are computed by the stock attention.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface

from reinforced_cot.errors import PipelineError
from reinforced_cot.models.loading import autocast_dtype
from reinforced_cot.models.transformers_hooks import attention_as, attention_of

NEFTUNE = "NEFTune's noise depends on how long a row is"
_FUNCTIONS: Mapping[str, Callable[..., Any]] = AttentionInterface()
# The kernels that this attention can replace, by transformers' names, and its own name in place of each. Its own name
# must contain the kernel's: transformers looks for "flash" and "sdpa" in it.
OWN_NAMES = {name: f"trees_{name}" for name in ("sdpa", "flash_attention_2", "flash_attention_3")}


class Tree(NamedTuple):
    """The length in tokens of a prefix, which may be empty, and of each of its branches."""

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
        query: shape ``(1, heads, tokens, features)``; the tokens are those of the trees, one tree after the other.
        key, value: shape ``(1, key heads, tokens, features)``; each key head serves several heads of the query.
        trees: of the row.
        scaling: factor of the products; None means one over the root of ``features``.
        dropout: share of the attention weights that are dropped.

    Returns:
        Shape ``(1, heads, tokens, features)``.
    """
    dtype = autocast_dtype(query.device.type)
    if dtype:  # by hand: autocast misses a call whose mask is a `CausalBias`
        query, key, value = (part.to(dtype) for part in (query, key, value))
    repeats = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(repeats, dim=1), value.repeat_interleave(repeats, dim=1)
    options: dict[str, Any] = {"scale": scaling, "dropout_p": dropout}
    lengths = [length for tree in trees for length in (tree.prefix, *tree.branches)]
    # One split for all parts: the gradient of a single slice would be as large as the row, and zero outside the slice.
    parts = iter(zip(*(part.split(lengths, dim=2) for part in (query, key, value)), strict=True))
    outputs = []
    for tree in trees:
        queries, prefix_key, prefix_value = next(parts)
        if tree.prefix:
            outputs.append(scaled_dot_product_attention(queries, prefix_key, prefix_value, is_causal=True, **options))
        for length in tree.branches:
            queries, keys, values = next(parts)
            if tree.prefix:
                keys, values = torch.cat([prefix_key, keys], dim=2), torch.cat([prefix_value, values], dim=2)
                bias = causal_lower_right(length, tree.prefix + length)
                outputs.append(scaled_dot_product_attention(queries, keys, values, attn_mask=bias, **options))
            else:
                outputs.append(scaled_dot_product_attention(queries, keys, values, is_causal=True, **options))
    return torch.cat(outputs, dim=2)


def seen_by_trees(trees: Sequence[Tree], backbone: Any, device: torch.device) -> dict[str, Any]:
    """The arguments that replace a model's mask: the trees, and a mask of ones that only carries the row's length.

    Args:
        trees: of the row.
        backbone: of a model that `no_trees` accepts; its language model is switched to this attention.
        device: of the row.

    Raises:
        PipelineError: the language model cannot be switched. It would ignore the trees and see the whole row.
    """
    _switch(backbone)
    tokens = sum(tree.prefix + sum(tree.branches) for tree in trees)
    return {"trees": trees, "attention_mask": torch.ones(1, 1, 1, tokens, dtype=torch.bool, device=device)}


def no_trees(backbone: torch.nn.Module, attention: str | None = None) -> str | None:
    """Why a model's rows cannot hold several sequences, or None if they can.

    Args:
        attention: the kernel that it will be loaded with; None for that of its config.
    """
    if not hasattr(backbone, "get_rope_index"):
        return f"{type(backbone).__name__} has no M-RoPE positions"
    if set(getattr(backbone.config.get_text_config(), "layer_types", None) or ()) - {"full_attention"}:
        return "some of its layers see a window only"
    attention = attention or attention_of(backbone.config)  # the whole model's: a switch changes the language model's
    return None if attention in OWN_NAMES else f"base_model.attn_implementation is {attention}"


def _switch(backbone: Any) -> None:
    """Switch the language model to this attention. No file shows it: a saved config does not name its attention."""
    language = backbone.config.get_text_config()
    stock = attention_of(language)
    if stock in OWN_NAMES.values():
        return
    own_name = OWN_NAMES[stock]
    AttentionInterface.register(own_name, partial(_attention, stock))
    AttentionMaskInterface.register(own_name, AttentionMaskInterface()[stock])
    # The vision tower keeps its attention: it receives the language model's arguments, and ignores the trees.
    backbone.set_attn_implementation({"text_config": own_name})
    if attention_of(language) != own_name:
        raise PipelineError(
            f"{type(backbone).__name__} cannot be switched to another attention: set `policies.*.padding_free` "
            "and `policies.*.shared_prefix` off"
        )


def _attention(
    stock: str,
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *args: Any,
    trees: Sequence[Tree] | None = None,
    **kwargs: Any,
) -> Any:
    """The function that transformers calls in each layer; ``stock`` names the attention for rows without trees."""
    if trees is None:
        with attention_as(module.config, stock):  # flash attention loads the kernels that the config names
            return _FUNCTIONS[stock](module, query, key, value, attention_mask, *args, **kwargs)
    options = {name: kwargs[name] for name in ("scaling", "dropout")}
    return tree_attention(query, key, value, trees, **options).transpose(1, 2), None
