"""The configurations that come with the pipeline: each valid, without a warning, and what its page says of it."""

from pathlib import Path

import pytest
import yaml
from config_samples import COMMIT, merged, problems
from places import REPO

from reinforced_cot.config.checks import warnings_of
from reinforced_cot.config.composition import compose
from reinforced_cot.config.validation import validated

FULL_SIZE = REPO / "config/presets/qwen2.5-vl-3b-gqa.yaml"
# Each is given with a commit.
MODELS = [REPO / f"config/presets/{name}-gqa.yaml" for name in ("qwen2.5-vl-7b", "qwen3-vl-4b", "internvl3-2b")]
PRESETS = sorted(set((REPO / "config" / "presets").glob("*.yaml")) - set(MODELS))


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_presets_are_valid_and_without_warnings(preset: Path) -> None:
    assert warnings_of(validated(merged(preset))) == []


@pytest.mark.parametrize("preset", MODELS, ids=lambda path: path.stem)
def test_presets_of_models_want_a_commit_and_change_nothing_but_the_model(preset: Path) -> None:
    config = merged(preset)
    (problem,) = problems(config)
    assert problem.startswith("`base_model.revision` is null and ") and "pin the model's commit" in problem
    config["base_model"]["revision"] = COMMIT
    found, full_size = validated(config), validated(merged(FULL_SIZE))
    assert warnings_of(found) == []
    path = found.base_model.path
    assert path != full_size.base_model.path and found.pathvars != full_size.pathvars
    base_model = full_size.base_model.model_copy(update={"path": path, "revision": COMMIT})
    assert found == full_size.model_copy(update={"base_model": base_model, "pathvars": found.pathvars})


def test_the_demo_is_valid_and_without_warnings() -> None:
    assert warnings_of(validated(merged())) == []


def test_the_two_policies_of_the_reward_ablation_differ_in_their_rewards_alone() -> None:
    config = validated(merged(REPO / "config/presets/reward-ablation.yaml"))
    assert config.report == ("base", "sft", "grpo", "grpo_original")
    grpo, original = config.policies["grpo"], config.policies["grpo_original"]
    assert original == grpo.model_copy(update={"rewards": "original"})


def test_no_value_of_the_demo_reaches_the_full_size_run() -> None:
    assert set(compose([FULL_SIZE]).origins.values()) == {"config/presets/qwen2.5-vl-3b-gqa.yaml"}
    assert compose([FULL_SIZE]).config == yaml.safe_load(FULL_SIZE.read_text(encoding="utf-8"))
