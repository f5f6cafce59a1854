"""The plans that stages log against the tensors that they have, at small sizes; benchmarks/plan.md has larger ones."""

import sys
from pathlib import Path

import pytest
from places import REPO

sys.path.append(str(REPO / "benchmarks"))

from plan_runs import Shape, run

from reinforced_cot.models.settings import ModelSizes

NARROW = ModelSizes(hidden_size=64, num_hidden_layers=2, intermediate_size=256, vision_depth=1)
WIDE = ModelSizes(hidden_size=64, num_hidden_layers=2, intermediate_size=2048, vision_depth=1)
KEEPING = {"gradient_checkpointing": False}
SHAPES = {
    "the head of SFT": Shape("sft", 8192, NARROW, chain=40),
    "activations of GRPO": Shape("grpo", 1000, WIDE, chain=8, training=KEEPING),
    "a merge": Shape("merge", 30000, NARROW, chain=40, dtype="bfloat16"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_plan_is_what_tensors_hold(tmp_path: Path, name: str) -> None:
    plan, live = run(SHAPES[name], tmp_path)
    assert 0.75 < plan.needed(0) / live < 1.25
