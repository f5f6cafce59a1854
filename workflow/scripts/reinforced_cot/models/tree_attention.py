"""Attention within a row that holds several sequences, some of which share their beginning.

A row is a list of trees, one after the other; a tree is a prefix and branches that each go on from it. A prefix sees
itself, a branch sees its prefix and itself. Each part is attended to by a call of its own with the kernel for causal
attention: nothing is computed that a mask would hide, and no mask of the row's length squared is held.

Transformers knows this attention under names of its own. A language model is switched to one of them when it is first
given trees, and keeps it: gradient checkpointing computes a layer again long after the pass, with the attention that
the config then names. Rows without trees are the stock attention's under these names, too.
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
# Transformers' names of the kernels that this attention can stand in for, and its own name where it does. A name has to
# contain that of the kernel: transformers looks for "flash" and "sdpa" in it.
OWN_NAMES = {name: f"trees_{name}" for name in ("sdpa", "flash_attention_2", "flash_attention_3")}


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


def seen_by_trees(trees: Sequence[Tree], backbone: Any, device: torch.device) -> dict[str, Any]:
    """What a model takes in place of a mask. The mask passed along is all ones: it only carries the length.

    Args:
        trees: of the row.
        backbone: of the model that is given the row, which `no_trees` has nothing against; its language model is
            switched to this attention.
        device: of the row.

    Raises:
        PipelineError: the language model cannot be switched; it would ignore the trees and see the whole row.
    """
    _switch(backbone)
    tokens = sum(tree.prefix + sum(tree.branches) for tree in trees)
    return {"trees": trees, "attention_mask": torch.ones(1, 1, 1, tokens, dtype=torch.bool, device=device)}


def no_trees(backbone: torch.nn.Module) -> str | None:
    """Why a model's rows cannot hold several sequences, or None if they can."""
    if not hasattr(backbone, "get_rope_index"):
        return f"{type(backbone).__name__} has no M-RoPE positions"
    if set(getattr(backbone.config.get_text_config(), "layer_types", None) or ()) - {"full_attention"}:
        return "some of its layers see a window only"
    attention = attention_of(backbone.config)  # of the whole model: a switch changes the language model's alone
    return None if attention in OWN_NAMES else f"base_model.attn_implementation is {attention}"


def _switch(backbone: Any) -> None:
    """Let the language model take ``trees``. Nothing of this is saved: a config's file does not name its attention."""
    language = backbone.config.get_text_config()
    stock = attention_of(language)
    if stock in OWN_NAMES.values():
        return
    own = OWN_NAMES[stock]
    AttentionInterface.register(own, partial(_attention, stock))
    AttentionMaskInterface.register(own, AttentionMaskInterface()[stock])
    # The vision tower keeps its attention: it is handed the arguments of the language model, and ignores the trees.
    backbone.set_attn_implementation({"text_config": own})
    if attention_of(language) != own:
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
    """What transformers calls for each layer; ``stock`` names the attention of rows without trees."""
    if trees is None:
        with attention_as(module.config, stock):  # flash attention loads the kernels that the config names
            return _FUNCTIONS[stock](module, query, key, value, attention_mask, *args, **kwargs)
    options = {name: kwargs[name] for name in ("scaling", "dropout")}
    return tree_attention(query, key, value, trees, **options).transpose(1, 2), None
