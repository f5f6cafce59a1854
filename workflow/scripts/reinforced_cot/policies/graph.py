"""The graph of policies: what each needs, their order, the model of each adapter, repeated methods.

A policy needs the one that it starts ``from``, the one whose samples became its chains, and the one whose samples
choose its questions.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence

from reinforced_cot.chains.policy_keys import DATA
from reinforced_cot.chains.settings import ChainSet
from reinforced_cot.policies.names import BASE
from reinforced_cot.policies.settings import TrainedPolicy

Policies = Mapping[str, TrainedPolicy]
ChainSets = Mapping[str, ChainSet]


def ancestors(policies: Policies, name: str) -> list[str]:
    """The trained policies that ``name`` descends from, the nearest first; the base is not among them."""
    line: list[str] = []
    while name != BASE and (name := policies[name].from_policy) != BASE:
        line.append(name)
    return line


def needs(policies: Policies, chains: ChainSets, name: str) -> dict[str, str]:
    """The policies that one needs, the base among them, by the key that names each."""
    policy = policies[name]
    found = {f"policies.{name}.from": policy.from_policy}
    chosen = chains.get(policy.chain_set) if policy.chain_set else None
    if chosen and chosen.policy:
        found[f"chains.{policy.chain_set}.policy"] = chosen.policy
    if policy.rated_by:
        found[f"policies.{name}.pass_rate.of"] = policy.rated_by.of
    return found


def made_for(policies: Policies, chains: ChainSets, report: Sequence[str]) -> list[str]:
    """The trained policies of a report and all that they need, each after what it needs."""
    order: dict[str, None] = {}

    def add(name: str) -> None:
        if name != BASE and name not in order:
            for other in needs(policies, chains, name).values():
                add(other)
            order[name] = None

    for name in report:
        add(name)
    return list(order)


def sampled(policies: Policies, chains: ChainSets) -> dict[str, int]:
    """How many samples per training question are drawn from each policy that is sampled: as many as any use takes."""
    counts: dict[str, int] = {}
    for chosen in chains.values():
        if chosen.policy:
            counts[chosen.policy] = max(chosen.drawn, counts.get(chosen.policy, 0))
    for policy in policies.values():
        if rate := policy.rated_by:
            counts[rate.of] = max(rate.samples, counts.get(rate.of, 0))
    return counts


def adapter_base(policies: Policies, name: str) -> str:
    """The policy whose model the adapter of ``name`` belongs to, or whose weights it trains in full."""
    policy = policies[name]
    while policy.start == "adapter":
        policy = policies[policy.from_policy]
    return policy.from_policy


def repeats(policies: Policies, name: str) -> int:
    """How many of a policy's ancestors were made by its own method: each draws from random streams of its own."""
    return sum(policies[other].method == policies[name].method for other in ancestors(policies, name))


def drawn(policies: Policies, report: Sequence[str]) -> str:
    """The graph as an indented tree: one policy per line, below the policy that it starts from."""

    def lines(origin: str, depth: int) -> Iterator[str]:
        for name, policy in policies.items():
            if policy.from_policy == origin:
                made = "adapter" if policy.is_adapted else "all weights"
                start = f", continues the adapter of {origin}" if policy.start == "adapter" else ""
                unused = "" if name in report else ", not in the report"
                yield f"{'  ' * depth}{name}: {policy.method}, {made}{start}{unused}"
                yield from lines(name, depth + 1)

    base = BASE if BASE in report else f"{BASE}, not in the report"
    return "\n".join([base, *lines(BASE, 1)])


def graph_problems(policies: Policies, chains: ChainSets, names: Sequence[str]) -> Iterator[str]:
    """One line per policy whose ``from``, ``start``, ``chains`` or ``pass_rate`` leads nowhere.

    Args:
        policies, chains: those whose settings are sound. names: of all policies that the configuration has.
    """
    told: set[frozenset[str]] = set()
    for name, policy in policies.items():
        if policy.chain_set not in (None, DATA, *chains):
            yield (
                f"`policies.{name}.chains` is {policy.chain_set}, which is no set; "
                + _hint(str(policy.chain_set), [DATA, *chains])
            )
        unknown = {key: other for key, other in needs(policies, chains, name).items() if other not in (BASE, *names)}
        yield from (
            f"`{key}` is {other}, which is no policy; {_hint(other, [BASE, *names])}" for key, other in unknown.items()
        )
        if circle := _circle(policies, chains, name):
            line = [other for other, _ in circle]
            if frozenset(line) not in told:
                told.add(frozenset(line))
                first, *others = (f"`{key}`" for _, key in circle)
                further = f" (by {', '.join(others)})" if others else ""
                yield (
                    f"{first} leads back to {name}: {' <- '.join([name, *line])}{further}; let one of them name "
                    f"{BASE}, or add a policy (`like`)"
                )
        elif policy.start == "adapter" and not unknown:
            yield from _no_adapter(policies, name)


def _hint(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"


def _circle(policies: Policies, chains: ChainSets, name: str) -> list[tuple[str, str]]:
    """The names on a way from ``name`` back to itself, each with the key that leads there; nothing without one."""
    ways: list[list[tuple[str, str]]] = [[]]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        last = way[-1][0] if way else name
        if last not in policies:
            continue
        for key, other in needs(policies, chains, last).items():
            if other == name:
                return [*way, (other, key)]
            if other not in seen:
                seen.add(other)
                ways.append([*way, (other, key)])
    return []


def _no_adapter(policies: Policies, name: str) -> Iterator[str]:
    policy, key = policies[name], f"policies.{name}"
    origin = policy.from_policy
    if origin == BASE:
        yield f"`{key}.start` is adapter and `{key}.from` is {BASE}, which has none: use start model"
    elif origin in policies and not policies[origin].is_adapted:
        yield (f"`{key}.start` is adapter and `policies.{origin}.lora` is null, so it has none: use start model")
    elif origin in policies and policy.lora != policies[origin].lora:
        yield (
            f"`{key}.start` is adapter, and `{key}.lora` differs from `policies.{origin}.lora`, the adapter that it "
            "continues: make them equal"
        )
