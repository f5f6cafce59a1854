"""The tiny base's pretraining: when it ends, what it says of the base, and that a seed gives one base."""

import copy
import logging
from collections import Counter
from typing import Any

import pytest
import torch
from torch.nn.functional import one_hot

from reinforced_cot.base import tiny_evaluation, tiny_model
from reinforced_cot.base.tiny_evaluation import HELD_OUT_TYPES, HeldOutQuestions
from reinforced_cot.base.tiny_pretraining import (
    CAPTION_PROMPT,
    Asked,
    draw_scenes,
    pixel_patches,
    pretrain,
    trapezoid,
    visual_features,
)
from reinforced_cot.data.completions import completion_text
from reinforced_cot.models.settings import ModelSizes, Pretraining

FAST: dict[str, Any] = {
    "scenes": 40,
    "questions_per_scene": 1,
    "held_out_scenes": 6,
    "align_steps": 15,
    "align_batch_size": 8,
    "lm_batch_size": 4,
    "lm_max_steps": 30,
    "lm_eval_steps": 5,
    "lm_decay_steps": 8,
}


@pytest.fixture(scope="module")
def untrained() -> tuple[Any, Any, Asked, Asked]:
    train, held_out = draw_scenes(Pretraining(**FAST), 1)
    texts = [CAPTION_PROMPT, *(scene.caption() for scene in train.scenes)]
    texts += [text for _, record in train.questions for text in (record["question"], record["cot"])]
    tokenizer = tiny_model.build_tokenizer(texts, 400)
    sizes = ModelSizes(hidden_size=32, num_hidden_layers=1, intermediate_size=48, vision_depth=1)
    return tiny_model.build_model(tokenizer, sizes, 1), tiny_model.build_processor(tokenizer), train, held_out


def pretrained(untrained: tuple[Any, ...], **settings: Any) -> tuple[dict[str, Any], Any]:
    built, processor, train, held_out = untrained
    model = copy.deepcopy(built)
    return pretrain(model, processor, train, held_out, Pretraining(**{**FAST, **settings}), 1), model


@pytest.mark.parametrize(("accuracies", "steps"), [([0.7], 13), ([0.3, 0.7], 18), ([0.3], 30)])
def test_training_ends_a_decay_after_held_out_questions_are_answered(
    untrained: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch, accuracies: list[float], steps: int
) -> None:
    """They are asked every 5 steps; the last answer stands for all that follow."""
    answers = iter(accuracies)
    monkeypatch.setattr(HeldOutQuestions, "accuracy", lambda self, model: next(answers, accuracies[-1]))
    figures, model = pretrained(untrained, lm_target_accuracy=0.6)
    assert figures == {"lm_steps": steps, "held_out_accuracy": accuracies[-1], "lm_target_accuracy": 0.6}
    assert not model.training


def test_a_base_that_has_not_learned_to_read_is_warned_about(
    caplog: pytest.LogCaptureFixture, untrained: tuple[Any, ...]
) -> None:
    figures, _ = pretrained(untrained)
    assert figures["lm_steps"] == 30 and figures["held_out_accuracy"] < 0.75
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "has not learned to read" in warning and "after 30 steps" in warning
    caplog.clear()
    pretrained(untrained, lm_target_accuracy=0.0)
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]


def test_held_out_scenes_are_new_and_have_one_right_chain() -> None:
    train, held_out = draw_scenes(Pretraining(scenes=300, held_out_scenes=50), 3)
    assert not {scene.render().tobytes() for scene in train.scenes} & {s.render().tobytes() for s in held_out.scenes}
    records = [record for _, record in held_out.questions]
    assert len(records) == 100 and {record["question_type"] for record in records} == set(HELD_OUT_TYPES)
    assert all(record["cot"].count("SELECT") == 1 and record["cot_answer"] == record["answer"] for record in records)


def test_question_types_are_drawn_as_often_as_they_are_named() -> None:
    settings = Pretraining(scenes=400, question_types=("color", "compare", "compare", "compare"))
    drawn = Counter(record["question_type"] for _, record in draw_scenes(settings, 3)[0].questions)
    assert set(drawn) == {"color", "compare"} and drawn["compare"] / 800 == pytest.approx(0.75, abs=0.05)


def test_accuracy_counts_completions_that_are_right_in_every_token(
    untrained: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, processor, _, held_out = untrained
    patches, grid = pixel_patches(processor, held_out.scenes)
    questions = HeldOutQuestions.of(processor, [held_out.questions], visual_features(model, patches, grid), grid[:1])
    real, seen = tiny_evaluation.predictions, {}

    def right_but_for_two_rows(*args: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        logits, true, row = real(*args)
        guess = true.clone()
        for wrong in (0, 3):  # a token each of two rows
            guess[(row == wrong).nonzero()[-3]] += 1
        seen["texts"] = [processor.tokenizer.decode(true[row == number]) for number in range(int(row.max()) + 1)]
        return one_hot(guess, logits.shape[-1]), true, row

    monkeypatch.setattr(tiny_evaluation, "predictions", right_but_for_two_rows)
    rows = len(held_out.questions)
    assert questions.accuracy(model) == pytest.approx(1 - 2 / rows)
    first = held_out.questions[0][1]
    assert seen["texts"][0] == completion_text(first["cot"], first["answer"]).removeprefix("<think>\n") + "<|im_end|>\n"


def test_the_same_seed_gives_the_same_base(untrained: tuple[Any, ...]) -> None:
    first, second = (pretrained(untrained)[1].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    before = untrained[0].state_dict()
    assert not torch.equal(
        first["model.visual.blocks.0.attn.qkv.weight"], before["model.visual.blocks.0.attn.qkv.weight"]
    )


def test_trapezoid() -> None:
    factors = [trapezoid(step, end=100, decay_steps=50, warmup=10) for step in (0, 4, 9, 50, 75, 99)]
    assert factors == pytest.approx([0.1, 0.5, 1.0, 1.0, 0.5, 0.03])
