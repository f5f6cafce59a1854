"""Dynamic sampling: groups without variance are replaced, by the same ones after a kill, as if drawn with the rest."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from config_samples import changed, merged, problems
from places import REPO
from safetensors.torch import load_file
from tiny_run import TinyRun, lottery, made_trainer, perturb
from trl import GRPOTrainer

from reinforced_cot.config.validation import validated
from reinforced_cot.errors import PipelineError
from reinforced_cot.files import read_json
from reinforced_cot.policies.grpo import GrpoPolicy, GrpoSettings
from reinforced_cot.resuming import claim_checkpoints, resume_point
from reinforced_cot.scoring.rewards import REWARDS
from reinforced_cot.training import grpo as grpo_stage
from reinforced_cot.training.dynamic_sampling import (
    RefillingTrainer,
    check_whole_groups,
    joined,
    log_together,
    replacements,
    selected,
    without_variance,
)

GRPO = "policies.grpo.training"
QUESTIONS, GROUPS, SIZE = 24, 4, 4
EQUAL: set[str] = set()  # questions whose completions all earn the same


def partly_equal(completions: Sequence[Any], id: Sequence[str], **_: Any) -> list[float]:
    return [0.3 if name in EQUAL else one for name, one in zip(id, lottery(completions), strict=True)]


def scripted(prompt_ids: Sequence[list[int]], *args: Any, **options: Any) -> tuple[list[list[int]], None]:
    """Completions that follow from the question and from their place in the group alone, of one to six tokens."""
    found = []
    for row, ids in enumerate(prompt_ids):
        draw = random.Random(repr((ids, row % SIZE)))
        longest = 1 + random.Random(repr(ids)).randrange(6)
        found.append([draw.randrange(10, 300) for _ in range(draw.randint(1, longest))])
    return found, None


class Drawn:
    """Records what a trainer draws: the questions of each generation, each once, and the batches."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.questions: list[list[str]] = []
        self.batches: list[dict[str, Any]] = []
        stock = GRPOTrainer._generate_and_score_completions

        def recording(trainer: Any, inputs: Any) -> Any:
            self.questions.append([row["id"] for row in inputs[:: trainer.num_generations]])
            self.batches.append(stock(trainer, inputs))
            return self.batches[-1]

        patch.setattr(GRPOTrainer, "_generate_and_score_completions", recording)


@pytest.fixture(scope="module")
def made(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A trainer with old and reference log-probabilities, of four groups of four; what it draws is scripted."""
    settings = tiny_run.settings(
        grpo__rewards={"partly_equal": 1.0},
        grpo__global_batch_size=16,
        grpo__training__per_device_train_batch_size=8,
        grpo__training__generation_batch_size=16,
        grpo__training__num_generations=SIZE,
        grpo__training__num_iterations=2,
        grpo__training__beta=0.04,
    ).grpo
    data = tiny_run.examples, tiny_run.data, tiny_run.base
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(REWARDS, "partly_equal", partly_equal)
        trainer = made_trainer(grpo_stage, settings, *data, tmp_path_factory.mktemp("rl"), None)
    trainer._generate_single_turn = scripted
    trainer.current_gradient_accumulation_steps = 2
    yield trainer


@pytest.fixture
def trainer(made: Any) -> Iterator[Any]:
    """`made`, as it was made."""
    made.model.train()
    made._metrics["train"].clear()
    yield made
    made.refill_generations, made.shared_prefix, made.loss_type = 0, "auto", "dapo"
    perturb(made.model)
    EQUAL.clear()


def first_generation(trainer: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of the first generation, and the ids of its questions."""
    rows = next(iter(trainer.get_train_dataloader()))
    return rows, [row["id"] for row in rows[::SIZE]]


@pytest.mark.parametrize("way", ["auto", "off"])
@pytest.mark.parametrize("equal", [(0, 1), (1, 3), (0, 2, 3)])
def test_a_refilled_batch_is_that_of_its_questions_drawn_together(
    trainer: Any, monkeypatch: pytest.MonkeyPatch, way: str, equal: tuple[int, ...]
) -> None:
    trainer.shared_prefix = way
    drawn = Drawn(monkeypatch)
    rows, question_ids = first_generation(trainer)
    EQUAL.update(question_ids[place] for place in equal)
    trainer.refill_generations = 1
    found = trainer._generate_and_score_completions(rows)
    first, further = drawn.questions
    assert first == question_ids and len(further) == len(equal) and not set(further) & set(question_ids)
    shapes = [(batch["prompt_ids"].shape[1], batch["completion_ids"].shape[1]) for batch in drawn.batches]
    assert shapes[0][0] != shapes[1][0] or shapes[0][1] != shapes[1][1]
    new = iter(further)
    final = [next(new) if place in equal else name for place, name in enumerate(question_ids)]
    by_id = {row["id"]: row for row in trainer.train_dataset}
    trainer.refill_generations = 0
    expected = trainer._generate_and_score_completions([by_id[name] for name in final for _ in range(SIZE)])
    assert found.keys() == expected.keys() >= {"old_per_token_logps", "ref_per_token_logps", "mm_token_type_ids"}
    assert found["num_items_in_batch"] == expected["num_items_in_batch"] == expected["completion_mask"].sum()
    assert found["num_images"] == expected["num_images"]
    # The longest row may have been replaced: the values are the same however wide the padding, which is as it must be.
    padding = {
        "prompt_ids": trainer.processing_class.tokenizer.pad_token_id,
        "completion_ids": trainer.processing_class.tokenizer.pad_token_id,
    }
    for name in (*padding, "old_per_token_logps", "ref_per_token_logps"):
        side = "prompt_mask" if name == "prompt_ids" else "completion_mask"
        masks = [batch[side].bool() for batch in (found, expected)]
        assert torch.equal(masks[0].sum(dim=1), masks[1].sum(dim=1))
        assert torch.allclose(found[name][masks[0]].float(), expected[name][masks[1]].float(), atol=1e-5), name
        assert all(
            (batch[name][~mask] == padding.get(name, 0)).all()
            for batch, mask in zip((found, expected), masks, strict=True)
        )
    assert torch.allclose(found["advantages"], expected["advantages"]) and (found["advantages"] != 0).any()
    assert torch.equal(found["pixel_values"], expected["pixel_values"])
    perturb(trainer.model, scale=0.5)  # an update later: ratios are not 1
    for loss_type in ("grpo", "dapo", "bnpo", "cispo"):
        trainer.loss_type = loss_type
        losses = [trainer._compute_loss(trainer.model, batch).item() for batch in (found, expected)]
        assert losses[0] == pytest.approx(losses[1], abs=1e-5) and abs(losses[1]) > 1e-3, loss_type


def test_groups_are_replaced_until_all_have_variance(trainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(monkeypatch)
    rows, question_ids = first_generation(trainer)
    names = [row["id"] for row in trainer.train_dataset]
    EQUAL.update([*question_ids[1:], *[name for name in names if name not in question_ids][::2]])  # 10 of the 20 others
    trainer.refill_generations = 20
    found = trainer._generate_and_score_completions(rows)
    assert (found["advantages"].view(GROUPS, SIZE).std(dim=1) > 0).all()
    everything = [name for questions in drawn.questions for name in questions]
    assert len(everything) == len(set(everything)) and len(drawn.questions) > 2
    metrics = trainer._metrics["train"]
    assert metrics["refill/generations"] == [len(drawn.questions) - 1]
    assert metrics["refill/zero_variance_before"] == [0.75] and metrics["refill/zero_variance_after"] == [0.0]
    # each draw is as large as what is still lacking
    lacking = 3
    for questions in drawn.questions[1:]:
        assert len(questions) == lacking
        lacking -= len(set(questions) - EQUAL)
    assert lacking == 0
    # what TRL logs is over all completions that were drawn
    share = sum(name in EQUAL for name in everything) / len(everything)
    assert metrics["frac_reward_zero_std"] == [pytest.approx(share)]


@pytest.mark.parametrize(("most", "generations"), [(3, 3), (20, 5)])  # 20 other questions are five generations
def test_the_number_of_further_generations_is_limited(
    trainer: Any, monkeypatch: pytest.MonkeyPatch, most: int, generations: int
) -> None:
    drawn = Drawn(monkeypatch)
    rows, _ = first_generation(trainer)
    EQUAL.update(row["id"] for row in trainer.train_dataset)
    trainer.refill_generations = most
    found = trainer._generate_and_score_completions(rows)
    assert len(drawn.questions) == 1 + generations and found["advantages"].abs().max() < 1e-3
    assert trainer._metrics["train"]["refill/generations"] == [generations]
    assert trainer._metrics["train"]["refill/zero_variance_after"] == [1.0]
    assert found.keys() == drawn.batches[0].keys()
    assert all(torch.equal(found[name], drawn.batches[0][name]) for name in ("prompt_ids", "completion_ids"))


def test_other_questions_follow_from_seed_step_and_generation(trainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, question_ids = first_generation(trainer)
    orders = [trainer._other_questions(rows) for _ in range(2)]
    names = [trainer.train_dataset[number]["id"] for number in orders[0]]
    assert orders[0] == orders[1] and len(names) == QUESTIONS - GROUPS and not set(names) & set(question_ids)
    monkeypatch.setattr(trainer.state, "global_step", 4)
    orders.append(trainer._other_questions(rows))
    orders.append(trainer._other_questions(rows[SIZE:] + rows[:SIZE]))  # another generation of the same step
    monkeypatch.setattr(trainer.args, "seed", 9)
    orders.append(trainer._other_questions(rows))
    assert len({tuple(order) for order in orders}) == 4 and len({frozenset(order) for order in orders}) == 1


def train(settings: GrpoSettings, run: TinyRun, output: Path, resume_from: Path | None = None) -> Any:
    grpo_stage.train(settings, run.examples, run.data, run.base, output, resume_from)
    return load_file(output / "adapter/adapter_model.safetensors")


def test_without_groups_to_replace_nothing_changes(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REWARDS, "partly_equal", partly_equal)
    EQUAL.clear()
    adapters = []
    for number, most in enumerate((0, 3, 0)):
        settings = tiny_run.settings(grpo__rewards={"partly_equal": 1.0}, grpo__refill_generations=most).grpo
        if number == 2:  # TRL alone
            for name in ("_generate_and_score_completions", "_calculate_rewards"):
                monkeypatch.setattr(RefillingTrainer, name, getattr(GRPOTrainer, name))
        adapters.append(train(settings, tiny_run, tmp_path / str(number)))
        history = read_json(tmp_path / f"{number}/metrics.json")["history"]
        assert any("refill/generations" in entry for entry in history) == (number == 1)
    for other in adapters[1:]:
        assert all(torch.equal(weight, other[name]) for name, weight in adapters[0].items())


def test_a_run_that_is_killed_while_it_refills_ends_as_if_it_had_not_been(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny_run.settings(
        grpo__rewards={"recorded": 1.0},
        grpo__refill_generations=3,
        grpo__training__max_steps=8,
        grpo__training__num_iterations=2,
        grpo__training__save_steps=2,
    ).grpo

    class Killed(BaseException):
        pass

    kill_at = None
    by_step: dict[int, list[str]] = {}

    def recorded(completions: Sequence[Any], id: Sequence[str], trainer_state: Any, **_: Any) -> list[float]:
        step = trainer_state.global_step
        if step == kill_at and step in by_step:  # in the second draw of this step
            raise Killed
        by_step.setdefault(step, []).extend(id)
        return [0.3 if int(name[1:]) % 4 < 2 else one for name, one in zip(id, lottery(completions), strict=True)]

    monkeypatch.setitem(REWARDS, "recorded", recorded)
    whole, through = train(settings, tiny_run, tmp_path / "whole"), dict(by_step)
    assert set(through) == {0, 2, 4, 6} and any(len(questions) > 4 for questions in through.values())
    kill_at = max(step for step, questions in through.items() if len(questions) > 4)
    assert kill_at > 0
    by_step.clear()
    checkpoints = tmp_path / "killed/checkpoints"
    claim_checkpoints(checkpoints, {"run": 1}, None)
    with pytest.raises(Killed):
        train(settings, tiny_run, tmp_path / "killed")
    killed_at, kill_at = kill_at, None
    by_step.clear()
    resume_from = resume_point(checkpoints, {"run": 1})
    assert resume_from and resume_from.name == f"checkpoint-{killed_at}"
    resumed = train(settings, tiny_run, tmp_path / "killed", resume_from)
    assert by_step == {step: questions for step, questions in through.items() if step >= killed_at}
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    history = [entry for entry in read_json(tmp_path / "killed/metrics.json")["history"] if "loss" in entry]
    logged = [entry for entry in history if "refill/generations" in entry]
    assert len(logged) == 4
    assert any(entry["refill/zero_variance_after"] < entry["refill/zero_variance_before"] for entry in logged)


def test_variance_is_in_the_rewards_but_for_rounding() -> None:
    rewards = torch.tensor([0.1, 0.1, 0.1] + [0.0, 0.0, 1.0] + [2.1, 2.1 + 2e-7, 2.1] + [0.3, 0.3, 0.301])
    assert without_variance(rewards, 3).tolist() == [True, False, True, False]


def test_groups_are_replaced_while_there_are_live_ones() -> None:
    yes, no = True, False
    assert replacements(torch.tensor([yes, no, yes, yes]), torch.tensor([no, yes, yes])) == [(0, 1), (2, 2)]
    assert replacements(torch.tensor([no, yes]), torch.tensor([yes, yes])) == [(1, 0)]
    assert replacements(torch.tensor([no]), torch.tensor([yes])) == []


def batch(prompt: list[list[int]], completion: list[list[int]], **more: Any) -> dict[str, Any]:
    ids = {"prompt_ids": torch.tensor(prompt), "completion_ids": torch.tensor(completion)}
    return {**ids, "advantages": torch.arange(len(prompt)), "num_items_in_batch": torch.tensor(9), **more}


def test_batches_are_padded_on_the_right_side() -> None:
    first = batch(
        *([[1, 2]], [[3, 4, 5]]),
        mm_token_type_ids=torch.tensor([[1, 1, 0, 0, 0]]),
        importance_sampling_ratio=torch.tensor([[0.5, 0.5, 0.5]]),
        pixel_values=["a"],
    )
    second = batch(
        *([[6, 7, 8], [6, 7, 8]], [[9], [10]]),
        mm_token_type_ids=torch.tensor([[1, 1, 1, 0], [1, 1, 1, 0]]),
        importance_sampling_ratio=torch.tensor([[0.25], [0.125]]),
        pixel_values=["b", "c"],
    )
    found = joined(first, second, pad_token=99)
    assert list(found) == [
        *("prompt_ids", "completion_ids", "advantages"),
        *("mm_token_type_ids", "importance_sampling_ratio", "pixel_values"),
    ]
    assert found["prompt_ids"].tolist() == [[99, 1, 2], [6, 7, 8], [6, 7, 8]]
    assert found["completion_ids"].tolist() == [[3, 4, 5], [9, 99, 99], [10, 99, 99]]
    assert found["mm_token_type_ids"].tolist() == [[0, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0]]
    assert found["importance_sampling_ratio"].tolist() == [[0.5, 0.5, 0.5], [0.25, 1, 1], [0.125, 1, 1]]
    assert found["advantages"].tolist() == [0, 0, 1] and found["pixel_values"] == ["a", "b", "c"]
    chosen = selected(found, [2, 0], 1)
    assert chosen["advantages"].tolist() == [1, 0] and chosen["pixel_values"] == ["c", "a"]
    assert chosen["completion_ids"].tolist() == [[10, 99, 99], [3, 4, 5]]


def test_ratios_of_sequences_are_not_padded() -> None:
    ratios = [{"importance_sampling_ratio": torch.tensor([[value]])} for value in (0.5, 0.25)]
    found = joined(batch([[1]], [[3, 4]], **ratios[0]), batch([[1]], [[3]], **ratios[1]), 99)
    assert found["importance_sampling_ratio"].tolist() == [[0.5], [0.25]]


def test_a_field_that_cannot_be_joined_is_an_error() -> None:
    known = batch([[1]], [[3]])
    with pytest.raises(PipelineError, match="cannot put image_sizes of two generations together: set it 0"):
        joined({**known, "image_sizes": torch.ones(1, 2)}, {**known, "image_sizes": torch.ones(1, 2)}, 99)
    with pytest.raises(PipelineError, match="of two generations only one has pixel_values"):
        joined(known, {**known, "pixel_values": ["a"]}, 99)


def test_metrics_are_over_all_completions() -> None:
    metrics = {
        "reward": [5.0, 1.0, 0.0],
        "completions/min_length": [2.0, 1.0],
        "completions/max_length": [9.0, 7.0],
        "num_tokens": [40.0],
    }
    log_together(metrics, {"reward": 1, "num_tokens": 1}, [12, 4])
    assert metrics == {
        **{"reward": [5.0, 0.75], "completions/min_length": [1.0], "completions/max_length": [9.0]},
        "num_tokens": [40.0],
    }


ON = {"policies.grpo.refill_generations": 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {**ON, "launch.grpo.processes": 2, f"{GRPO}.per_device_train_batch_size": 12},
            f"`{GRPO}.num_generations` is 8; with refill_generations, the 12 completions of one generation on each of "
            "2 processes must be a multiple of it: a group that is spread over processes cannot be replaced",
        ),
        (
            {**ON, f"{GRPO}.scale_rewards": "batch"},
            f"`{GRPO}.scale_rewards` is batch; with refill_generations, whose groups are not drawn together, "
            "advantages must follow from the group alone: use group or none",
        ),
        (
            {**ON, f"{GRPO}.multi_objective_aggregation": "normalize_then_sum"},
            f"`{GRPO}.multi_objective_aggregation` is normalize_then_sum; with refill_generations, whose groups are "
            "not drawn together, advantages must follow from the group alone: use sum_then_normalize",
        ),
        (
            {**ON, "policies.grpo.examples": 8},
            "`policies.grpo.examples` is 8; one generation of `policies.grpo` takes 8, so that refill_generations "
            "has no other question for each of 1 processes: raise it, or set refill_generations 0",
        ),
    ],
)
def test_what_cannot_be_refilled_is_refused_by_the_dry_run(changes: dict[str, Any], message: str) -> None:
    assert problems(changed(changes)) == [message]
    assert problems(changed({**changes, "policies.grpo.refill_generations": 0})) == []


def test_what_can_be_refilled_is_not_refused() -> None:
    assert problems(changed({**ON, "launch.grpo.processes": 2, "policies.grpo.examples": 18})) == []
    assert problems(changed({**ON, f"{GRPO}.scale_rewards": "none", "policies.grpo.examples": 9})) == []
    assert problems(changed({"policies.grpo.refill_generations": -1})) != []


def test_processes_that_split_groups_are_refused_before_the_model_is_loaded() -> None:
    arguments: Any = SimpleNamespace(per_device_train_batch_size=6, steps_per_generation=2, num_generations=8)
    check_whole_groups(0, arguments)
    with pytest.raises(PipelineError, match="each process draws 12 completions per generation, no multiple of num_gen"):
        check_whole_groups(2, arguments)
    arguments.steps_per_generation = 4
    check_whole_groups(2, arguments)


def test_the_preset_of_dapo_refills() -> None:
    config = validated(merged(REPO / "config/presets/dapo.yaml"))
    policies = {name: cast(GrpoPolicy, config.policies[name]) for name in ("grpo", "dapo")}
    assert {name: policy.refill_generations for name, policy in policies.items()} == {"grpo": 0, "dapo": 4}
