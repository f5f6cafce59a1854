"""RL: one prompt for all stages, each reward logged by itself, image tokens never sampled, zero adapters refused."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_run import LOADING, TinyRun, lottery, made_trainer, with_several_images

from reinforced_cot.data.settings import Prompt
from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.files import read_json
from reinforced_cot.generation.generate import generate
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import load_processor, vision_token_ids
from reinforced_cot.policies.sft import SftSettings
from reinforced_cot.resuming import claim_checkpoints, resume_point
from reinforced_cot.scoring.reward_loading import load_rewards
from reinforced_cot.scoring.rewards import REWARDS
from reinforced_cot.seeds import subset
from reinforced_cot.training import grpo as grpo_stage
from reinforced_cot.training import preflight
from reinforced_cot.training import sft as sft_stage
from reinforced_cot.training.trainer_data import GroupEpochSampler

SYSTEM = {"prompt__system": "You see digits.", "prompt__instruction": "Think first."}


@dataclass
class Recording:
    """What one real training run did."""

    output: Path
    arguments: Any = None
    prompts: list[list[int]] = field(default_factory=list)
    completions: list[list[int]] = field(default_factory=list)
    rewarded: list[tuple[str, str, str]] = field(default_factory=list)  # id, prompt's text, answer


def bias_to_vision(model: Any, processor: Any) -> Any:
    """Make the policy want an image token at every position."""
    bias = torch.zeros(model.config.get_text_config().vocab_size)
    bias[vision_token_ids(processor)] = 20.0
    model.lm_head.register_forward_hook(lambda module, inputs, output: output + bias)
    return model


@pytest.fixture(scope="module")
def recording(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recording]:
    """Two steps of GSPO from the base, with a reward that an untrained policy can move."""
    result = Recording(tmp_path_factory.mktemp("rl") / "gspo")

    def letter_reward(prompts: Any, completions: Any, completion_ids: Any, **columns: Any) -> list[float]:
        result.completions += completion_ids
        result.rewarded += zip(columns["id"], map(str, prompts), columns["answer"], strict=True)
        return [sum(letter in "aeiou0123" for letter in messages[0]["content"]) / 8 for messages in completions]

    class RecordingTrainer(grpo_stage.ResumableGRPOTrainer):
        def _tokenize_prompts(self, prompts: Any) -> Any:
            found = super()._tokenize_prompts(prompts)
            result.arguments = self.args
            result.prompts += found[0]
            return found

    processor = load_processor(tiny_run.base / "model")
    settings = tiny_run.settings(
        **SYSTEM,
        grpo__examples=5,
        grpo__rewards={"letters": 2.0, "format": 0.5, "correctness": None},
        grpo__training__importance_sampling_level="sequence",
        grpo__training__epsilon=3.0e-4,
        grpo__training__epsilon_high=4.0e-4,
    ).grpo
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grpo_stage, "ResumableGRPOTrainer", RecordingTrainer)
        patch.setitem(REWARDS, "letters", letter_reward)
        patch.setattr(preflight, "load_model", lambda *args: bias_to_vision(load_model(*args), processor))
        grpo_stage.train(settings, tiny_run.examples, tiny_run.data, tiny_run.base, result.output, None)
    yield result


def evaluation_ids(run: TinyRun, prompt: Prompt) -> list[list[int]]:
    """The prompts that `generate` gives to the model, without padding."""
    found: list[list[int]] = []

    model: Any = load_model(run.base / "model", LOADING)
    stock = model.generate

    def recorded(input_ids: torch.Tensor, attention_mask: torch.Tensor, **options: Any) -> Any:
        for ids, mask in zip(input_ids, attention_mask, strict=True):
            assert mask[-1] == 1  # padding stands on the left (trl#5785)
            found.append(ids[mask.bool()].tolist())
        return stock(input_ids=input_ids, attention_mask=attention_mask, **options)

    model.generate = recorded
    processor = load_processor(run.base / "model")
    generate(model, processor, run.examples, run.data, prompt, batch_size=5, max_new_tokens=1)
    return found


def sft_ids(run: TinyRun, settings: SftSettings, output: Path) -> list[list[int]]:
    """The part of SFT's rows that carries no loss."""
    trainers: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sft_stage, "run", lambda trainer, *_: trainers.append(trainer))
        sft_stage.train(settings, run.examples, run.examples, run.data, run.base, output, None)
    trainer = trainers[0]
    found = []
    for start in range(0, 24, 5):
        rows = [trainer.train_dataset[i] for i in range(start, min(start + 5, 24))]
        batch = trainer.data_collator(rows)
        for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
            found.append(ids[: int((labels != -100).nonzero()[0])].tolist())
    return found


def test_questions_about_several_images_have_the_same_tokens_too(tiny_run: TinyRun, tmp_path: Path) -> None:
    """One to three images per question in one batch, at its beginning or in places of their own."""
    run = with_several_images(tiny_run)
    settings = run.settings(**SYSTEM)
    asked = evaluation_ids(run, settings.answer.prompt)
    assert sft_ids(run, settings.sft, tmp_path / "sft") == asked
    made = made_trainer(grpo_stage, settings.grpo, run.examples, run.data, run.base, tmp_path / "rl", None)
    prompts, counts = [], []
    for start in range(0, 24, 2):
        drawn = made._generate_and_score_completions([made.train_dataset[start + n // 2] for n in range(4)])
        rows = zip(drawn["prompt_ids"], drawn["prompt_mask"], strict=True)
        prompts += [ids[mask.bool()].tolist() for ids, mask in rows][::2]
        counts += [int(count) for count in drawn["num_images"]][::2]
    assert prompts == asked
    assert counts == [len(example.images) for example in run.examples]


def test_sft_rl_and_evaluation_ask_with_the_same_tokens(
    tiny_run: TinyRun, tmp_path: Path, recording: Recording
) -> None:
    # in the original the question was absent from every RL prompt, and there was no assistant header
    settings = tiny_run.settings(**SYSTEM)
    asked = evaluation_ids(tiny_run, settings.answer.prompt)
    assert sft_ids(tiny_run, settings.sft, tmp_path) == asked
    chosen = {example.id for example in subset(tiny_run.examples, 5, settings.grpo.seed)}
    of_chosen = {tuple(ids) for ids, example in zip(asked, tiny_run.examples, strict=True) if example.id in chosen}
    assert {tuple(ids) for ids in recording.prompts} <= of_chosen
    assert len({tuple(ids) for ids in recording.prompts}) >= 3
    tokenizer = load_processor(tiny_run.base / "model").tokenizer
    texts = {tokenizer.decode(ids) for ids in recording.prompts}
    questions = [example.question for example in tiny_run.examples if example.id in chosen]
    for text in texts:
        assert any(f"<|vision_end|>{question}\nThink first.<|im_end|>\n" in text for question in questions)
        assert text.startswith("<|im_start|>system\nYou see digits.<|im_end|>\n<|im_start|>user\n<|vision_start|>")
        assert text.endswith("<|im_end|>\n<|im_start|>assistant\n")


def test_fields_reach_trl(recording: Recording) -> None:
    arguments = recording.arguments
    assert arguments.importance_sampling_level == "sequence"
    assert (arguments.epsilon, arguments.epsilon_high, arguments.beta) == (3.0e-4, 4.0e-4, 0.0)
    assert (arguments.num_generations, arguments.max_completion_length) == (2, 6)
    assert arguments.reward_weights == [2.0, 0.5] and arguments.log_multimodal is False
    assert arguments.learning_rate == 1.0e-2


def test_each_reward_is_logged_by_itself(recording: Recording) -> None:
    # in the original only their sum was logged, so that nobody saw which one the policy learned from
    steps = [entry for entry in read_json(recording.output / "metrics.json")["history"] if "reward" in entry]
    assert [entry["step"] for entry in steps] == [1, 2]
    for entry in steps:
        letters, form = entry["rewards/letter_reward/mean"], entry["rewards/format_reward/mean"]
        assert entry["reward"] == pytest.approx(2.0 * letters + 0.5 * form) and letters > 0
        assert "rewards/correctness_reward/mean" not in entry  # its weight is null


def test_image_tokens_are_never_sampled(tiny_run: TinyRun, recording: Recording) -> None:
    # verl#7038: the run dies hours later, at the first sampled image token; here the policy wants nothing else
    banned = vision_token_ids(load_processor(tiny_run.base / "model"))
    assert len(recording.completions) == 8 and len(banned) == 5
    assert not set(banned) & {token for ids in recording.completions for token in ids}


def test_rewards_get_the_true_answers(tiny_run: TinyRun, recording: Recording) -> None:
    examples = {example.id: example for example in tiny_run.examples}
    assert len(recording.rewarded) == 8
    assert len({answer for *_, answer in recording.rewarded}) > 1
    for identifier, prompt, answer in recording.rewarded:
        assert answer == examples[identifier].answer
        assert examples[identifier].question in prompt


def test_the_adapter_is_published_with_its_base(tiny_run: TinyRun, recording: Recording) -> None:
    manifest = read_json(recording.output / "adapter.json")
    assert manifest["base"] == "base" and "adapter_model.safetensors" in manifest["files"]
    assert (recording.output / "checkpoints/checkpoint-2/trainer_state.json").is_file()


def test_too_few_questions_are_refused_before_the_model_is_loaded(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_if_called: Callable[..., Any]
) -> None:
    monkeypatch.setattr(preflight, "load_model", fails_if_called)
    message = r"train\.jsonl has 1 questions for RL, and one generation takes 2 different ones: add data"
    with pytest.raises(DataError, match=message):
        grpo_stage.train(
            tiny_run.settings().grpo, tiny_run.examples[:1], tiny_run.data, tiny_run.base, tmp_path / "out", None
        )


def test_an_adapter_of_zero_norm_is_refused(tiny_run: TinyRun, tmp_path: Path) -> None:
    # an untrained policy earns nothing, so that every advantage is zero (trl#4416: empty adapters under ZeRO-3)
    settings = tiny_run.settings(grpo__rewards={"format": 1.0}, grpo__examples=2).grpo
    with pytest.raises(PipelineError, match="the trained adapter is zero"):
        grpo_stage.train(settings, tiny_run.examples, tiny_run.data, tiny_run.base, tmp_path, None)
    assert not (tmp_path / "adapter").exists() and not (tmp_path / "adapter.json").exists()


def test_long_prompts_are_refused_before_the_model_is_loaded(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_if_called: Callable[..., Any]
) -> None:
    monkeypatch.setattr(preflight, "load_model", fails_if_called)
    with pytest.raises(
        DataError, match=r"tokens, more than prompt\.max_tokens 9: raise it, or lower image\.max_pixels"
    ):
        grpo_stage.train(
            tiny_run.settings(prompt__max_tokens=9).grpo,
            tiny_run.examples,
            tiny_run.data,
            tiny_run.base,
            tmp_path,
            None,
        )


def test_rewards_without_a_weight_are_left_out() -> None:
    functions, weights = load_rewards({"format": 0.5, "correctness": None, "brevity": 0.0})
    assert [function.__name__ for function in functions] == ["format_reward", "brevity_reward"]
    assert weights == [0.5, 0.0]


def test_a_reward_that_is_no_number_stops_the_run(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # TRL would train on with NaN
    monkeypatch.setitem(REWARDS, "broken", lambda completions, **_: [float("nan")] * len(completions))
    settings = tiny_run.settings(grpo__rewards={"broken": 1.0}).grpo
    with pytest.raises(PipelineError, match=r"reward broken returned nan for this completion to question q\d+: '"):
        grpo_stage.train(settings, tiny_run.examples, tiny_run.data, tiny_run.base, tmp_path, None)
    assert not (tmp_path / "adapter").exists()


def test_probes_are_logged_and_change_nothing(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REWARDS, "lottery", lottery)
    rewards = {"lottery": 1.0, "tag_count": 1.0}
    adapters = {}
    for every in (None, 2):
        settings = tiny_run.settings(grpo__rewards=rewards, grpo__examples=8, grpo__probes__every=every).grpo
        output = tmp_path / str(every)
        grpo_stage.train(settings, tiny_run.examples, tiny_run.data, tiny_run.base, output, None)
        adapters[every] = load_file(output / "adapter/adapter_model.safetensors")
    assert all(torch.equal(adapters[None][key], adapters[2][key]) for key in adapters[2])
    logged = {
        entry["step"]: {key for key in entry if key.startswith("probes/")}
        for entry in read_json(tmp_path / "2/metrics.json")["history"]
        if "reward" in entry
    }
    assert logged == {
        1: set(),
        2: {
            f"probes/{name}"
            for name in (
                "policy",
                "best_constant_answer",
                "copied_chain",
                "padded_chain",
                "question_as_chain",
                "repeated_tags",
                "listed_candidates",
                "blank_image",
                "shuffled_images",
            )
        },
    }


def test_sft_and_rl_draw_their_adapters_apart(tiny_run: TinyRun, tmp_path: Path) -> None:
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        for module in (sft_stage, grpo_stage):
            patch.setattr(module, "run", lambda trainer, *_: drawn.append(trainer.model))
        sft_stage.train(
            tiny_run.settings().sft, tiny_run.examples, tiny_run.examples, tiny_run.data, tiny_run.base, tmp_path, None
        )
        for _ in range(2):
            grpo_stage.train(tiny_run.settings().grpo, tiny_run.examples, tiny_run.data, tiny_run.base, tmp_path, None)
    sft, first, second = (
        torch.cat([p.flatten() for name, p in model.named_parameters() if "lora_A" in name]) for model in drawn
    )
    assert torch.equal(first, second) and not torch.equal(sft, first)


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_importance_sampling_level(tiny_run: TinyRun, tmp_path: Path, level: str) -> None:
    processor = load_processor(tiny_run.base / "model")
    settings = tiny_run.settings(
        grpo__training__importance_sampling_level=level,
        grpo__training__generation_kwargs={"cache_implementation": "static"},
    ).grpo
    arguments = grpo_stage.grpo_config(settings, [1.0], processor, tmp_path)
    assert arguments.importance_sampling_level == level
    assert arguments.generation_kwargs == {
        "suppress_tokens": vision_token_ids(processor),
        "cache_implementation": "static",
    }
    assert settings.policy.training["generation_kwargs"] == {"cache_implementation": "static"}  # as they were


def test_every_epoch_has_its_own_order_of_groups_whether_or_not_the_run_was_stopped() -> None:
    def sampler() -> GroupEpochSampler:
        return GroupEpochSampler(range(12), mini_repeat_count=2, batch_size=3, repeat_count=2, seed=7)

    def order(made: GroupEpochSampler, epoch: int) -> list[int]:
        made.set_epoch(epoch)
        return list(made)

    through = sampler()
    epochs = [order(through, 0), order(through, 1)]
    assert epochs[0] != epochs[1] and sorted(epochs[0]) == sorted(epochs[1])
    assert order(sampler(), 1) == epochs[1]  # resumed in the second epoch
    assert epochs[0][:12] == [index for index in epochs[0][:6:2] for _ in range(2)] * 2  # groups of 2, each batch twice


@pytest.mark.parametrize("killed_in", [4, 6])  # the generations after steps 6 and 10; an epoch has 8 steps
def test_a_killed_run_ends_as_if_it_had_not_been(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_in: int
) -> None:  # rollouts are not saved, so a run goes on at a generation boundary, in any epoch
    settings = tiny_run.settings(
        grpo__examples=8,
        grpo__rewards={"lottery": 1.0},
        grpo__training__max_steps=14,
        grpo__training__per_device_train_batch_size=4,
        grpo__training__num_iterations=2,
        grpo__training__save_steps=2,
        grpo__training__save_strategy="steps",
    ).grpo

    def train(output: Path, resume_from: Path | None = None) -> dict[str, torch.Tensor]:
        grpo_stage.train(settings, tiny_run.examples, tiny_run.data, tiny_run.base, output, resume_from)
        return load_file(output / "adapter/adapter_model.safetensors")

    class Killed(BaseException):
        pass

    calls: list[int] = []

    def killing(completions: Sequence[Any], **columns: Any) -> list[float]:
        calls.append(1)
        if len(calls) == killed_in:
            raise Killed
        return lottery(completions, **columns)

    monkeypatch.setitem(REWARDS, "lottery", lottery)
    whole = train(tmp_path / "whole")
    checkpoints = tmp_path / "killed/checkpoints"
    claim_checkpoints(checkpoints, {"run": 1}, None)
    monkeypatch.setitem(REWARDS, "lottery", killing)
    with pytest.raises(Killed):
        train(tmp_path / "killed")
    monkeypatch.setitem(REWARDS, "lottery", lottery)
    resume_from = resume_point(checkpoints, {"run": 1})
    assert resume_from and resume_from.name == f"checkpoint-{2 * (killed_in - 1)}"
    resumed = train(tmp_path / "killed", resume_from)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
