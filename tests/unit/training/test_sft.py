"""SFT: what the loss sees, how batches are made, and which checkpoint is kept."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_run import TinyRun, with_several_images

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.files import read_json
from reinforced_cot.generation.batching import Completion
from reinforced_cot.policies.settings import Selection
from reinforced_cot.policies.sft import SftSettings
from reinforced_cot.resuming import claim_checkpoints, resume_point
from reinforced_cot.seeds import subset
from reinforced_cot.training import preflight, validation
from reinforced_cot.training import sft as sft_stage
from reinforced_cot.training.trainer_data import LengthEpochSampler

STEPS_PER_EPOCH = 6  # 24 questions in batches of 4


@pytest.fixture
def trainers(monkeypatch: pytest.MonkeyPatch) -> list[sft_stage.PackedTrainer]:
    """The trainers that `sft.train` makes, without their training."""
    made: list[sft_stage.PackedTrainer] = []
    monkeypatch.setattr(sft_stage, "run", lambda trainer, *_: made.append(trainer))
    return made


def train(
    run: TinyRun, output: Path, settings: SftSettings, resume_from: Path | None = None
) -> dict[str, torch.Tensor]:
    sft_stage.train(settings, run.examples, run.examples[10:15], run.data, run.base, output, resume_from)
    adapter = output / "adapter/adapter_model.safetensors"
    return load_file(adapter) if adapter.exists() else {}


def answers(monkeypatch: pytest.MonkeyPatch, right: Sequence[int]) -> list[list[str]]:
    """Let the policy give `right[i]` right answers at its i-th evaluation; returns the ids asked each time."""
    asked: list[list[str]] = []

    def generate(trainer: Any, examples: Sequence[Example], *args: Any, **options: Any) -> Any:
        asked.append([example.id for example in examples])
        good = right[len(asked) - 1]
        texts = [completion_text("x", example.answer if i < good else "?") for i, example in enumerate(examples)]
        return [[Completion(text, truncated=False)] for text in texts]

    monkeypatch.setattr(validation, "generate_together", generate)
    return asked


@pytest.mark.parametrize("of_run", [lambda run: run, with_several_images])
def test_labels_are_chain_answer_and_end_token(
    tiny_run: TinyRun, tmp_path: Path, trainers: list[Any], of_run: Callable[[TinyRun], TinyRun]
) -> None:
    # in the original, image, question and padding tokens entered the loss; sizes could not be stacked
    run = of_run(tiny_run)
    train(run, tmp_path, run.settings().sft)
    (trainer,) = trainers
    tokenizer = trainer.processing_class.tokenizer
    image, end, pad = tokenizer.convert_tokens_to_ids(["<|image_pad|>", "<|im_end|>", "<|endoftext|>"])
    completions, mixed = [], 0
    for batch in trainer.get_train_dataloader():
        mixed += len(batch["image_grid_thw"].unique(dim=0)) > 1
        for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
            learned = labels != -100
            (positions,) = torch.nonzero(learned, as_tuple=True)
            assert positions.tolist() == list(range(int(positions[0]), int(positions[-1]) + 1))
            assert ids[learned].tolist() == labels[learned].tolist()
            assert ids[learned][-1] == end and (ids[learned] == end).sum() == 1
            assert image in ids and image not in ids[learned]
            assert pad not in ids[learned] and mask[learned].all()
            assert tokenizer.decode(ids[: positions[0]]).endswith("<|im_start|>assistant\n")
            completions.append(tokenizer.decode(labels[learned]))
    expected = [completion_text(example.chain, example.answer) + "<|im_end|>" for example in tiny_run.examples]
    assert sorted(completions) == sorted(expected)
    assert mixed, "no batch held images of different sizes"


def test_batches_are_grouped_by_our_lengths(tiny_run: TinyRun, tmp_path: Path, trainers: list[Any]) -> None:
    train(tiny_run, tmp_path, tiny_run.settings().sft)
    (trainer,) = trainers
    loader = trainer.get_train_dataloader()
    sampler = loader.batch_sampler.sampler
    assert isinstance(sampler, LengthEpochSampler)
    lengths = list(trainer.train_dataset["length"])
    assert list(sampler.lengths) == lengths and len(set(lengths)) > 5
    seen = sorted(int(count) for batch in loader for count in batch["attention_mask"].sum(dim=1))
    assert seen == sorted(lengths)


def test_every_epoch_has_its_own_order_and_nothing_else_moves_it(
    tiny_run: TinyRun, tmp_path: Path, trainers: list[Any]
) -> None:
    # every evaluation once reset torch's seed, and every epoch had the same batches in the same order
    train(tiny_run, tmp_path, tiny_run.settings().sft)
    loader = trainers[0].get_train_dataloader()

    def order(epoch: int, state: int) -> list[int]:
        torch.manual_seed(state)
        loader.set_epoch(epoch)
        return list(loader.batch_sampler.sampler)

    assert order(0, 1) == order(0, 2) != order(1, 1) == order(1, 2)
    assert sorted(order(1, 1)) == list(range(24))


@pytest.mark.parametrize(
    ("right", "kept"),
    [
        ([1, 3, 2], "checkpoint-2"),
        ([3, 1, 2], "checkpoint-1"),
        ([0, 1, 2], "checkpoint-3"),
        ([0, 0, 0], "checkpoint-3"),  # of equals the later one
        ([2, 2, 1], "checkpoint-2"),
    ],
)
def test_the_best_checkpoint_is_kept_by_generated_answers(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: list[int], kept: str
) -> None:
    asked = answers(monkeypatch, right)
    adapter = train(tiny_run, tmp_path, tiny_run.settings(sft__training__max_steps=3).sft)
    best = load_file(tmp_path / "checkpoints" / kept / "adapter_model.safetensors")
    assert adapter.keys() == best.keys() and all(torch.equal(adapter[key], best[key]) for key in best)
    metrics = read_json(tmp_path / "metrics.json")
    assert (metrics["best_checkpoint"], metrics["best_metric"], metrics["steps"]) == (kept, max(right) / 3, 3)
    accuracies = [entry["eval_accuracy"] for entry in metrics["history"] if "eval_accuracy" in entry]
    assert accuracies == [count / 3 for count in right]
    assert [entry["eval_format_rate"] for entry in metrics["history"] if "eval_format_rate" in entry] == [1.0] * 3
    assert asked == [[example.id for example in subset(tiny_run.examples[10:15], 3, tiny_run.settings().sft.seed)]] * 3
    assert [entry["step"] for entry in metrics["history"] if "loss" in entry] == [1, 2, 3]
    assert list((tmp_path / "tensorboard").rglob("events*")) != []
    manifest = read_json(tmp_path / "adapter.json")
    assert manifest["base"] == "base" and "adapter_model.safetensors" in manifest["files"]


def test_sampled_answers_count_each(tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options: list[dict[str, Any]] = []

    def generate(trainer: Any, examples: Sequence[Example], *args: Any, **keywords: Any) -> Any:
        options.append(keywords)
        texts = [[completion_text("x", example.answer), "no form"] for example in examples]
        return [[Completion(text, truncated=False) for text in each] for each in texts]

    monkeypatch.setattr(validation, "generate_together", generate)
    train(tiny_run, tmp_path, tiny_run.settings(sft__selection__samples=2, sft__training__max_steps=1).sft)
    history = read_json(tmp_path / "metrics.json")["history"]
    assert [entry["eval_accuracy"] for entry in history if "eval_accuracy" in entry] == [0.5]
    assert [keywords["samples"] for keywords in options] == [2]


def test_a_killed_run_ends_as_if_it_had_not_been(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # within an epoch; dropout draws random numbers in every step
    training = {"max_steps": STEPS_PER_EPOCH + 3, "save_steps": 2, "logging_steps": 3}
    settings = tiny_run.settings(
        sft__lora__lora_dropout=0.1, **{f"sft__training__{key}": value for key, value in training.items()}
    ).sft
    whole = train(tiny_run, tmp_path / "whole", settings)

    class Killed(BaseException):
        pass

    generate, evaluations = validation.generate_together, []

    def killed(*args: Any, **options: Any) -> Any:
        evaluations.append(1)
        if len(evaluations) == 5:  # in the 9th step; the 8th is saved
            raise Killed
        return generate(*args, **options)

    monkeypatch.setattr(validation, "generate_together", killed)
    checkpoints = tmp_path / "killed/checkpoints"
    claim_checkpoints(checkpoints, {"run": 1}, None)
    with pytest.raises(Killed):
        train(tiny_run, tmp_path / "killed", settings)
    monkeypatch.setattr(validation, "generate_together", generate)
    resume_from = resume_point(checkpoints, {"run": 1})
    assert resume_from and resume_from.name == "checkpoint-8"
    steps: list[int] = []
    step = sft_stage.PackedTrainer.training_step

    def counted(self: Any, *args: Any, **options: Any) -> Any:
        steps.append(self.state.global_step)
        return step(self, *args, **options)

    monkeypatch.setattr(sft_stage.PackedTrainer, "training_step", counted)
    resumed = train(tiny_run, tmp_path / "killed", settings, resume_from)
    assert steps == [8]  # only what was missing
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    histories = [read_json(tmp_path / name / "metrics.json")["history"] for name in ("whole", "killed")]
    assert histories[0] == histories[1]
    # Averages of the log end at each checkpoint, which does not hold them.
    assert [entry["step"] for entry in histories[0] if "loss" in entry] == [2, 3, 4, 6, 8, 9]


def test_a_finished_run_is_published_without_a_further_step(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_if_called: Callable[..., Any]
) -> None:
    answers(monkeypatch, [3, 1])
    first = train(tiny_run, tmp_path, tiny_run.settings().sft)
    curves = read_json(tmp_path / "metrics.json")
    (tmp_path / "adapter/adapter_model.safetensors").unlink()
    (tmp_path / "metrics.json").unlink()
    monkeypatch.setattr(sft_stage.PackedTrainer, "training_step", fails_if_called)
    again = train(tiny_run, tmp_path, tiny_run.settings().sft, tmp_path / "checkpoints/checkpoint-2")
    assert first.keys() == again.keys() and all(torch.equal(first[key], again[key]) for key in first)
    assert read_json(tmp_path / "metrics.json") == curves
    assert (curves["best_checkpoint"], curves["steps"]) == ("checkpoint-1", 2)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("prompt__max_tokens", 9, r"the prompt of q\d+ .* has \d+ tokens, more than prompt\.max_tokens 9"),
        ("sft__selection", {"examples": 3, "max_new_tokens": 2040}, "with 2040 more do not fit"),
    ],
)
def test_long_prompts_are_refused_before_the_model_is_loaded(
    tiny_run: TinyRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fails_if_called: Callable[..., Any],
    key: str,
    value: Any,
    message: str,
) -> None:
    monkeypatch.setattr(preflight, "load_model", fails_if_called)
    with pytest.raises(DataError, match=message):
        train(tiny_run, tmp_path, tiny_run.settings(**{key: value}).sft)


@pytest.mark.parametrize(
    ("limit", "lengths", "refused"),
    [
        (16, [17, 20, 41], "3 of the 3 chains that SFT learns from are longer (41 tokens at most, answer included)"),
        (40, [41, *[10] * 9], "1 of the 10 chains"),
        (40, [41, *[10] * 10], None),  # a rare long chain may be cut off
        (41, [41, 10], None),
    ],
)
def test_answers_may_be_as_long_as_the_chains(limit: int, lengths: list[int], refused: str | None) -> None:
    if refused is None:
        sft_stage.check_cut_off(Selection(max_new_tokens=limit), lengths)
    else:
        with pytest.raises(PipelineError, match=re.escape(refused)) as raised:
            sft_stage.check_cut_off(Selection(max_new_tokens=limit), lengths)
        assert str(raised.value).endswith(f"Set it to {max(lengths)} or more, or selection.allow_cut_off true")
    sft_stage.check_cut_off(Selection(max_new_tokens=limit, allow_cut_off=True), lengths)


def test_chains_that_would_be_cut_off_are_refused_before_the_model_is_loaded(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_if_called: Callable[..., Any]
) -> None:
    monkeypatch.setattr(preflight, "load_model", fails_if_called)
    with pytest.raises(PipelineError, match=r"selection\.max_new_tokens is 4, and \d+ of the \d+ chains"):
        train(tiny_run, tmp_path, tiny_run.settings(sft__selection__allow_cut_off=False).sft)


def test_a_save_without_a_well_formed_answer_is_named(
    tiny_run: TinyRun, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(tiny_run, tmp_path, tiny_run.settings(sft__training__max_steps=1).sft)
    assert "step 1: none of 3 answers is well-formed, so that none is right; 3 were cut off at" in caplog.text


def test_data_without_chains_is_refused(tiny_run: TinyRun, tmp_path: Path) -> None:
    examples = [replace(example, chain="") for example in tiny_run.examples]
    with pytest.raises(DataError, match="SFT needs chains of thought"):
        sft_stage.train(tiny_run.settings().sft, examples, examples, tiny_run.data, tiny_run.base, tmp_path, None)


def test_rows_without_a_chain_are_left_to_rl(tiny_run: TinyRun, tmp_path: Path, trainers: list[Any]) -> None:
    bare = [replace(example, chain="") for example in tiny_run.examples[:4]]
    examples = [*bare, *tiny_run.examples[4:]]
    settings = tiny_run.settings(sft__examples=7).sft
    sft_stage.train(settings, examples, examples, tiny_run.data, tiny_run.base, tmp_path, None)
    texts = [row[0]["content"] for row in trainers[0].train_dataset["completion"]]
    chosen = subset(tiny_run.examples[4:], 7, settings.seed)
    assert texts == [completion_text(example.chain, example.answer) for example in chosen]


def test_only_the_adapter_is_trained(tiny_run: TinyRun, tmp_path: Path, trainers: list[Any]) -> None:
    train(tiny_run, tmp_path, tiny_run.settings().sft)
    trained = [name for name, parameter in trainers[0].model.named_parameters() if parameter.requires_grad]
    assert trained and all("lora_" in name and "visual" not in name for name in trained)


def test_the_pipelines_arguments_reach_the_trainer(tiny_run: TinyRun, tmp_path: Path) -> None:
    arguments = sft_stage.sft_config(tiny_run.settings().sft, tmp_path)
    assert (arguments.completion_only_loss, arguments.max_length) == (True, None)
    assert (arguments.eval_strategy, arguments.save_strategy, arguments.eval_steps) == ("steps", "steps", 1)
    assert arguments.metric_for_best_model == "eval_accuracy"
    assert arguments.greater_is_better and arguments.learning_rate == 1.0e-2
    assert arguments.report_to == ["tensorboard"]
