"""The tiny base's pretraining: how many steps the language model is trained for, and that a seed gives one base."""

import copy
import logging
import re
from typing import Any

import pytest
import torch

from reinforced_cot.models import tiny_model
from reinforced_cot.models.settings import ModelSizes, PretrainingSteps
from reinforced_cot.models.tiny_pretraining import CAPTION_PROMPT, pretrain, trapezoid
from reinforced_cot.sources.digit_scenes import make_records, make_scenes

FAST = {"align_steps": 15, "align_batch_size": 8, "lm_batch_size": 4, "lm_max_steps": 30, "lm_decay_steps": 8}


@pytest.fixture(scope="module")
def untrained() -> tuple[Any, Any, Any, Any]:
    scenes = make_scenes("train", 40, 1)
    questions = [[record] for record in make_records(scenes, 1)]
    texts = [CAPTION_PROMPT, *(scene.caption() for scene in scenes)]
    texts += [text for (record,) in questions for text in (record["question"], record["cot"])]
    tokenizer = tiny_model.build_tokenizer(texts, 400)
    sizes = ModelSizes(hidden_size=32, num_hidden_layers=1, intermediate_size=48, vision_depth=1)
    return tiny_model.build_model(tokenizer, sizes, 1), tiny_model.build_processor(tokenizer), scenes, questions


def steps_taken(caplog: pytest.LogCaptureFixture, untrained: tuple[Any, ...], **settings: Any) -> tuple[int, Any]:
    built, processor, scenes, questions = untrained
    model = copy.deepcopy(built)
    with caplog.at_level(logging.INFO):
        pretrain(model, processor, scenes, questions, PretrainingSteps(**{**FAST, **settings}), 1)
    logged = re.findall(r"language model trained in (\d+) steps", caplog.text)
    return int(logged[-1]), model


def test_training_ends_a_decay_after_the_chains_are_learned(
    caplog: pytest.LogCaptureFixture, untrained: tuple[Any, ...]
) -> None:
    steps, _ = steps_taken(
        caplog, untrained, lm_decay_below=100.0, mix={"steps": 1.0, "caption": 0, "short": 0, "chain": 0}
    )
    assert steps == 8  # learned in the first step: only the decay follows
    assert steps_taken(caplog, untrained, lm_decay_below=0.0)[0] == 30
    without_steps = {"steps": 0, "caption": 1.0, "short": 0, "chain": 0}
    assert steps_taken(caplog, untrained, lm_decay_below=100.0, mix=without_steps)[0] == 30


def test_the_same_seed_gives_the_same_base(caplog: pytest.LogCaptureFixture, untrained: tuple[Any, ...]) -> None:
    first, second = (steps_taken(caplog, untrained)[1].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    before = untrained[0].state_dict()
    assert not torch.equal(
        first["model.visual.blocks.0.attn.qkv.weight"], before["model.visual.blocks.0.attn.qkv.weight"]
    )


def test_trapezoid() -> None:
    factors = [trapezoid(step, end=100, decay_steps=50, warmup=10) for step in (0, 4, 9, 50, 75, 99)]
    assert factors == pytest.approx([0.1, 0.5, 1.0, 1.0, 0.5, 0.03])
