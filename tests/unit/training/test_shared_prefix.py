"""Shared prefixes are exact: the log-probabilities and gradients of TRL's own rows, whatever they are made of."""

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from stage_runs import series
from tiny_run import PROMPT, TinyRun, lottery, made_trainer, with_several_images
from trl import GRPOTrainer

from reinforced_cot.attention.packing import Rows, pack
from reinforced_cot.attention.tree_attention import NEFTUNE, no_trees
from reinforced_cot.data.prompts import prompt_messages
from reinforced_cot.errors import PipelineError
from reinforced_cot.files import read_json
from reinforced_cot.generation import decoding
from reinforced_cot.models.processors import load_processor
from reinforced_cot.scoring.rewards import REWARDS
from reinforced_cot.training import grpo as grpo_stage
from reinforced_cot.training import shared_prefix_trainer
from reinforced_cot.training.shared_prefix_trainer import SharedPrefixTrainer, not_packable, shuffled_blocks

SIZES = [(84, 56), (56, 112), (56, 56), (112, 84)]
WORDS = ["what", "is", "the", "red", "digit", "left", "of", "blue", "green", "yellow", "corner"]


def make_rows(
    run: TinyRun, seed: int, groups: int, size: int, longest: int = 9, most_images: int = 1
) -> dict[str, Any]:
    """Rows as TRL hands them over: questions of several lengths about some images of several sizes each, shuffled."""
    draw = random.Random(seed)
    processor = load_processor(run.base / "model")
    texts, images = [], []
    for _ in range(groups):
        question = " ".join(draw.choices(WORDS, k=draw.randint(1, 9)))
        shown = [Image.effect_noise(draw.choice(SIZES), 90).convert("RGB") for _ in range(draw.randint(1, most_images))]
        if len(shown) > 1 and draw.random() < 0.5:  # words stand between the images
            question = " <image> ".join([question, *draw.choices(WORDS, k=len(shown))])
        messages = prompt_messages(question, len(shown), PROMPT)
        texts += [processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)] * size
        images += [shown] * size
    order = draw.sample(range(groups * size), groups * size)
    batch = processor(
        text=[texts[i] for i in order], images=[images[i] for i in order], padding=True, return_tensors="pt"
    )
    torch.manual_seed(seed)
    completions = torch.randint(10, 300, (len(order), longest))
    lengths = torch.tensor([draw.randint(0, longest) for _ in order])
    mask = (torch.arange(longest) < lengths[:, None]).long()
    return {
        "input_ids": torch.cat([batch["input_ids"], completions * mask], dim=1),
        "attention_mask": torch.cat([batch["attention_mask"], mask], dim=1),
        "logits_to_keep": longest,
        "pixel_values": batch["pixel_values"],
        "image_grid_thw": batch["image_grid_thw"],
        "num_images": [len(images[i]) for i in order],
        "mm_token_type_ids": torch.nn.functional.pad(batch["mm_token_type_ids"], (0, longest)),
    }


def log_probs(trainer: SharedPrefixTrainer, rows: dict[str, Any], shared: bool, **options: Any) -> Any:
    method = (SharedPrefixTrainer if shared else GRPOTrainer)._get_per_token_logps_and_entropies
    found, entropies, _ = method(trainer, trainer.model, **rows, compute_entropy=True, **options)
    return found, entropies


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("checkpointing", [False, True])
def test_log_probabilities_and_gradients_are_those_of_separate_rows(
    tiny_run: TinyRun, trainer: SharedPrefixTrainer, seed: int, checkpointing: bool
) -> None:
    rows = make_rows(tiny_run, seed, groups=3, size=4, most_images=1 + seed % 3)
    trainer.model.gradient_checkpointing_enable() if checkpointing else trainer.model.gradient_checkpointing_disable()
    weights = torch.randn(12, rows["logits_to_keep"])
    results = []
    for shared in (False, True):
        trainer.model.zero_grad()
        found, entropies = log_probs(trainer, rows, shared, batch_size=5)
        (found * weights + 0.1 * entropies).sum().backward()
        gradients = {name: weight.grad for name, weight in trainer.model.named_parameters() if weight.grad is not None}
        results.append((found.detach(), entropies.detach(), gradients))
    (expected, expected_entropies, expected_gradients), (found, entropies, gradients) = results
    assert torch.allclose(found, expected, atol=1e-5) and torch.allclose(entropies, expected_entropies, atol=1e-5)
    assert expected.abs().sum() > 0 and gradients.keys() == expected_gradients.keys() and gradients
    for name, gradient in expected_gradients.items():
        assert float((gradients[name] - gradient).norm()) <= 1e-5 * float(gradient.norm() + 1e-3), name


def test_a_sibling_changes_nothing(tiny_run: TinyRun, trainer: SharedPrefixTrainer) -> None:
    rows = make_rows(tiny_run, 1, groups=2, size=4)
    before, _ = log_probs(trainer, rows, True)
    changed = {**rows, "input_ids": rows["input_ids"].clone()}
    one = int(rows["attention_mask"].sum(dim=1).argmax())
    changed["input_ids"][one, -9:][rows["attention_mask"][one, -9:].bool()] += 1
    after, _ = log_probs(trainer, changed, True)
    others = [row for row in range(8) if row != one]
    assert torch.equal(before[others], after[others]) and not torch.equal(before[one], after[one])


def test_prompts_are_shared_where_text_and_image_are_the_same(tiny_run: TinyRun) -> None:
    rows = make_rows(tiny_run, 2, groups=3, size=4)
    keep = rows.pop("logits_to_keep")
    made = Rows(rows.pop("input_ids"), rows.pop("attention_mask"), keep, **rows)
    groups = made.groups(range(12))
    assert sorted(map(len, groups)) == [4, 4, 4]
    packed = pack(made, groups)
    tokens = sum(len(made.prompts[group[0]]) - 1 for group in groups)
    tokens += sum(1 + len(made.completion_ids(row)) for row in range(12))
    assert packed.input_ids.shape == (1, tokens) and tokens == sum(t.prefix + sum(t.branches) for t in packed.trees)
    made.images[0][1].add_(1)  # another image under the same question
    assert sorted(map(len, made.groups(range(12)))) == [1, 3, 4, 4]


@pytest.mark.parametrize("checkpointing", [False, True])
def test_bfloat16_by_autocast_is_that_of_separate_rows(
    tiny_run: TinyRun, trainer: SharedPrefixTrainer, checkpointing: bool
) -> None:
    """Weights in float32, as where all are trained: rotary positions make queries and keys wider than values."""
    rows = make_rows(tiny_run, 3, groups=3, size=4)
    trainer.model.gradient_checkpointing_enable() if checkpointing else trainer.model.gradient_checkpointing_disable()
    results = []
    for shared in (False, True):
        trainer.model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            found, _ = log_probs(trainer, rows, shared)
        found.sum().backward()
        gradients = [weight.grad.flatten() for weight in trainer.model.parameters() if weight.grad is not None]
        results.append((found.detach().float(), torch.cat(gradients)))
    (expected, wanted), (found, gradient) = results
    with torch.no_grad():
        exact, _ = log_probs(trainer, rows, True)
    noise = float((expected - exact).abs().max())
    assert float((found - expected).abs().max()) <= 2 * noise and noise > 1e-4
    assert float((gradient - wanted).norm()) <= 0.05 * float(wanted.norm())


def test_a_model_of_other_positions_keeps_its_rows(trainer: SharedPrefixTrainer) -> None:
    fields = dict.fromkeys(("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids"), 0)
    assert not_packable(fields) is None
    assert not_packable({**fields, "num_tiles": 3}) == "the rows have num_tiles"
    backbone: Any = trainer.model.get_base_model().model
    assert trainer._kept_apart(trainer.model) is None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbone.config.get_text_config(), "layer_types", ["full_attention", "sliding_attention"])
        assert trainer._kept_apart(trainer.model) == "some of its layers see a window only"
    other: Any = SimpleNamespace()
    assert no_trees(other) == "SimpleNamespace has no M-RoPE positions"


def test_rows_are_kept_apart_where_sharing_would_change_them(trainer: SharedPrefixTrainer) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.args, "per_device_train_batch_size", 1)
        assert "a micro-batch has no two completions" in str(trainer._kept_apart(trainer.model))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.args, "neftune_noise_alpha", 5.0)
        assert trainer._kept_apart(trainer.model) == NEFTUNE
    config = trainer.model.get_base_model().config.get_text_config()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "attention_dropout", 0.1)
        assert "dropout is drawn for each completion" in str(trainer._kept_apart(trainer.model))


@pytest.mark.parametrize(
    "changes",
    [
        {"base_model__attn_implementation": "eager"},
        {"grpo__lora": {"r": 4, "lora_alpha": 8, "lora_dropout": 0.1, "target_modules": ["q_proj"]}},
    ],
)
def test_where_nothing_is_shared_rows_are_shuffled_as_by_trl(
    tiny_run: TinyRun, tmp_path: Path, fails_if_called: Any, changes: dict[str, Any]
) -> None:
    settings = tiny_run.settings(
        **changes, grpo__rewards={"lottery": 1.0}, grpo__training__max_steps=2, grpo__training__save_steps=2
    ).grpo
    with pytest.MonkeyPatch.context() as patch:
        for name in ("shuffled_blocks", "pack"):
            patch.setattr(shared_prefix_trainer, name, fails_if_called)
        patch.setitem(REWARDS, "lottery", lottery)
        grpo_stage.train(settings, tiny_run.examples, tiny_run.data, tiny_run.base, tmp_path, None)
    assert read_json(tmp_path / "metrics.json")["history"]


@pytest.mark.parametrize(
    ("changes", "mixes"),
    [
        ({"loss_type": "bnpo", "generation_batch_size": 8}, True),
        ({"top_entropy_quantile": 0.5, "generation_batch_size": 8}, True),
        ({"loss_type": "bnpo", "generation_batch_size": 4}, False),  # the micro-batch is all of a generation
        ({"loss_type": "dapo", "generation_batch_size": 8}, False),
    ],
)
def test_losses_that_depend_on_the_micro_batch_have_the_rows_that_trl_gives_them(
    tiny_run: TinyRun, tmp_path: Path, changes: dict[str, Any], mixes: bool
) -> None:
    """The micro-batches of a generation, as TRL makes them and as this package does."""
    fields = {f"grpo__training__{name}": value for name, value in {"num_generations": 4, **changes}.items()}
    settings = tiny_run.settings(grpo__rewards={"lottery": 1.0}, **fields).grpo
    orders = []
    for stock in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(REWARDS, "lottery", lottery)
            made = made_trainer(
                grpo_stage, settings, tiny_run.examples, tiny_run.data, tiny_run.base, tmp_path / str(stock), None
            )
            if stock:
                patch.setattr(SharedPrefixTrainer, "_prepare_inputs", GRPOTrainer._prepare_inputs)
            torch.manual_seed(5)
            made.model.train()
            made._prepare_inputs(next(iter(made.get_train_dataloader())))
            orders.append([batch["completion_ids"].tolist() for batch in made._buffered_inputs])
    if len(orders[0]) > 1:
        assert (orders[0] == orders[1]) is mixes


@pytest.mark.parametrize("size", [2, 4, 8])
def test_old_and_policy_pass_round_alike(tiny_run: TinyRun, tmp_path: Path, size: int) -> None:
    """In bfloat16, log-probabilities of the same policy are the same to the bit, so that every ratio is 1."""
    training = {"per_device_train_batch_size": size, "generation_batch_size": 16, "num_generations": 4, "bf16": True}
    fields = {f"grpo__training__{name}": value for name, value in training.items()}
    settings = tiny_run.settings(grpo__rewards={"lottery": 1.0}, grpo__global_batch_size=size, **fields).grpo
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(REWARDS, "lottery", lottery)
        made = made_trainer(grpo_stage, settings, tiny_run.examples, tiny_run.data, tiny_run.base, tmp_path, None)
        made.model.train()
        made._prepare_inputs(next(iter(made.get_train_dataloader())))
    assert len(made._buffered_inputs) == 16 // size
    for batch in made._buffered_inputs:
        ids, mask = (
            torch.cat([batch[f"prompt_{name}"], batch[f"completion_{name}"]], dim=1) for name in ("ids", "mask")
        )
        shown = {name: batch[name] for name in ("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids")}
        found, _, _ = made._get_per_token_logps_and_entropies(
            made.model, ids, mask, batch["completion_ids"].shape[1], **shown
        )
        kept = batch["completion_mask"].bool()
        assert torch.equal(found[kept], batch["old_per_token_logps"][kept])


def test_micro_batches_stay_together_when_they_are_shuffled() -> None:
    batch = {"rows": torch.arange(12), "names": [f"row {n}" for n in range(12)], "none": None, "count": torch.tensor(3)}
    orders = set()
    for seed in range(5):
        torch.manual_seed(seed)
        found = shuffled_blocks(batch, 4)
        rows = found["rows"].tolist()
        assert sorted(rows) == list(range(12)) and found["names"] == [f"row {row}" for row in rows]
        assert all(rows[i : i + 4] == list(range(rows[i], rows[i] + 4)) for i in (0, 4, 8))
        assert found["none"] is None and found["count"] == 3
        orders.add(tuple(rows))
    assert len(orders) > 1


@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_training_is_the_same(tiny_run: TinyRun, tmp_path: Path, level: str, beta: float) -> None:
    """Twenty steps of GRPO and of GSPO, with old, reference and policy passes, in micro-batches of whole groups."""
    training = {
        **{"max_steps": 20, "save_steps": 20, "learning_rate": 1e-3, "num_iterations": 2, "num_generations": 4},
        **{"generation_batch_size": 16, "importance_sampling_level": level, "loss_type": "grpo", "beta": beta},
    }
    changes = {f"grpo__training__{field}": value for field, value in training.items()}
    settings = tiny_run.settings(grpo__rewards={"lottery": 1.0}, grpo__global_batch_size=8, **changes).grpo
    runs = []
    for shared in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(REWARDS, "lottery", lottery)
            if not shared:
                stock = GRPOTrainer._get_per_token_logps_and_entropies
                patch.setattr(SharedPrefixTrainer, "_get_per_token_logps_and_entropies", stock)
            output = tmp_path / str(shared)
            grpo_stage.train(settings, tiny_run.examples, tiny_run.data, tiny_run.base, output, None)
        history = [entry for entry in read_json(output / "metrics.json")["history"] if "loss" in entry]
        runs.append((history, load_file(output / "adapter/adapter_model.safetensors")))
    (found, adapter), (expected, wanted) = runs
    assert len(found) == len(expected) == 20
    for name in ("loss", "grad_norm", "reward", "entropy", *(["kl"] if beta else [])):
        assert series(found, name) == pytest.approx(series(expected, name), abs=1e-5) and series(found, name), name
    for name, weight in wanted.items():
        assert torch.allclose(adapter[name], weight, atol=1e-5), name


def test_training_on_several_images_per_question_is_the_same(tiny_run: TinyRun, tmp_path: Path) -> None:
    """Rollouts, old and policy passes of questions with one to three images, in one batch."""
    run = with_several_images(tiny_run)
    training = {"max_steps": 6, "save_steps": 6, "num_generations": 4, "generation_batch_size": 16}
    changes = {f"grpo__training__{field}": value for field, value in training.items()}
    settings = run.settings(grpo__rewards={"lottery": 1.0}, grpo__global_batch_size=8, **changes).grpo
    found = []
    for shared in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(REWARDS, "lottery", lottery)
            if not shared:
                for name in ("_get_per_token_logps_and_entropies", "_generate_single_turn"):
                    patch.setattr(SharedPrefixTrainer, name, getattr(GRPOTrainer, name))
            patch.setattr(decoding, "GOING_ON", 0.0)  # rows stay: the random numbers are those of the stock generate
            output = tmp_path / str(shared)
            grpo_stage.train(settings, run.examples, run.data, run.base, output, None)
        history = [entry for entry in read_json(output / "metrics.json")["history"] if "loss" in entry]
        found.append((history, load_file(output / "adapter/adapter_model.safetensors")))
    (history, adapter), (expected, wanted) = found
    for name in ("loss", "grad_norm", "reward", "entropy"):
        assert series(history, name) == pytest.approx(series(expected, name), abs=1e-5) and series(history, name), name
    assert all(torch.allclose(adapter[name], weight, atol=1e-5) for name, weight in wanted.items())


def test_insisting_on_shared_prompts_that_cannot_be_shared_is_an_error(
    tiny_run: TinyRun, trainer: SharedPrefixTrainer
) -> None:
    rows = {**make_rows(tiny_run, 1, groups=1, size=2), "num_tiles": [1, 1]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "shared_prefix", "on")
        with pytest.raises(PipelineError, match="and cannot be: the rows have num_tiles; set it auto or off"):
            log_probs(trainer, rows, True)
