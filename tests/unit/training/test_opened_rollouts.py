"""With a template that opens the chain in the prompt, every stage sees the same tokens and the same completion."""

from pathlib import Path
from typing import Any

import pytest
import torch
from thinking_templates import TEMPLATES, with_template
from tiny_run import LOADING, PROMPT, TinyRun, made_trainer, with_large_weights

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.opened_chains import after_opening, opened_by
from reinforced_cot.data.parsing import parse_completion
from reinforced_cot.evaluation.answering import NO_CHAIN
from reinforced_cot.generation.generate import generate
from reinforced_cot.generation.rendering import rendered_prompt
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import load_processor
from reinforced_cot.scoring.rewards import REWARDS, tag_count_reward
from reinforced_cot.training import grpo as grpo_stage
from reinforced_cot.training import sft as sft_stage
from reinforced_cot.training.probe_callback import ProbeCallback

OPENING = ["opens", "opens without a line break", "opens and drops chains"]
HEADER = "<|im_end|>\n<|im_start|>assistant\n"


def sft_rows(run: TinyRun, base: Path, output: Path) -> list[tuple[list[int], list[int]]]:
    """Ids and labels of each training row, as SFT's collator makes them, without padding."""
    settings = run.settings().sft
    trainer = made_trainer(sft_stage, settings, run.examples, run.examples, run.data, base, output, None)
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(len(run.examples))])
    assert len(trainer.train_dataset["length"]) == len(run.examples)
    assert trainer.train_dataset["length"] == batch["attention_mask"].sum(dim=1).tolist()
    rows = zip(batch["input_ids"], batch["labels"], batch["attention_mask"].bool(), strict=True)
    return [(ids[mask].tolist(), labels[mask].tolist()) for ids, labels, mask in rows]


def asked(run: TinyRun, processor: Any) -> list[list[int]]:
    """Ids of each prompt, as evaluation asks it."""
    from PIL import Image

    found = []
    for example in run.examples:
        images = [Image.open(run.data / name) for name in example.images]
        found.append(processor(text=[rendered_prompt(processor, example, PROMPT)], images=images)["input_ids"][0])
    return found


@pytest.fixture(scope="module")
def plain_rows(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[list[int], list[int]]]:
    return sft_rows(tiny_run, tiny_run.base, tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("name", TEMPLATES)
def test_sft_learns_what_is_left_of_the_completion(
    tiny_run: TinyRun, tmp_path: Path, plain_rows: list[tuple[list[int], list[int]]], name: str
) -> None:
    """Token by token: the prompt that evaluation asks, then the rest of the completion, then the end token."""
    base, opened = with_template(tiny_run, name, tmp_path), TEMPLATES[name][1]
    processor = load_processor(base / "model")
    tokenizer = processor.tokenizer
    rows = sft_rows(tiny_run, base, tmp_path / "sft")
    for example, prompt, (ids, labels) in zip(tiny_run.examples, asked(tiny_run, processor), rows, strict=True):
        completion = completion_text(example.chain, example.answer)
        rest = after_opening(completion, opened)
        learned = tokenizer(rest + "<|im_end|>")["input_ids"]
        assert ids[: len(prompt)] == prompt and ids[len(prompt) :][: len(learned)] == learned
        assert labels == [-100] * len(prompt) + learned + [-100] * (len(ids) - len(prompt) - len(learned))
        assert tokenizer.decode(ids).endswith(f"{HEADER}{opened}{rest}<|im_end|>\n")
        assert parse_completion(opened + rest) == parse_completion(completion)
    if opened != "<think>\n\n":  # only the boundary between prompt and completion has moved
        front = len(tokenizer(opened)["input_ids"])
        assert [ids for ids, _ in rows] == [ids for ids, _ in plain_rows]
        for (_, labels), (_, before) in zip(rows, plain_rows, strict=True):
            first = next(place for place, label in enumerate(before) if label != -100)
            assert labels == [*before[:first], *[-100] * front, *before[first + front :]]


def ask(run: TinyRun, model: Any, processor: Any, **options: Any) -> list[list[str]]:
    options = {"batch_size": 5, "max_new_tokens": 6} | options
    found = generate(model, processor, run.examples[:8], run.data, PROMPT, **options)
    return [[completion.text for completion in completions] for completions in found]


@pytest.mark.parametrize("name", OPENING)
def test_a_completion_begins_with_what_the_prompt_has_opened(tiny_run: TinyRun, tmp_path: Path, name: str) -> None:
    """The same tokens as with a plain template, behind which the tag is written for the policy."""
    opened = TEMPLATES[name][1]
    processor = load_processor(with_template(tiny_run, name, tmp_path) / "model")
    plain = load_processor(tiny_run.base / "model")
    model = with_large_weights(load_model(tiny_run.base / "model", LOADING))
    sampled = {"samples": 2, "seed": 5}
    for options in ({}, sampled):
        texts = ask(tiny_run, model, processor, **options)
        rests = ask(tiny_run, model, plain, begin=opened, **options)
        assert texts == [[opened + rest for rest in row] for row in rests]
        assert len({text for row in texts for text in row}) > 3
    begun = ask(tiny_run, model, processor, begin=NO_CHAIN)
    assert begun == ask(tiny_run, model, plain, begin=NO_CHAIN)
    assert not any(text.startswith("<think>") for [text] in begun)


@pytest.mark.parametrize(("name", "shared"), [("plain", "auto"), ("opens and drops chains", "on"), ("opens", "off")])
def test_rewards_get_the_whole_completion(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, shared: str
) -> None:
    """A template by which TRL would take replies apart changes nothing."""
    base, opened = with_template(tiny_run, name, tmp_path), TEMPLATES[name][1]
    processor = load_processor(base / "model")
    seen: list[tuple[str, list[int]]] = []

    def recorded(completions: list[Any], completion_ids: list[list[int]], **columns: Any) -> list[float]:
        assert all([message["role"] for message in messages] == ["assistant"] for messages in completions)
        texts = [messages[-1]["content"] for messages in completions]
        seen.extend(zip(texts, completion_ids, strict=True))
        return tag_count_reward(completions)

    monkeypatch.setitem(REWARDS, "recorded", recorded)
    settings = tiny_run.settings(grpo__rewards={"recorded": 1.0}, grpo__shared_prefix=shared).grpo

    def with_response_template(*args: Any, **options: Any) -> Any:
        loaded = load_processor(*args, **options)
        loaded.tokenizer.response_template = {
            "defaults": {"role": "assistant"},
            "start_anchor": "<|im_start|>assistant\n",
            "fields": {
                "reasoning_content": {"open": "<think>", "close": "</think>", "content": "text"},
                "content": {"close": "<|im_end|>", "content": "text"},
            },
        }
        return loaded

    monkeypatch.setattr("reinforced_cot.training.preflight.load_processor", with_response_template)
    trainer = made_trainer(grpo_stage, settings, tiny_run.examples, tiny_run.data, base, tmp_path / "rl", None)
    prompts = []
    for start in (0, 2):
        drawn = trainer._generate_and_score_completions([trainer.train_dataset[start + n // 2] for n in range(4)])
        rows = zip(drawn["prompt_ids"], drawn["prompt_mask"].bool(), strict=True)
        prompts += [ids[mask].tolist() for ids, mask in rows][::2]
    assert prompts == asked(tiny_run, processor)[:4]
    assert len(seen) == 8
    for text, ids in seen:
        assert text == opened + processor.tokenizer.decode(ids, skip_special_tokens=True)
        assert len(ids) <= 6  # what is opened counts to no limit
    expected = [0.25 if opened else 0.0] * 4
    assert torch.allclose(trainer._rewards, torch.tensor(expected))


@pytest.mark.parametrize("name", ["plain", "opens"])
def test_probes_count_the_tokens_that_a_policy_would_draw(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    base, opened = with_template(tiny_run, name, tmp_path), TEMPLATES[name][1]
    seen: list[tuple[str, list[int]]] = []

    def recorded(completions: list[Any], completion_ids: list[list[int]], **columns: Any) -> list[float]:
        seen.extend(zip((messages[-1]["content"] for messages in completions), completion_ids, strict=True))
        return [0.0] * len(completions)

    monkeypatch.setitem(REWARDS, "recorded", recorded)
    settings = tiny_run.settings(grpo__rewards={"recorded": 1.0}, grpo__probes__every=1).grpo
    trainer = made_trainer(grpo_stage, settings, tiny_run.examples, tiny_run.data, base, tmp_path / "rl", None)
    (probe,) = (one for one in trainer.callback_handler.callbacks if isinstance(one, ProbeCallback))
    constants = len(seen)
    assert constants > 8
    probe._probed()
    assert all(text.startswith(opened) for text, _ in seen)
    tokenizer = trainer.processing_class.tokenizer
    for text, ids in seen:
        assert opened + tokenizer.decode(ids) == text


def test_the_template_of_the_run_is_the_one_that_is_tested(tiny_run: TinyRun, tmp_path: Path) -> None:
    for name, (_, opened) in TEMPLATES.items():
        processor = load_processor(with_template(tiny_run, name, tmp_path / name) / "model")
        assert opened_by(rendered_prompt(processor, tiny_run.examples[0], PROMPT)) == opened
