"""Completions of prompts that are computed once are those of the stock `generate`, row by row."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_run import LOADING, PROMPT, TinyRun, with_large_weights, with_several_images
from transformers import GenerationConfig

from reinforced_cot.errors import PipelineError
from reinforced_cot.generation import decoding
from reinforced_cot.generation.batching import opened
from reinforced_cot.generation.decoding import complete, end_tokens, not_resumable
from reinforced_cot.generation.rendering import rendered_prompt
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import load_processor
from reinforced_cot.training.shared_prefix_trainer import SharedPrefixTrainer, distinct

TOKENS = 24
ENDS = list(range(20, 60))
FREE = {"do_sample": True, "temperature": 1.0, "top_k": 0}


@pytest.fixture(scope="module")
def model(tiny_run: TinyRun) -> Any:
    """A policy of large random weights, which repeats itself little; one token in ten ends the completion."""
    found = with_large_weights(load_model(tiny_run.base / "model", LOADING))
    found.generation_config.eos_token_id = ENDS
    return found


@pytest.fixture
def never_dropped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Rows stay until all have ended, so that the random numbers are those of the stock `generate`."""
    monkeypatch.setattr(decoding, "GOING_ON", 0.0)
    yield


def prompts(run: TinyRun, numbers: list[int]) -> dict[str, torch.Tensor]:
    """Questions of several lengths about images of several sizes."""
    processor = load_processor(run.base / "model")
    examples = [run.examples[number] for number in numbers]
    texts = [rendered_prompt(processor, example, PROMPT) for example in examples]
    images = [[opened(run.data / name) for name in example.images] for example in examples]
    return dict(processor(text=texts, images=images, padding=True, padding_side="left", return_tensors="pt"))


def separate(model: Any, run: TinyRun, numbers: list[int], **options: Any) -> list[list[int]]:
    """The completions of the stock `generate`, where each completion has a prompt of its own."""
    inputs = prompts(run, numbers)
    found = model.generate(**inputs, max_new_tokens=TOKENS, **options)[:, inputs["input_ids"].shape[1] :]
    ends = torch.isin(found, torch.tensor(ENDS)).tolist()
    rows = zip(found.tolist(), ends, strict=True)
    return [ids[: end.index(True) + 1] if True in end else ids for ids, end in rows]


NUMBERS = [0, 0, 0, 1, 1, 2, 5, 5, 5, 5]
INDEX = torch.tensor([0, 0, 0, 1, 1, 2, 3, 3, 3, 3])


def test_greedy_completions_are_the_same_however_rows_are_dropped(tiny_run: TinyRun, model: Any) -> None:
    expected = separate(model, tiny_run, NUMBERS, do_sample=False)
    assert len({len(ids) for ids in expected}) > 1  # they end at different times
    found = complete(model, prompts(tiny_run, [0, 1, 2, 5]), INDEX, TOKENS, ENDS, do_sample=False)
    assert found == expected


def test_greedy_completions_are_the_same_with_several_images(tiny_run: TinyRun, model: Any) -> None:
    """One to three images per prompt, in one batch."""
    run = with_several_images(tiny_run)
    expected = separate(model, run, NUMBERS, do_sample=False)
    assert len({tuple(ids) for ids in expected}) > 2
    assert complete(model, prompts(run, [0, 1, 2, 5]), INDEX, TOKENS, ENDS, do_sample=False) == expected


def test_sampled_completions_are_the_same(tiny_run: TinyRun, model: Any, never_dropped: None) -> None:
    torch.manual_seed(4)
    expected = separate(model, tiny_run, NUMBERS, **FREE)
    torch.manual_seed(4)
    found = complete(model, prompts(tiny_run, [0, 1, 2, 5]), INDEX, TOKENS, ENDS, **FREE)
    assert found == expected and len({tuple(ids) for ids in found}) > 8


def test_tokens_after_rows_were_dropped_are_drawn_from_the_same_policy(tiny_run: TinyRun, model: Any) -> None:
    """Each token has the log-probability that a pass over the whole row gives it: rows do not mix."""
    torch.manual_seed(4)
    inputs = prompts(tiny_run, [0, 1, 2, 5])
    scores: list[torch.Tensor] = []
    hook = model.lm_head.register_forward_hook(lambda module, args, output: scores.append(output[:, -1]))
    found = complete(model, inputs, INDEX, TOKENS, ENDS, **FREE)
    hook.remove()
    assert len(scores[1]) == len(NUMBERS) > len(scores[-1])  # the first scores are of the prompts
    last = [row for row, ids in enumerate(found) if len(ids) == max(map(len, found))]
    row = prompts(tiny_run, [NUMBERS[last[-1]]])
    ids = torch.cat([row.pop("input_ids"), torch.tensor([found[last[-1]]])], dim=1)
    types = torch.nn.functional.pad(row.pop("mm_token_type_ids"), (0, len(found[last[-1]])))
    row.pop("attention_mask")
    with torch.no_grad():
        whole = model(input_ids=ids, mm_token_type_ids=types, **row).logits[0, -2]
    assert torch.allclose(scores[-1][-1], whole, atol=1e-4)


def test_each_prompt_and_image_is_computed_once(tiny_run: TinyRun, model: Any) -> None:
    images, tokens = [], []
    hooks = [
        model.model.visual.register_forward_pre_hook(lambda module, args: images.append(len(args[0]))),
        model.lm_head.register_forward_pre_hook(lambda module, args: tokens.append(args[0].shape[:2])),
    ]
    inputs = prompts(tiny_run, [0, 1, 2, 5])
    torch.manual_seed(4)
    found = complete(model, inputs, INDEX, TOKENS, ENDS, **FREE)
    for hook in hooks:
        hook.remove()
    assert images == [len(inputs["pixel_values"])]
    computed = sum(rows * length for rows, length in tokens[1:])
    needed = sum(map(len, found))
    assert needed <= computed < len(NUMBERS) * max(map(len, found))


def test_a_limit_cuts_every_completion(tiny_run: TinyRun, model: Any) -> None:
    found = complete(model, prompts(tiny_run, [0, 1, 2, 5]), INDEX, 1, ENDS, do_sample=False)
    assert [len(ids) for ids in found] == [1] * 10


def test_options_that_count_from_the_beginning_are_left_to_generate() -> None:
    assert not_resumable(GenerationConfig(temperature=0.7, suppress_tokens=[3], max_new_tokens=9)) is None
    assert not_resumable(GenerationConfig(use_cache=False)) == "generation_kwargs has use_cache"
    assert not_resumable(GenerationConfig(min_new_tokens=5)) == "generation_kwargs has min_new_tokens"
    assert not_resumable(GenerationConfig(cache_implementation="static")) == (
        "generation_kwargs has cache_implementation"
    )


def test_both_the_models_and_the_tokenizers_end_tokens_end(tiny_run: TinyRun, model: Any) -> None:
    tokenizer = load_processor(tiny_run.base / "model").tokenizer
    assert end_tokens(model, tokenizer) == sorted({*ENDS, tokenizer.eos_token_id})
    alone: Any = SimpleNamespace(generation_config=GenerationConfig())
    assert end_tokens(alone, tokenizer) == [tokenizer.eos_token_id]


def test_rollouts_are_those_of_trl(trainer: SharedPrefixTrainer, never_dropped: None) -> None:
    batch = next(iter(trainer.get_train_dataloader()))
    drawn = {}
    for way in ("off", "on"):
        trainer.shared_prefix = way
        torch.manual_seed(7)
        drawn[way] = trainer._generate_and_score_completions(batch)
    names = ("prompt_ids", "completion_ids", "completion_mask", "pixel_values", "advantages")
    assert all(torch.equal(drawn["on"][name], drawn["off"][name]) for name in names)
    assert drawn["on"]["completion_mask"].sum() > 0


def test_rollouts_end_where_trl_ends_them(
    trainer: SharedPrefixTrainer, monkeypatch: pytest.MonkeyPatch, never_dropped: None
) -> None:
    """Also by an end token that only the tokenizer knows: the tokens after it are padding, and are not trained on."""
    monkeypatch.setattr(trainer.model.generation_config, "eos_token_id", None)
    ends = list(range(4, 200, 2))
    monkeypatch.setattr(trainer, "eos_token_ids", ends)
    monkeypatch.setattr(trainer.generation_config, "eos_token_id", ends)
    batch = next(iter(trainer.get_train_dataloader()))
    masks = []
    for way in ("off", "on"):
        monkeypatch.setattr(trainer, "shared_prefix", way)
        torch.manual_seed(5)
        masks.append(trainer._generate_and_score_completions(batch)["completion_mask"])
    assert torch.equal(*masks) and 0 in masks[0]


def test_insisting_where_rollouts_cannot_be_shared_is_an_error(
    trainer: SharedPrefixTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = next(iter(trainer.get_train_dataloader()))
    monkeypatch.setattr(trainer.generation_config, "min_new_tokens", 2)
    monkeypatch.setattr(trainer, "shared_prefix", "on")
    with pytest.raises(PipelineError, match="and cannot be: generation_kwargs has min_new_tokens; set it"):
        trainer._generate_and_score_completions(batch)
    monkeypatch.setattr(trainer, "shared_prefix", "auto")
    assert trainer._generate_and_score_completions(batch)["completion_ids"].shape[1] >= 2


def test_prompts_differ_by_text_and_by_image(tiny_run: TinyRun, tmp_path: Path) -> None:
    inputs = prompts(tiny_run, [0, 0, 3, 0])
    lengths = inputs["attention_mask"].sum(dim=1).tolist()
    rows = [ids[-length:].tolist() for ids, length in zip(inputs["input_ids"], lengths, strict=True)]
    types = [ids[-length:].tolist() for ids, length in zip(inputs["mm_token_type_ids"], lengths, strict=True)]
    fields = {**{name: inputs[name] for name in ("pixel_values", "image_grid_thw")}, "mm_token_type_ids": types}
    found, index = distinct(rows, [1] * 4, fields)
    assert index.tolist() == [0, 0, 1, 0]
    expected = prompts(tiny_run, [0, 3])
    assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)
    turned = fields["image_grid_thw"].clone()
    turned[1] = turned[1, [0, 2, 1]]  # the same patches in another shape, as of a blank image
    assert turned[1].tolist() != turned[0].tolist()
    assert distinct(rows, [1] * 4, {**fields, "image_grid_thw": turned})[1].tolist() == [0, 1, 2, 0]
    fields["pixel_values"] = fields["pixel_values"].clone()
    fields["pixel_values"][-1] += 1
    assert distinct(rows, [1] * 4, fields)[1].tolist() == [0, 0, 1, 2]
