"""Records as conversations: what the template may not drop, and lengths counted before anything is loaded."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tiny_run import PROMPT, TinyRun

from reinforced_cot.data.settings import Prompt
from reinforced_cot.errors import DataError
from reinforced_cot.generation.batching import opened
from reinforced_cot.generation.rendering import prompt_lengths, rendered_prompt
from reinforced_cot.models.processors import load_processor, prompt_length
from reinforced_cot.training.trainer_data import rl_dataset, sft_dataset


@pytest.fixture
def processor(tiny_run: TinyRun) -> Any:
    return load_processor(tiny_run.base / "model")


def test_the_rendered_prompt(tiny_run: TinyRun, processor: Any) -> None:
    prompt = Prompt(system="You see digits.", instruction="Think first.", max_tokens=512)
    example = replace(tiny_run.examples[0], question="What color is it?")
    assert rendered_prompt(processor, example, prompt) == (
        "<|im_start|>system\nYou see digits.<|im_end|>\n"
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>What color is it?\nThink first.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"


@pytest.mark.parametrize(
    ("question", "user"),
    [
        ("Are they alike?", f"{IMAGE}{IMAGE}Are they alike?"),
        ("Is <image> as <image>?", f"Is {IMAGE} as {IMAGE}?"),
        ("Which? <image> <image>", f"Which? {IMAGE} {IMAGE}"),
    ],
)
def test_two_images_stand_in_their_places(
    tiny_run: TinyRun, processor: Any, tmp_path: Path, question: str, user: str
) -> None:
    first, second, *_ = tiny_run.examples
    example = replace(first, question=question, images=(*first.images, *second.images))
    text = rendered_prompt(processor, example, PROMPT)
    assert text == f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"
    images = [opened(tiny_run.data / name) for name in example.images]
    assert images[0].size != images[1].size
    ids = processor(text=[text], images=[images], add_special_tokens=False)["input_ids"][0]
    assert prompt_lengths(processor, [example], tiny_run.data, PROMPT, 2048, 64) == [len(ids)]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        # the template reads another key than the message has: the original trained without the question
        ("content['text']", "content['content']", "the chat template drops the question: 'What color"),
        ("add_generation_prompt", "never", "no assistant header"),
    ],
)
def test_templates_that_lose_something_are_refused(
    tiny_run: TinyRun, processor: Any, before: str, after: str, message: str
) -> None:
    assert before in processor.chat_template
    processor.chat_template = processor.chat_template.replace(before, after)
    with pytest.raises(DataError, match=message):
        prompt_lengths(processor, tiny_run.examples, tiny_run.data, PROMPT, 2048, 64)


@pytest.mark.parametrize(
    "size", [(28, 28), (56, 56), (57, 83), (84, 56), (30, 100), (14, 14), (300, 200), (1000, 20), (112, 112)]
)
def test_prompt_length_is_the_processors_own_count(tiny_run: TinyRun, processor: Any, size: tuple[int, int]) -> None:
    # the original counted one placeholder where about 234 tokens stood
    text = rendered_prompt(processor, tiny_run.examples[0], PROMPT)
    ids = processor(text=[text], images=[Image.new("RGB", size)], add_special_tokens=False)["input_ids"][0]
    assert prompt_length(processor, text, [size]) == len(ids)


def test_prompt_lengths_follow_each_image(tiny_run: TinyRun, processor: Any) -> None:
    lengths = prompt_lengths(processor, tiny_run.examples, tiny_run.data, PROMPT, 2048, 64)
    for example, length in zip(tiny_run.examples[:6], lengths, strict=False):
        text = rendered_prompt(processor, example, PROMPT)
        with Image.open(tiny_run.data / example.images[0]) as image:
            assert length == len(processor(text=[text], images=[image], add_special_tokens=False)["input_ids"][0])
    assert len(lengths) == 24


def test_the_limit_is_exact(tiny_run: TinyRun, processor: Any) -> None:
    examples, data = tiny_run.examples, tiny_run.data
    longest = max(prompt_lengths(processor, examples, data, PROMPT, 2048, 64))
    prompt_lengths(processor, examples, data, PROMPT.model_copy(update={"max_tokens": longest}), 2048, 64)
    prompt_lengths(processor, examples, data, PROMPT, longest + 64, 64)
    with pytest.raises(DataError, match=rf"has {longest} tokens, more than prompt\.max_tokens {longest - 1}: raise it"):
        prompt_lengths(processor, examples, data, PROMPT.model_copy(update={"max_tokens": longest - 1}), 2048, 64)
    message = rf"the prompt of q\d+ \(images/train/\w+\.png\) has {longest} tokens, which with 64 more do not fit"
    with pytest.raises(DataError, match=message):
        prompt_lengths(processor, examples, data, PROMPT, longest + 63, 64)


def test_each_prompt_is_measured_with_its_own_completion(tiny_run: TinyRun, processor: Any) -> None:
    examples = tiny_run.examples[:2]
    first, second = prompt_lengths(processor, examples, tiny_run.data, PROMPT, 2048, 64)
    context = max(first + 100, second + 5)
    prompt_lengths(processor, examples, tiny_run.data, PROMPT, context, [context - first, context - second])
    with pytest.raises(DataError, match=rf"the prompt of {examples[1].id} .* with {context - second + 1} more do not"):
        prompt_lengths(processor, examples, tiny_run.data, PROMPT, context, [context - first, context - second + 1])


def test_rows_for_sft(tiny_run: TinyRun) -> None:
    examples = tiny_run.examples[:3]
    rows = sft_dataset(examples, tiny_run.data, PROMPT, [7, 8, 9])
    assert rows.column_names == ["prompt", "images", "completion", "length"]
    assert list(rows["length"]) == [7, 8, 9]
    row = rows[1]
    assert row["prompt"] == [
        {
            "role": "user",
            "content": [{"type": "image", "text": None}, {"type": "text", "text": examples[1].question}],
        }
    ]
    chain = f"<think>\n{examples[1].chain}\n</think>\n<answer>\n{examples[1].answer}\n</answer>"
    assert row["completion"] == [{"role": "assistant", "content": chain}]
    assert [image.size for image in row["images"]] == [(56, 112)]


def test_rows_for_rl_hold_what_rewards_need_and_no_chain(tiny_run: TinyRun) -> None:
    rows = rl_dataset(tiny_run.examples[:2], tiny_run.data, PROMPT)
    assert rows.column_names == ["prompt", "images", "id", "question", "answer", "question_type"]
    assert list(rows["answer"]) == [example.answer for example in tiny_run.examples[:2]]
    assert not any(tiny_run.examples[0].chain in str(value) for value in rows[0].values())


def test_rows_have_all_images_of_their_question_in_order(tiny_run: TinyRun) -> None:
    first, second, *_ = tiny_run.examples
    examples = [replace(first, images=(*second.images, *first.images), question="<image> or <image>?"), second]
    for rows in (sft_dataset(examples, tiny_run.data, PROMPT, [7, 8]), rl_dataset(examples, tiny_run.data, PROMPT)):
        assert [[image.size for image in row["images"]] for row in rows] == [[(56, 112), (84, 56)], [(56, 112)]]
        kinds = [[part["type"] for part in row["prompt"][0]["content"]] for row in rows]
        assert kinds == [["image", "text", "image", "text"], ["image", "text"]]
    assert rows[0]["question"] == "image 1 or image 2?"  # rewards read words alone


def test_a_missing_image_is_an_error(tiny_run: TinyRun, processor: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"\.png"):
        prompt_lengths(processor, tiny_run.examples, tmp_path, PROMPT, 2048, 64)
