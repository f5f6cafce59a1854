"""Attention part by part is attention under the mask that says the same."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from reinforced_cot.models.tree_attention import Tree, tree_attention


def mask_of(trees: list[Tree]) -> torch.Tensor:
    """Which token sees which, shape ``(tokens, tokens)``."""
    owner = [
        (t, b) for t, tree in enumerate(trees) for b, n in enumerate([tree.prefix, *tree.branches]) for _ in range(n)
    ]
    seen = [
        [t == other and b in (0, branch) and place <= own for place, (t, b) in enumerate(owner)]
        for own, (other, branch) in enumerate(owner)
    ]
    return torch.tensor(seen)


@pytest.mark.parametrize(
    "trees",
    [
        [Tree(5, [1, 4, 2])],
        [Tree(0, [3, 3])],  # nothing shared, as chains that are packed
        [Tree(7, [2]), Tree(1, [1, 1]), Tree(0, [6])],
        [Tree(4, [])],
    ],
)
@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_parts_see_what_the_mask_shows(trees: list[Tree], key_heads: int) -> None:
    torch.manual_seed(0)
    length = sum(tree.prefix + sum(tree.branches) for tree in trees)
    query = torch.randn(1, 4, length, 8, dtype=torch.float64, requires_grad=True)
    key, value = (torch.randn(1, key_heads, length, 8, dtype=torch.float64, requires_grad=True) for _ in range(2))
    found = tree_attention(query, key, value, trees, scaling=0.3)
    expected = scaled_dot_product_attention(query, key, value, mask_of(trees), scale=0.3, enable_gqa=True)
    assert torch.allclose(found, expected, atol=1e-12)
    weights = torch.randn_like(found)
    gradients = [torch.autograd.grad((out * weights).sum(), (query, key, value)) for out in (found, expected)]
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-12)
