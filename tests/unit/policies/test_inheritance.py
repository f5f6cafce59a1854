"""Policies that are like another, and the presets of methods that are like GRPO but for what their papers change."""

from typing import Any

import pytest
from config_samples import changed, merged, minimal, problems
from places import REPO

from reinforced_cot.config.checks import warnings_of
from reinforced_cot.config.validation import validated
from reinforced_cot.policies.grpo import GrpoPolicy

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
    assert config.report == ("base", "sft", "grpo", variant)
    grpo, found = config.policies["grpo"], config.policies[variant]
    assert isinstance(grpo, GrpoPolicy) and isinstance(found, GrpoPolicy)
    assert found.training == {**grpo.training, "beta": 0.0, **VARIANTS[variant]}
    assert found.refill_generations == (4 if variant == "dapo" else 0) and grpo.refill_generations == 0
    changed_by_paper = {"training", "rewards", "refill_generations"}
    assert found.model_dump(exclude=changed_by_paper) == grpo.model_dump(exclude=changed_by_paper)
    assert warnings_of(config) == []


def test_a_policy_may_be_like_one_that_is_like_another() -> None:
    a, b = {"like": "grpo", "training": {"beta": 0.1}}, {"like": "a", "lora": {"r": 8}}
    found = validated(changed({"report": ["b"], "policies.a": a, "policies.b": b})).policies["b"]
    grpo = minimal()["policies"]["grpo"]
    assert found.lora == {**grpo["lora"], "r": 8}
    assert found.training["beta"] == 0.1 and found.training["per_device_train_batch_size"] == 64


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        (
            {"a": {"like": "gropo"}},
            "`policies.a.like` is gropo, which has no settings under `policies`; did you mean grpo?",
        ),
        (
            {"a": {"like": "xyz"}},
            "`policies.a.like` is xyz, which has no settings under `policies`; there are sft, grpo, gspo",
        ),
        ({"a": {"like": "a"}}, "`policies.a.like` leads back to a: a -> a; write one of them out"),
        (
            {"a": {"like": "b"}, "b": {"like": "a"}, "c": 3},
            "`policies.a.like` leads back to a: a -> b -> a; write one of them out",
        ),
    ],
)
def test_a_like_that_leads_nowhere_is_refused(policies: dict[str, Any], message: str) -> None:
    assert message in problems(changed({f"policies.{name}": settings for name, settings in policies.items()}))
