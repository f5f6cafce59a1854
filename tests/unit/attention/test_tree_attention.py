"""Attention computed part by part is equal to attention under a mask, and other models keep theirs."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_run import LOADING, TinyRun
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface

from reinforced_cot.attention.tree_attention import OWN_NAMES, Tree, no_trees, seen_by_trees, tree_attention
from reinforced_cot.errors import PipelineError
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.transformers_hooks import attention_of


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
        [Tree(0, [3, 3])],  # no prefix, as in SFT's packed chains
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
    actual = tree_attention(query, key, value, trees, scaling=0.3)
    expected = scaled_dot_product_attention(query, key, value, mask_of(trees), scale=0.3, enable_gqa=True)
    assert torch.allclose(actual, expected, atol=1e-12)
    weights = torch.randn_like(actual)
    gradients = [torch.autograd.grad((out * weights).sum(), (query, key, value)) for out in (actual, expected)]
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-12)


def switched(run: TinyRun) -> Any:
    model = load_model(run.base / "model", LOADING)
    seen_by_trees([Tree(0, [3])], model.model, model.device)
    return model


def test_other_models_keep_the_stock_attention(tiny_run: TinyRun) -> None:
    switched(tiny_run)
    for name, own_name in OWN_NAMES.items():
        for kind in (AttentionInterface, AttentionMaskInterface):
            assert kind()[name].__module__.startswith("transformers.")
            assert own_name in kind() or name != "sdpa"


def test_only_the_language_model_is_switched_and_no_file_shows_it(tiny_run: TinyRun, tmp_path: Path) -> None:
    model = switched(tiny_run)
    assert attention_of(model.config.text_config) == OWN_NAMES["sdpa"]
    assert {attention_of(model.config), attention_of(model.config.vision_config)} == {"sdpa"}
    assert no_trees(model.model) is None  # a model can be switched again
    model.config.save_pretrained(tmp_path)
    stock = load_model(tiny_run.base / "model", LOADING)
    saved = (tmp_path / "config.json").read_bytes()
    stock.config.save_pretrained(tmp_path)
    assert (tmp_path / "config.json").read_bytes() == saved


def test_rows_without_trees_are_those_of_the_stock_model_to_the_bit(tiny_run: TinyRun) -> None:
    models = load_model(tiny_run.base / "model", LOADING), switched(tiny_run)
    ids, padded = torch.randint(10, 300, (2, 9)), torch.ones(2, 9, dtype=torch.long)
    padded[0, :4] = 0
    for mask in (padded, torch.ones_like(padded)):
        stock, switched_logits = (model(input_ids=ids, attention_mask=mask).logits for model in models)
        assert torch.equal(stock, switched_logits)
        drawn = [model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=5) for model in models]
        assert torch.equal(*drawn)


def test_flash_attention_still_finds_its_kernels(tiny_run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """It loads the kernels that the config names, and the config has our name by then."""
    seen = []

    def stock(module: Any, query: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append(attention_of(module.config))
        return query.transpose(1, 2), None

    monkeypatch.setitem(AttentionInterface._global_mapping, "flash_attention_2", stock)
    model = load_model(tiny_run.base / "model", LOADING)
    for config in (model.config, model.config.text_config):
        monkeypatch.setattr(config, "_attn_implementation_internal", "flash_attention_2")
    seen_by_trees([Tree(0, [3])], model.model, model.device)
    assert attention_of(model.config.text_config) == OWN_NAMES["flash_attention_2"]
    model(input_ids=torch.tensor([[11, 12, 13]]), attention_mask=torch.ones(1, 3, dtype=torch.long))
    assert set(seen) == {"flash_attention_2"} and len(seen) == model.config.text_config.num_hidden_layers
    assert attention_of(model.config.text_config) == OWN_NAMES["flash_attention_2"]


def test_a_model_that_ignores_the_switch_is_refused() -> None:
    """It would ignore the trees, too, and see the whole row at once."""
    language = SimpleNamespace(_attn_implementation="sdpa")
    backbone = SimpleNamespace(
        config=SimpleNamespace(get_text_config=lambda: language), set_attn_implementation=lambda names: None
    )
    with pytest.raises(PipelineError, match="cannot be switched to another attention"):
        seen_by_trees([Tree(0, [3])], backbone, torch.device("cpu"))
