"""Asking a policy: images count, padding does not, image tokens never come, the same seed gives the same answers."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from PIL import Image
from tiny_run import LOADING, PROMPT, TinyRun, with_large_weights, with_several_images

from reinforced_cot.data.examples import Example, other_images
from reinforced_cot.data.image_probes import blank_images
from reinforced_cot.generation.batching import Batch, batches, batches_of_like_length, opened, shown_images
from reinforced_cot.generation.generate import generate
from reinforced_cot.generation.rendering import rendered_prompt
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import load_processor, vision_token_ids


@pytest.fixture(scope="module")
def model(tiny_run: TinyRun) -> Any:
    return load_model(tiny_run.base / "model", LOADING)


@pytest.fixture(scope="module")
def processor(tiny_run: TinyRun) -> Any:
    return load_processor(tiny_run.base / "model")


def ask(run: TinyRun, model: Any, processor: Any, count: int = 6, **options: Any) -> list[list[str]]:
    options = {"batch_size": 4, "max_new_tokens": 8} | options
    found = generate(model, processor, run.examples[:count], run.data, PROMPT, **options)
    return [[completion.text for completion in completions] for completions in found]


def test_another_image_changes_the_logits(tiny_run: TinyRun, model: Any, processor: Any) -> None:
    """The policy looks: it does not guess from the question alone."""
    text = rendered_prompt(processor, tiny_run.examples[0], PROMPT)

    def logits(color: str) -> torch.Tensor:
        image = Image.new("RGB", (56, 56), color)
        with torch.no_grad():
            return model(**processor(text=[text], images=[image], return_tensors="pt")).logits[0, -1]

    assert torch.equal(logits("red"), logits("red"))
    assert (logits("red") - logits("blue")).abs().max() > 1e-3


def test_other_images_can_be_shown_in_place_of_the_examples_own(tiny_run: TinyRun, model: Any, processor: Any) -> None:
    seen: list[torch.Tensor] = []
    hook = model.model.visual.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    own_images = [example.images for example in tiny_run.examples[:2]]
    try:
        for images in (None, own_images, own_images[::-1]):
            ask(tiny_run, model, processor, 2, images=images, max_new_tokens=1)
    finally:
        hook.remove()
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0][: len(seen[2])], seen[2][: len(seen[0])])


def test_padding_changes_no_answer(tiny_run: TinyRun, model: Any, processor: Any) -> None:  # trl#5785
    together = ask(tiny_run, model, processor, batch_size=6)
    alone = ask(tiny_run, model, processor, batch_size=1)
    assert together == alone and len(together) == 6 and len({texts[0] for texts in together}) > 1


def test_image_tokens_are_never_generated(tiny_run: TinyRun, processor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # verl#7038; the policy wants nothing else
    model = load_model(tiny_run.base / "model", LOADING)
    banned = vision_token_ids(processor)
    assert processor.tokenizer.convert_ids_to_tokens(banned) == [
        "<|vision_start|>",
        "<|vision_end|>",
        "<|vision_pad|>",
        "<|image_pad|>",
        "<|video_pad|>",
    ]
    bias = torch.zeros(model.config.get_text_config().vocab_size)
    bias[banned] = 1000.0
    model.lm_head.register_forward_hook(lambda module, inputs, output: output + bias)
    outputs: list[torch.Tensor] = []
    stock = model.generate

    def recorded(input_ids: torch.Tensor, **options: Any) -> Any:
        found = stock(input_ids=input_ids, **options)
        outputs.append(found.sequences[:, input_ids.shape[1] :])
        assert not set(banned) & set(outputs[-1].flatten().tolist())
        return found

    monkeypatch.setattr(model, "generate", recorded)
    ask(tiny_run, model, processor)
    ask(tiny_run, model, processor, samples=2)
    assert len(outputs) == 4


def test_samples_follow_from_their_seed(tiny_run: TinyRun, model: Any, processor: Any) -> None:
    first = ask(tiny_run, model, processor, samples=3, seed=5)
    assert [len(texts) for texts in first] == [3] * 6
    assert ask(tiny_run, model, processor, samples=3, seed=5) == first
    assert ask(tiny_run, model, processor, samples=3, seed=6) != first
    assert len({text for texts in first for text in texts}) > 12  # temperature 1, no top-k: nearly all differ


@pytest.mark.parametrize("samples", [0, 2])
def test_generation_leaves_the_random_state_alone(tiny_run: TinyRun, model: Any, processor: Any, samples: int) -> None:
    # once, evaluation within a training reset it: every epoch had the same batches in the same order
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert ask(tiny_run, model, processor, samples=samples) == ask(tiny_run, model, processor, samples=samples)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_completion_that_ends_is_not_cut_off(tiny_run: TinyRun, processor: Any) -> None:
    model = load_model(tiny_run.base / "model", LOADING)
    bias = torch.zeros(model.config.get_text_config().vocab_size)
    bias[processor.tokenizer.eos_token_id] = 1000.0
    model.lm_head.register_forward_hook(lambda module, inputs, output: output + bias)
    ended = generate(model, processor, tiny_run.examples[:2], tiny_run.data, PROMPT, batch_size=2, max_new_tokens=3)
    assert ended == [[("", False)]] * 2


def test_nobody_is_shown_their_own_image(tiny_run: TinyRun) -> None:
    shown = other_images(tiny_run.examples, seed=3)
    own_images = [example.images for example in tiny_run.examples]
    assert set(shown) == set(own_images) and not any(a == b for a, b in zip(shown, own_images, strict=True))
    assert other_images(tiny_run.examples[:1], seed=3) == [None]


def test_batches_are_of_like_length_and_hold_a_budget_of_tokens(tiny_run: TinyRun) -> None:
    examples = tiny_run.examples
    tokens = {example.id: 10 * (1 + number % 5) for number, example in enumerate(examples)}
    counts = [tokens[example.id] for example in examples]
    images = [(f"{example.id}.png",) for example in examples]
    found = batches_of_like_length(examples, 4 * 50, counts, images)
    assert [batch.number for batch in found] == list(range(len(found)))
    assert sorted(one.id for batch in found for one in batch.examples) == sorted(example.id for example in examples)
    lengths = [[tokens[one.id] for one in batch.examples] for batch in found]
    assert all(len(batch) * max(batch) <= 4 * 50 for batch in lengths) and len(lengths[0]) == 4
    flat = [length for batch in lengths for length in batch]
    assert flat == sorted(flat, reverse=True)  # the longest first: a batch that does not fit fails at once
    assert sum(len(batch) * max(batch) for batch in lengths) < 1.25 * sum(flat)
    for batch in found:
        assert batch.images == [(f"{one.id}.png",) for one in batch.examples]


def test_questions_about_the_same_images_stand_together(tiny_run: TinyRun) -> None:
    examples = tiny_run.examples[:8]
    a, b, c = ("a.png", "c.png"), ("b.png",), ("a.png",)
    images = [a, b, None, a, b, c, a, None]
    tokens = [40, 50, 10, 44, 20, 45, 41, 11]
    [batch, last] = batches_of_like_length(examples, 300, tokens, images)
    assert batch.images == [b, b, c, a, a, a]
    assert [example.id for example in last.examples] == [examples[7].id, examples[2].id]  # blank, each of another size


def example(number: int, *images: str) -> Example:
    return Example(f"q{number}", images, "Are they alike?", ("yes",), "verify")


def test_nobody_is_shown_an_own_image_among_others() -> None:
    """As many as the question has, none of its own, and of a real question: the order of two is theirs."""
    shown = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "e"), ("b", "a"), ("f",), ("a",), ("a", "b", "c"), ("a", "b")]
    examples = [example(number, *images) for number, images in enumerate(shown)]
    for seed in range(20):
        found = other_images(examples, seed)
        assert found == other_images(examples, seed)
        for own, other in zip(shown, found, strict=True):
            assert other is None or (len(other) == len(own) and other in shown and not {*other} & {*own})
        assert found[:3] == [("d", "e")] * 3 and found[4] == ("d", "e") and found[0] == found[8]
        assert found[3] is not None and found[5:8] == [("a",), ("f",), None]
    assert len({str(other_images(examples, seed)) for seed in range(20)}) > 1


def test_questions_that_all_show_one_image_have_no_others() -> None:
    examples = [example(0, "a", "b"), example(1, "b", "c"), example(2, "b", "d")]
    assert other_images(examples, seed=1) == [None] * 3


def test_blank_images_have_the_sizes_of_the_questions_own(tiny_run: TinyRun) -> None:
    first, second, third, *_ = tiny_run.examples
    examples = [replace(first, images=(*second.images, *third.images)), first, second]
    batch = Batch(0, examples, [*blank_images(examples[:2], 1), third.images])
    found = shown_images(batch, tiny_run.data)
    assert [[image.size for image in images] for images in found] == [[(56, 112), (56, 56)], [(84, 56)], [(56, 56)]]
    assert [image.getcolors() for image in found[0]] == [[(56 * 112, (127,) * 3)], [(56 * 56, (127,) * 3)]]
    assert found[2][0].tobytes() == opened(tiny_run.data / third.images[0]).tobytes()


def test_an_image_of_several_questions_is_opened_once(tiny_run: TinyRun) -> None:
    [a, b] = (one.images[0] for one in tiny_run.examples[:2])
    examples = [example(0, a, b), example(1, b), example(2, b, a, b)]
    [[a0, b0], [b1], [b2, a2, b3]] = shown_images(batches(examples, 3)[0], tiny_run.data)
    assert a0 is a2 and b0 is b1 is b2 is b3 and a0.size != b0.size


def test_questions_with_different_numbers_of_images_are_answered_alike_in_one_batch(
    tiny_run: TinyRun, processor: Any
) -> None:
    model, run = with_large_weights(load_model(tiny_run.base / "model", LOADING)), with_several_images(tiny_run)
    alone, together = (ask(run, model, processor, 6, batch_size=size) for size in (1, 6))
    assert alone == together and len({texts[0] for texts in together}) > 3
    order = [3, 0, 4, 2, 5, 1]
    shuffled = replace(run, examples=[run.examples[number] for number in order])
    assert ask(shuffled, model, processor, 6, batch_size=6) == [together[number] for number in order]


def test_the_order_of_images_counts(tiny_run: TinyRun, processor: Any) -> None:
    model, run = with_large_weights(load_model(tiny_run.base / "model", LOADING)), with_several_images(tiny_run)
    first = run.examples[1]
    turned = replace(first, images=first.images[::-1])
    answers = [ask(replace(run, examples=[one]), model, processor, 1, max_new_tokens=20) for one in (first, turned)]
    assert answers[0] != answers[1]
    shown = ask(replace(run, examples=[first]), model, processor, 1, images=[turned.images], max_new_tokens=20)
    assert shown == answers[1]
