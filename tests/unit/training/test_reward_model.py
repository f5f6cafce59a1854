"""Reward models in a folder: one that sees the image, one of texts alone, and folders that hold none."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import (
    Gemma3Config,
    Gemma3ForSequenceClassification,
    Gemma3ImageProcessorPil,
    Gemma3Processor,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForSequenceClassification,
)

from reinforced_cot.base.tiny_model import build_tokenizer
from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.data.settings import Prompt
from reinforced_cot.errors import PipelineError
from reinforced_cot.scoring.judge_settings import Judge, with_defaults
from reinforced_cot.scoring.reward_loading import load_rewards
from reinforced_cot.training.reward_model import RewardModel

EXAMPLES = [
    Example("red", ("red.png",), "What color is it?", ("red",), "query"),
    Example("blue", ("blue.png",), "What color is it?", ("red",), "query"),
]
TEXTS = ["What color is it? I look at the cup. It is red. blue", completion_text("It is.", "red")]
WIDTH = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_hidden_layers": 2}
PLAIN_TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}<start_of_image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}\n{% endfor %}"
)
IMAGE_TOKENS = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for color in ("red", "blue"):
        Image.new("RGB", (28, 28), color).save(folder / f"{color}.png")
    return folder


@pytest.fixture(scope="module")
def of_texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("of_texts")
    tokenizer = build_tokenizer(TEXTS, 300)
    torch.manual_seed(0)
    config = Qwen2Config(**WIDTH, vocab_size=len(tokenizer), num_key_value_heads=2, num_labels=1, initializer_range=0.2)
    Qwen2ForSequenceClassification(config).save_pretrained(folder)
    tokenizer.chat_template = PLAIN_TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def of_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("of_images")
    built = build_tokenizer(TEXTS, 300, list(IMAGE_TOKENS.values()))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=built.backend_tokenizer,
        eos_token=built.eos_token,
        pad_token=built.pad_token,
        extra_special_tokens=IMAGE_TOKENS,
    )
    ids = tokenizer.get_vocab()
    torch.manual_seed(0)
    config = Gemma3Config(
        text_config={
            **WIDTH,
            **{"vocab_size": len(tokenizer), "num_key_value_heads": 2, "head_dim": 8, "initializer_range": 0.2},
        },
        vision_config={**WIDTH, "image_size": 28, "patch_size": 14, "initializer_range": 0.2},
        mm_tokens_per_image=1,
        image_token_index=ids["<image_soft_token>"],
        boi_token_index=ids["<start_of_image>"],
        eoi_token_index=ids["<end_of_image>"],
        num_labels=1,
    )
    model = Gemma3ForSequenceClassification(config)
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight)
    model.save_pretrained(folder)
    processor = Gemma3Processor(
        Gemma3ImageProcessorPil(size={"height": 28, "width": 28}), tokenizer, chat_template=TEMPLATE, image_seq_length=1
    )
    processor.save_pretrained(folder)
    return folder


def model(folder: Path, data: Path, **changes: Any) -> RewardModel:
    judge = Judge.model_validate({"by": "model", "path": str(folder), "scale": [-50, 50], **changes})
    return RewardModel("taste", with_defaults(judge), EXAMPLES, data, Prompt(), torch.device("cpu"))


def ask(reward: Any, *said: tuple[str, str]) -> list[float]:
    completions = [[{"role": "assistant", "content": text}] for _, text in said]
    found: list[float] = reward(completions=completions, id=[id for id, _ in said])
    return found


LONG, SHORT = completion_text("I look at the cup. It is red.", "red"), completion_text("It is.", "red")


def test_a_model_of_texts_grades_conversations(of_texts: Path, data: Path) -> None:
    reward = model(of_texts, data)
    graded = ask(reward, ("red", LONG), ("red", SHORT), ("red", "no tags"), ("blue", LONG))
    assert graded[0] == pytest.approx(graded[3]) != pytest.approx(graded[1])  # it does not see the image
    assert graded[2] == 0.0 and all(0 < grade < 1 for place, grade in enumerate(graded) if place != 2)
    tokenizer, classifier = reward._processor, reward._model
    text = f"user: What color is it?\nassistant: {LONG}\n"
    [output] = classifier(**tokenizer(text, return_tensors="pt", add_special_tokens=False)).logits[0]
    assert graded[0] == pytest.approx((float(output) + 50) / 100, abs=1e-5)
    one_by_one = ask(model(of_texts, data, batch_size=1), ("red", LONG), ("red", SHORT))
    assert one_by_one == pytest.approx(graded[:2], abs=1e-5)  # padding changes no grade


def test_a_model_of_images_sees_them(of_images: Path, data: Path) -> None:
    reward = model(of_images, data)
    graded = ask(reward, ("red", LONG), ("blue", LONG), ("red", SHORT), ("red", LONG))
    assert graded[0] != pytest.approx(graded[1], abs=1e-4) and graded[0] == pytest.approx(graded[3], abs=1e-6)
    assert graded[0] != pytest.approx(graded[2], abs=1e-4)


def test_grades_beyond_the_scale_are_its_ends_and_a_malformed_completion_earns_the_least(
    of_texts: Path, data: Path
) -> None:
    [taste], weights = load_rewards(
        {"judges.taste": 2.0}, EXAMPLES, {"judges.taste": model(of_texts, data, scale=[90, 91])}
    )
    assert (taste.__name__, weights) == ("judges.taste", [2.0])
    assert ask(taste, ("red", LONG), ("red", "")) == [0.0, 0.0]
    assert ask(model(of_texts, data, scale=[-91, -90]), ("red", LONG), ("red", "")) == [1.0, 0.0]


def test_folders_that_hold_no_reward_model(of_texts: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    with pytest.raises(PipelineError, match=r"`judges\.taste\.path`: .* has 2 outputs; a reward model has one"):
        model(tmp_path, data)
    (tmp_path / "config.json").write_text('{"model_type": "qwen2", "id2label": {"0": "good"}}')
    with pytest.raises(PipelineError, match=r"`judges\.taste\.path`: .* is no reward model that transformers loads"):
        model(tmp_path, data)
    whole = Qwen2ForSequenceClassification.from_pretrained(of_texts)
    whole.model.save_pretrained(tmp_path)
    with pytest.raises(PipelineError, match=r"lacks the weights score\.weight"):
        model(tmp_path, data)
    whole.save_pretrained(tmp_path)
    tokenizer = build_tokenizer(TEXTS, 300)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(PipelineError, match="has no chat template, which says how a conversation is written"):
        model(tmp_path, data)
