"""The graph of ``from``: the order of policies, the model of each adapter, repeated methods."""

import difflib
from collections.abc import Iterator, Mapping, Sequence

from reinforced_cot.policies.names import BASE
from reinforced_cot.policies.settings import TrainedPolicy

Policies = Mapping[str, TrainedPolicy]


def ancestors(policies: Policies, name: str) -> list[str]:
    """The trained policies that ``name`` descends from, the nearest first; the base is not among them."""
    line: list[str] = []
    while name != BASE and (name := policies[name].from_policy) != BASE:
        line.append(name)
    return line


def made_for(policies: Policies, report: Sequence[str]) -> list[str]:
    """The trained policies of a report and all that they start from, each after what it starts from."""
    order: dict[str, None] = {}
    for name in report:
        if name != BASE:
            order |= dict.fromkeys([*reversed(ancestors(policies, name)), name])
    return list(order)


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


def graph_problems(policies: Policies, names: Sequence[str]) -> Iterator[str]:
    """One line per policy whose ``from`` or ``start`` leads nowhere.

    Args:
        policies: those whose settings are sound. names: of all that the configuration has.
    """
    told: set[frozenset[str]] = set()
    for name, policy in policies.items():
        key = f"policies.{name}"
        origin = policy.from_policy
        if origin != BASE and origin not in names:
            near = difflib.get_close_matches(origin, [BASE, *names], n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join([BASE, *names])}"
            yield f"`{key}.from` is {origin}, which is no policy; {hint}"
        elif circle := _circle(policies, name):
            if frozenset(circle) in told:
                continue
            told.add(frozenset(circle))
            yield f"`{key}.from` leads back to {name}: {' <- '.join(circle)}; let one of them start from {BASE}"
        elif policy.start == "adapter":
            yield from _no_adapter(policies, name)


def _circle(policies: Policies, name: str) -> list[str]:
    """The names from ``name`` back to itself, or nothing where its line ends."""
    line = [name]
    while (policy := policies.get(line[-1])) and policy.from_policy not in line[1:]:
        line.append(policy.from_policy)
        if line[-1] == name:
            return line
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
