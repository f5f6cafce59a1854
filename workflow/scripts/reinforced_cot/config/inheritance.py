"""`rl.<policy>.like`: a policy that differs from another in a few settings says only those."""

import copy
import difflib
from collections.abc import Iterator, Mapping
from typing import Any


def problems(rl: Mapping[str, Any]) -> Iterator[str]:
    """One line a policy whose ``like`` leads nowhere.

    Args:
        rl: the section as the user wrote it; what is no mapping is left to the schema.
    """
    for policy, settings in rl.items():
        seen = [policy]
        while isinstance(settings, Mapping) and isinstance(settings.get("like"), str):
            other = settings["like"]
            if other not in rl:
                near = difflib.get_close_matches(other, rl, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(rl)}"
                yield f"`rl.{seen[-1]}.like` is {other}, which has no settings under `rl`; {hint}"
                break
            if other in seen:
                yield f"`rl.{policy}.like` leads back to {other}: {' -> '.join([*seen, other])}; write one of them out"
                break
            seen.append(other)
            settings = rl[other]


def completed(rl: Mapping[str, Any]) -> dict[str, Any]:
    """Every policy with what it leaves out taken from the one that it is like, deeply, as a preset is merged.

    Args:
        rl: a section without `problems`.
    """
    return {policy: _completed(rl, settings) for policy, settings in rl.items()}


def _completed(rl: Mapping[str, Any], settings: Any) -> Any:
    if not isinstance(settings, Mapping) or not isinstance(settings.get("like"), str):
        return copy.deepcopy(settings)
    other = _completed(rl, rl[settings["like"]])
    own = {key: value for key, value in settings.items() if key != "like"}
    return _merged(other, own) if isinstance(other, Mapping) else copy.deepcopy(own)


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(dict(under))
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else copy.deepcopy(value)
    return merged
