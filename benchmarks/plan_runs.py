"""The stages that `plan.py` compares with their memory plans: each runs as it is, on a model with random weights."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from live_tensors import LiveTensors
from merge import LORA, make_policies
from PIL import Image

from reinforced_cot.data.examples import read_examples
from reinforced_cot.data.records import Place, RawRecord
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.lora.merge import merge
from reinforced_cot.models.settings import ModelSizes
from reinforced_cot.planning import stage_memory
from reinforced_cot.planning.memory_plan import Plan
from reinforced_cot.planning.merge_memory import check_merge_fits
from reinforced_cot.policies.grpo import GrpoSettings
from reinforced_cot.policies.settings import MergeSettings
from reinforced_cot.policies.sft import SftSettings
from reinforced_cot.preparation.prepare import prepare
from reinforced_cot.scoring.rewards import REWARDS
from reinforced_cot.training import grpo, sft

QUESTION = "What is left of it?"
QUESTIONS, SIDE = 8, 224  # how many questions there are, and the pixels of their images, which make 64 visual tokens
TRAINING: dict[str, Any] = {
    **{"max_steps": 1, "save_strategy": "steps", "save_steps": 1, "learning_rate": 1.0e-3, "disable_tqdm": True},
}


@dataclass(frozen=True)
class Shape:
    """The size of a run.

    Attributes:
        stage: ``sft``, ``grpo`` or ``merge``.
        chain: words of a taught chain; in GRPO tokens of a completion; in a merge words of the system message.
        training: fields of TRL's.
    """

    stage: str
    vocabulary: int
    sizes: ModelSizes
    chain: int
    dtype: str = "float32"
    training: dict[str, Any] = field(default_factory=dict)


def run(shape: Shape, work: Path) -> tuple[Plan, int]:
    """Run a stage below ``work``; return the plan that it made, and the largest bytes of tensors at one time."""
    make_policies(work, shape.sizes, shape.vocabulary, 4e9)
    records = [record(number, shape.chain) for number in range(QUESTIONS)]
    prepare(lambda: iter(records), PixelBudget(), work / "data", "train", 0.0)
    plans = Plans()
    stage_memory.log.addHandler(plans)
    level = stage_memory.log.level
    stage_memory.log.setLevel(logging.INFO)
    try:
        with LiveTensors() as live:
            STAGES[shape.stage](shape, work)
    finally:
        stage_memory.log.removeHandler(plans)
        stage_memory.log.setLevel(level)
    (plan,) = plans.made
    return plan, live.peak


class Plans(logging.Handler):
    """Keeps the plans that stages log."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[Plan] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take the plan out of the log's arguments."""
        if isinstance(record.args, tuple):
            self.made += [part for part in record.args if isinstance(part, Plan)]


def record(number: int, words: int) -> RawRecord:
    """A question whose image is its own, and whose chain has this many words."""
    image = Image.linear_gradient("L").rotate(7 * number).resize((SIDE, SIDE)).convert("RGB")
    chain = " ".join((QUESTION.split() * words)[:words])
    return RawRecord(f"q{number}", Place("plan", number), (image,), QUESTION, ("red",), chain)


def settings(shape: Shape, policy: dict[str, Any], system: str | None = None) -> dict[str, Any]:
    """The settings of a stage, whose adapter is that of `merge.py`."""
    return {
        **{"seed": 1, "repeats": 0, "prompt": {"system": system, "max_tokens": 4096}},
        "base_model": {"dtype": shape.dtype},
        "policy": {"from": "base", "lora": LORA, **policy},
    }


def run_sft(shape: Shape, work: Path) -> None:
    """One update of four chains, and four answers of four tokens."""
    training = {**TRAINING, "per_device_train_batch_size": 4, **shape.training}
    selection = {"examples": 4, "batch_size": 4, "max_new_tokens": 4, "allow_cut_off": True}
    policy = {"method": "sft", "global_batch_size": 4, "selection": selection, "training": training}
    examples = read_examples(work / "data/train.jsonl")
    stated = SftSettings.model_validate(settings(shape, policy))
    sft.train(stated, examples, examples[:4], work / "data", work / "base", work / "sft", None)


def run_grpo(shape: Shape, work: Path) -> None:
    """One generation of two groups of eight completions, and one update of them in one micro-batch."""
    rewards = count()
    REWARDS["plan_of_rewards"] = lambda completions, **_: [float(next(rewards) % 7) for _ in completions]
    fields = {"num_generations": 8, "generation_batch_size": 16, "per_device_train_batch_size": 16, "beta": 0.0}
    training = {**TRAINING, **fields, "max_completion_length": shape.chain, **shape.training}
    policy = {"method": "grpo", "global_batch_size": 16, "probes": {"every": None}, "training": training}
    stated = GrpoSettings.model_validate(settings(shape, {**policy, "rewards": {"plan_of_rewards": 1.0}}))
    try:
        grpo.train(stated, read_examples(work / "data/train.jsonl"), work / "data", work / "base", work / "grpo", None)
    finally:
        del REWARDS["plan_of_rewards"]


def run_merge(shape: Shape, work: Path) -> None:
    """A merge with its proof."""
    system = " ".join((QUESTION.split() * shape.chain)[: shape.chain])
    stated = MergeSettings.model_validate(settings(shape, {"method": "sft"}, system))
    check_merge_fits(stated, work / "base/model")
    merge(stated, work / "base", work / "policy")


STAGES: dict[str, Callable[[Shape, Path], None]] = {"sft": run_sft, "grpo": run_grpo, "merge": run_merge}
