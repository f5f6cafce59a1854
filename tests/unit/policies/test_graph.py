"""Policies as a graph: what is made from what, whose model an adapter belongs to, what repeats, what leads nowhere."""

import pytest

from reinforced_cot.chains.settings import ChainSet
from reinforced_cot.policies.graph import adapter_base, ancestors, drawn, graph_problems, made_for, repeats, sampled
from reinforced_cot.policies.methods import METHODS
from reinforced_cot.policies.names import RESERVED, name_problem
from reinforced_cot.policies.settings import TrainedPolicy

LORA = {"r": 4, "target_modules": ["q_proj"]}


def policy(
    method: str, origin: str, start: str = "model", lora: dict[str, object] | None = LORA, **further: object
) -> TrainedPolicy:
    settings = {"method": method, "from": origin, "start": start, "lora": lora, **further}
    return METHODS[method].policy.model_validate(settings)


def chain_set(policy: str, samples: int | None = None) -> ChainSet:
    return ChainSet(by="policy", policy=policy, samples=samples)


POLICIES = {
    "twice": policy("sft", "grpo"),
    "gspo": policy("grpo", "sft"),
    "grpo": policy("grpo", "sft", "adapter"),
    "longer": policy("grpo", "grpo", "adapter"),
    "sft": policy("sft", "base"),
    "zero": policy("grpo", "base"),
    "full": policy("grpo", "longer", lora=None),
}
CHAINS = {"own": chain_set("grpo", 4), "first": chain_set("base")}
ITERATED = {
    "again": policy("grpo", "star", pass_rate={"of": "sft", "samples": 16}),
    "star": policy("sft", "base", chains="own"),
    "grpo": policy("grpo", "sft", pass_rate={"of": "sft"}),
    "sft": policy("sft", "base"),
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
    assert made_for(POLICIES, {}, report) == made


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
    assert list(graph_problems(POLICIES, {}, list(POLICIES))) == []
    assert list(graph_problems(ITERATED, CHAINS, list(ITERATED))) == []


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ({"a": policy("sft", "bse")}, "`policies.a.from` is bse, which is no policy; did you mean base?"),
        ({"a": policy("sft", "xyz")}, "`policies.a.from` is xyz, which is no policy; there are base, a"),
        (
            {"a": policy("sft", "b"), "b": policy("sft", "a"), "c": policy("sft", "b")},
            "`policies.a.from` leads back to a: a <- b <- a (by `policies.b.from`); let one of them name "
            "base, or add a policy (`like`)",
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
    assert list(graph_problems(policies, {}, list(policies))) == [message]


@pytest.mark.parametrize(
    ("policies", "chains", "message"),
    [
        (
            {"a": policy("sft", "base", chains="onw")},
            CHAINS,
            "`policies.a.chains` is onw, which is no set; did you mean own?",
        ),
        (
            {"a": policy("sft", "base", chains="own")},
            {"own": chain_set("b")},
            "`chains.own.policy` is b, which is no policy; there are base, a",
        ),
        (
            {"a": policy("grpo", "base", pass_rate={"of": "b"})},
            {},
            "`policies.a.pass_rate.of` is b, which is no policy; there are base, a",
        ),
        (
            {"a": policy("sft", "base", chains="own")},
            {"own": chain_set("a")},
            "`chains.own.policy` leads back to a: a <- a; let one of them name base, or add a policy (`like`)",
        ),
        (
            {"a": policy("sft", "base", chains="own"), "b": policy("grpo", "a", pass_rate={"of": "a"})},
            {"own": chain_set("b")},
            "`chains.own.policy` leads back to a: a <- b <- a (by `policies.b.from`); let one of them name "
            "base, or add a policy (`like`)",
        ),
        (
            {"a": policy("grpo", "base", pass_rate={"of": "b"}), "b": policy("grpo", "a")},
            {},
            "`policies.a.pass_rate.of` leads back to a: a <- b <- a (by `policies.b.from`); let one of them name "
            "base, or add a policy (`like`)",
        ),
    ],
)
def test_chains_and_pass_rates_are_part_of_the_graph(
    policies: dict[str, TrainedPolicy], chains: dict[str, ChainSet], message: str
) -> None:
    assert list(graph_problems(policies, chains, list(policies))) == [message]


def test_expert_iteration() -> None:
    assert made_for(ITERATED, CHAINS, ["again"]) == ["sft", "grpo", "star", "again"]
    assert made_for(ITERATED, CHAINS, ["star", "grpo"]) == ["sft", "grpo", "star"]
    assert sampled(ITERATED, CHAINS) == {"base": 8, "grpo": 4, "sft": 16}


def test_reserved_names_are_refused() -> None:
    for name in (*(name for name in RESERVED if name.isidentifier()), "seed_1", "seed_77"):
        problem = name_problem(name)
        assert problem and problem.startswith("the results folder needs that name for ")
    assert name_problem("sft") is None and name_problem("seed_two") is None
    wrong: tuple[object, ...] = ("", "GRPO", "2nd", "a-b", "a/b", 3, None)
    for other in wrong:
        assert "lower-case letters" in (name_problem(other) or "")
