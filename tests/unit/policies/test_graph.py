"""Policies as a graph: what is made from what, whose model an adapter belongs to, what repeats, what leads nowhere."""

import pytest

from reinforced_cot.policies.graph import adapter_base, ancestors, drawn, graph_problems, made_for, repeats
from reinforced_cot.policies.methods import METHODS
from reinforced_cot.policies.names import RESERVED, name_problem
from reinforced_cot.policies.settings import TrainedPolicy

LORA = {"r": 4, "target_modules": ["q_proj"]}


def policy(method: str, origin: str, start: str = "model", lora: dict[str, object] | None = LORA) -> TrainedPolicy:
    return METHODS[method].policy.model_validate({"method": method, "from": origin, "start": start, "lora": lora})


POLICIES = {
    "twice": policy("sft", "grpo"),
    "gspo": policy("grpo", "sft"),
    "grpo": policy("grpo", "sft", "adapter"),
    "longer": policy("grpo", "grpo", "adapter"),
    "sft": policy("sft", "base"),
    "zero": policy("grpo", "base"),
    "full": policy("grpo", "longer", lora=None),
}


def test_ancestors_come_nearest_first() -> None:
    assert ancestors(POLICIES, "full") == ["longer", "grpo", "sft"]
    assert ancestors(POLICIES, "zero") == ancestors(POLICIES, "base") == []


@pytest.mark.parametrize(
    ("report", "made"),
    [
        (["base"], []),
        (["base", "zero"], ["zero"]),
        (["gspo", "base"], ["sft", "gspo"]),
        (["twice", "sft", "gspo"], ["sft", "grpo", "twice", "gspo"]),
    ],
)
def test_what_a_report_starts_from_is_made_first(report: list[str], made: list[str]) -> None:
    assert made_for(POLICIES, report) == made


@pytest.mark.parametrize(
    ("name", "base"), [("sft", "base"), ("gspo", "sft"), ("grpo", "base"), ("longer", "base"), ("full", "longer")]
)
def test_an_adapter_belongs_to_the_model_below_the_first_one(name: str, base: str) -> None:
    assert adapter_base(POLICIES, name) == base


def test_repeats_count_ancestors_of_the_same_method() -> None:
    assert {name: repeats(POLICIES, name) for name in POLICIES} == {
        **{"sft": 0, "grpo": 0, "gspo": 0, "zero": 0},
        **{"twice": 1, "longer": 1, "full": 2},
    }


def test_the_graph_is_drawn_as_a_tree() -> None:
    assert drawn(POLICIES, ["base", "sft", "twice"]).splitlines() == [
        "base",
        "  sft: sft, adapter",
        "    gspo: grpo, adapter, not in the report",
        "    grpo: grpo, adapter, continues the adapter of sft, not in the report",
        "      twice: sft, adapter",
        "      longer: grpo, adapter, continues the adapter of grpo, not in the report",
        "        full: grpo, all weights, not in the report",
        "  zero: grpo, adapter, not in the report",
    ]


def test_a_sound_graph_has_no_problems() -> None:
    assert list(graph_problems(POLICIES, list(POLICIES))) == []


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ({"a": policy("sft", "bse")}, "`policies.a.from` is bse, which is no policy; did you mean base?"),
        ({"a": policy("sft", "xyz")}, "`policies.a.from` is xyz, which is no policy; there are base, a"),
        (
            {"a": policy("sft", "b"), "b": policy("sft", "a"), "c": policy("sft", "b")},
            "`policies.a.from` leads back to a: a <- b <- a; let one of them start from base",
        ),
        (
            {"a": policy("sft", "base", "adapter")},
            "`policies.a.start` is adapter and `policies.a.from` is base, which has none: use start model",
        ),
        (
            {"a": policy("sft", "base", lora=None), "b": policy("sft", "a", "adapter")},
            "`policies.b.start` is adapter and `policies.a.lora` is null, so it has none: use start model",
        ),
        (
            {"a": policy("sft", "base"), "b": policy("grpo", "a", "adapter", {**LORA, "r": 8})},
            "`policies.b.start` is adapter, and `policies.b.lora` differs from `policies.a.lora`, the adapter that it "
            "continues: make them equal",
        ),
    ],
)
def test_what_leads_nowhere_is_refused(policies: dict[str, TrainedPolicy], message: str) -> None:
    assert list(graph_problems(policies, list(policies))) == [message]


def test_reserved_names_are_refused() -> None:
    for name in (*(name for name in RESERVED if name.isidentifier()), "seed_1", "seed_77"):
        problem = name_problem(name)
        assert problem and problem.startswith("the results folder needs that name for ")
    assert name_problem("sft") is None and name_problem("seed_two") is None
    wrong: tuple[object, ...] = ("", "GRPO", "2nd", "a-b", "a/b", 3, None)
    for other in wrong:
        assert "lower-case letters" in (name_problem(other) or "")
