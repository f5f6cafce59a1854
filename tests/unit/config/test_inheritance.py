"""Policies that are like another, and the presets of methods that are like GRPO but for what their papers change."""

from typing import Any

import pytest
from config_samples import changed, merged, minimal, problems
from places import REPO

from reinforced_cot.config.validation import validated, warnings_of

VARIANTS: dict[str, dict[str, Any]] = {  # what the paper of each changes in GRPO
    "dr_grpo": {"loss_type": "dr_grpo", "scale_rewards": "none"},
    "dapo": {"loss_type": "dapo", "epsilon": 0.2, "epsilon_high": 0.28, "mask_truncated_completions": True},
    "cispo": {"loss_type": "cispo", "epsilon_high": 5.0},
    "sapo": {"loss_type": "sapo", "sapo_temperature_pos": 1.0, "sapo_temperature_neg": 1.05},
}


@pytest.mark.parametrize("under", [(), ("qwen2.5-vl-3b-gqa.yaml",)], ids=["demo", "full size"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_grpo_but_for_what_its_paper_changes(variant: str, under: tuple[str, ...]) -> None:
    files = (*under, f"{variant.replace('_', '-')}.yaml")
    config = validated(merged(*(REPO / "config/presets" / file for file in files)))
    assert config["policies"] == ["grpo", variant]
    grpo, found = config["rl"]["grpo"], config["rl"][variant]
    assert found["training"] == {**grpo["training"], "beta": 0.0, **VARIANTS[variant]}
    assert found["refill_generations"] == (4 if variant == "dapo" else 0) and grpo["refill_generations"] == 0
    same = [key for key in grpo if key not in ("training", "rewards", "refill_generations")]
    assert {key: found[key] for key in same} == {key: grpo[key] for key in same}
    assert warnings_of(config) == []


def test_a_policy_may_be_like_one_that_is_like_another() -> None:
    rl = {"a": {"like": "grpo", "training": {"beta": 0.1}}, "b": {"like": "a", "lora": {"r": 8}}}
    found = validated(changed({"policies": ["b"], "rl.a": rl["a"], "rl.b": rl["b"]}))["rl"]["b"]
    grpo = minimal()["rl"]["grpo"]
    assert found["lora"] == {**grpo["lora"], "r": 8}
    assert found["training"]["beta"] == 0.1 and found["training"]["per_device_train_batch_size"] == 64


@pytest.mark.parametrize(
    ("rl", "message"),
    [
        ({"a": {"like": "gropo"}}, "`rl.a.like` is gropo, which has no settings under `rl`; did you mean grpo?"),
        ({"a": {"like": "xyz"}}, "`rl.a.like` is xyz, which has no settings under `rl`; there are grpo, gspo, a"),
        ({"a": {"like": "a"}}, "`rl.a.like` leads back to a: a -> a; write one of them out"),
        (
            {"a": {"like": "b"}, "b": {"like": "a"}, "c": 3},
            "`rl.a.like` leads back to a: a -> b -> a; write one of them out",
        ),
    ],
)
def test_a_like_that_leads_nowhere_is_refused(rl: dict[str, Any], message: str) -> None:
    assert message in problems(changed({f"rl.{name}": settings for name, settings in rl.items()}))
