"""`policies.<policy>.like`: a policy that differs from another in a few settings says only those."""

import copy
import difflib
from collections.abc import Iterator, Mapping
from typing import Any

LIKE = {  # JSON schema of the key, which is gone once policies are completed
    "type": ["string", "null"],
    "description": "Another policy; what this one leaves out is taken from there, key by key.",
}


def inheritance_problems(policies: Mapping[str, Any], only: str | None = None) -> Iterator[str]:
    """One line per policy whose ``like`` leads nowhere.

    Args:
        policies: the section as the user wrote it; entries that are no mapping are left to the validation of types.
        only: the one policy to look at; None for all.
    """
    for policy, settings in policies.items():
        if only not in (None, policy):
            continue
        seen = [policy]
        like = settings.get("like") if isinstance(settings, Mapping) else None
        if like is not None and not isinstance(like, str):
            yield f"`policies.{policy}.like` is {like}; it must be the name of another policy"
        while isinstance(settings, Mapping) and isinstance(settings.get("like"), str):
            other = settings["like"]
            if other not in policies:
                others = [name for name in policies if name not in seen]
                near = difflib.get_close_matches(other, others, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(others) or 'no others'}"
                yield f"`policies.{seen[-1]}.like` is {other}, which has no settings under `policies`; {hint}"
                break
            if other in seen:
                line = " -> ".join([*seen, other])
                yield f"`policies.{policy}.like` leads back to {other}: {line}; write one of them out"
                break
            seen.append(other)
            settings = policies[other]


def completed(policies: Mapping[str, Any]) -> dict[str, Any]:
    """Every policy merged deeply over the policy it is ``like``, as a preset is merged over config.yaml.

    Args:
        policies: the section as the user wrote it. Policies whose ``like`` leads nowhere are left out.
    """
    return {
        policy: _completed(policies, settings)
        for policy, settings in policies.items()
        if not list(inheritance_problems(policies, only=policy))
    }


def _completed(policies: Mapping[str, Any], settings: Any) -> Any:
    if not isinstance(settings, Mapping) or "like" not in settings:
        return copy.deepcopy(settings)
    overrides = {key: value for key, value in settings.items() if key != "like"}
    if settings["like"] is None:
        return copy.deepcopy(overrides)
    other = _completed(policies, policies[settings["like"]])
    return _merged(other, overrides) if isinstance(other, Mapping) else copy.deepcopy(overrides)


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(dict(under))
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else copy.deepcopy(value)
    return merged
