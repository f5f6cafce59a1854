"""Prompts that share a beginning have the keys and values that each has by itself."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from PIL import Image
from tiny_run import LOADING, TinyRun, alike, with_large_weights

from reinforced_cot.attention.tree_attention import Tree
from reinforced_cot.generation import prefill
from reinforced_cot.generation.prefill import lay_out, prefilled
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import load_processor


def test_each_group_has_its_beginning_once() -> None:
    row = lay_out([[5, 6, 7, 8], [1, 2], [5, 6, 9], [5, 6, 7, 8]], [[0, 2, 3], [1]])
    assert row.trees == [Tree(2, [2, 1, 2]), Tree(2, [])]
    assert row.stretches == [(0, 0, 2), (0, 2, 4), (2, 2, 3), (3, 2, 4), (1, 0, 2)]
    assert row.places == [[0, 1, 2, 3], [7, 8], [0, 1, 4], [0, 1, 5, 6]]


def test_a_prompt_that_ends_where_others_go_on_has_no_branch() -> None:
    row = lay_out([[5, 6], [5, 6, 7]], [[0, 1]])
    assert row.trees == [Tree(2, [1])] and row.places == [[0, 1], [0, 1, 2]]


@pytest.fixture(scope="module")
def model(tiny_run: TinyRun) -> Any:
    return with_large_weights(load_model(tiny_run.base / "model", LOADING))


def pictures() -> list[Image.Image]:
    """Of several sizes, no two alike; the last two are blank, one lying down and one upright: the same patches."""
    generator = torch.Generator().manual_seed(3)
    sizes = [(56, 28), (28, 56), (84, 56), (56, 56)]
    drawn = [torch.randint(0, 256, (height, width, 3), generator=generator) for width, height in sizes]
    blank = [Image.new("RGB", size, (127, 127, 127)) for size in sizes[:2]]
    return [*(Image.fromarray(pixels.to(torch.uint8).numpy()) for pixels in drawn), *blank]


def prompts(run: TinyRun, questions: Sequence[tuple[str, Sequence[int], str]], shown: Sequence[Image.Image]) -> Any:
    """What a model takes for (words before, numbers of images, words after); images without a place are between."""
    processor = load_processor(run.base / "model")
    image = "<|vision_start|><|image_pad|><|vision_end|>"
    texts = [
        (before + "<image>" * (len(numbers) - (before + after).count("<image>")) + after).replace("<image>", image)
        for before, numbers, after in questions
    ]
    images = [shown[number] for _, numbers, _ in questions for number in numbers]
    options: Any = {"padding": True, "padding_side": "left", "add_special_tokens": False, "return_tensors": "pt"}
    return dict(processor(text=texts, images=images, **options))


QUESTIONS = [
    ("", [0], "what is red?"),
    ("", [1], "what color is the left one?"),
    ("", [0], "what is the number on the left?"),
    ("look:", [0], "what is red?"),  # other words before the image
    ("", [0, 2], "are they the same?"),
    ("", [0, 2], "are they red?"),
    ("", [0, 3], "are they red?"),  # another second image
    ("", [1], "what color is the left one?"),  # the very same
    ("", [3], "left"),
    ("", [4], "is it red?"),
    ("", [5], "is it red?"),
]


PLACED = [
    ("is <image> as ", [0, 2], "<image>?"),
    ("is <image> as ", [0, 2], "<image> on the left?"),  # ends otherwise
    ("is <image> as ", [0, 3], "<image>?"),  # another second image
    ("is <image> as ", [2, 0], "<image>?"),  # the same images turned round
    ("is <image> or ", [0, 2], "<image>?"),  # other words between
    ("is <image> red?", [0], ""),
    ("is <image> as ", [0, 0], "<image>?"),
    ("is <image> as ", [4, 5], "<image>?"),  # blank, of as many patches in other shapes
    ("is <image> as ", [5, 4], "<image>?"),
]


@pytest.mark.parametrize(
    "questions",
    [
        QUESTIONS,
        QUESTIONS[:1],
        QUESTIONS[4:6],
        QUESTIONS[1:2] + QUESTIONS[7:8],
        QUESTIONS[9:],
        PLACED,
        PLACED[:2],
        PLACED[:3],
        PLACED[7:],
        QUESTIONS + PLACED,
    ],
)
def test_keys_and_values_are_those_of_each_prompt_by_itself(
    tiny_run: TinyRun, model: Any, monkeypatch: pytest.MonkeyPatch, questions: Sequence[Any]
) -> None:
    inputs = prompts(tiny_run, questions, pictures())
    index = torch.randint(len(questions), (7,), generator=torch.Generator().manual_seed(1))
    found, deltas = prefilled(model, inputs, index)
    monkeypatch.setattr(prefill, "no_trees", lambda backbone: "told so")
    expected, expected_deltas = prefilled(model, inputs, index)
    assert deltas is not None and expected_deltas is not None and torch.equal(deltas, expected_deltas)
    assert alike(found, expected, inputs["attention_mask"][index, :-1].bool())


def test_what_prompts_begin_with_is_computed_once(tiny_run: TinyRun, model: Any) -> None:
    inputs = prompts(tiny_run, QUESTIONS, pictures())
    tokens, patches = [], []
    hooks = [
        model.model.language_model.layers[0].register_forward_pre_hook(
            lambda module, args: tokens.append(args[0].shape)
        ),
        model.model.visual.register_forward_pre_hook(lambda module, args: patches.append(len(args[0]))),
    ]
    prefilled(model, inputs, torch.arange(len(QUESTIONS)))
    for hook in hooks:
        hook.remove()
    kept = inputs["attention_mask"].bool()
    own_tokens = [ids[seen].tolist()[:-1] for ids, seen in zip(inputs["input_ids"], kept, strict=True)]
    rows = lay_out(own_tokens, [[0, 2], [1, 7], [3], [4, 5], [6], [8], [9], [10]])
    assert [shape[1] for shape in tokens] == [sum(end - start for _, start, end in rows.stretches)]
    assert tokens[0][1] < 0.75 * sum(map(len, own_tokens))
    grids = inputs["image_grid_thw"].prod(dim=1).tolist()  # of the images of QUESTIONS, one after the other
    first = [0, 1, 3, 4, 5, 8, 9, 11, 12, 13]  # those of the prompts 0, 1, 3, 4 (two), 6 (two), 8, 9, 10
    assert patches == [sum(grids[number] for number in first)]
