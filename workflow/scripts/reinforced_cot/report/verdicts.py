"""What became of each policy in a few sentences: did it help, where not, and does it look at the image?"""

from collections.abc import Mapping, Sequence
from typing import Any

from reinforced_cot.scoring.hack_probes import CONSTANT_ANSWER

_CHANCE = 0.05  # the greatest p of a difference that is more than chance
_TAUGHT = 0.5  # share of well-formed completions below which a policy cannot show what it knows
_ENOUGH = 10  # questions of a type that is named


def verdicts(
    evaluations: Mapping[str, Mapping[str, Any]],
    comparisons: Sequence[Mapping[str, Any]],
    origins: Mapping[str, str],
) -> dict[str, str]:
    """A text about each trained policy, in the order of the report; the arguments are those of `against_origins`."""
    pairs = against_origins(evaluations, comparisons, origins)
    return {policy: " ".join(_sentences(policy, evaluations, pair)) for policy, pair in pairs.items()}


def against_origins(
    evaluations: Mapping[str, Mapping[str, Any]],
    comparisons: Sequence[Mapping[str, Any]],
    origins: Mapping[str, str],
) -> dict[str, Mapping[str, Any]]:
    """The comparison of each trained policy with the one that it starts from.

    Args:
        evaluations: the content of each policy's eval.json, in the order of the report.
        comparisons: of comparisons.json.
        origins: the policy that each trained one starts from; one that is not in the report gives way to its first.
    """
    first = next(iter(evaluations), "")
    by_pair = {(one["before"], one["after"]): one for one in comparisons}
    found = {}
    for policy in (policy for policy in evaluations if policy in origins and policy != first):
        origin = origins[policy] if origins[policy] in evaluations else first
        if pair := by_pair.get((origin, policy)):
            found[policy] = pair
    return found


def _sentences(policy: str, evaluations: Mapping[str, Mapping[str, Any]], found: Mapping[str, Any]) -> list[str]:
    scores = evaluations[policy]
    interval = found["interval"]
    bounds = f" [{interval[0]:+.3f}, {interval[1]:+.3f}]" if interval else ""
    said = [
        f"{policy} against {found['before']}: {found['difference']:+.3f}{bounds}, to an accuracy of "
        f"{scores['accuracy']:.3f}; "
        f"{found['gained']} questions mended, {found['lost']} broken."
    ]
    p = found["p_value"]
    if p is None:
        said.append("All questions are about one image, which does not show whether that is chance.")
    elif p >= _CHANCE:
        said.append(f"That may be chance (p {p:.2f}){_smallest_shown(found['detectable'])}.")
    said += _learned_form(found["before"], evaluations[found["before"]])
    said += _worst_type(found["by_question_type"])
    said += _without_looking(scores)
    return said


def _learned_form(before: str, scores: Mapping[str, Any]) -> list[str]:
    """What a difference means against a policy whose completions are mostly malformed, as those of an untaught base."""
    rate = scores["format_rate"]
    if rate >= _TAUGHT:
        return []
    return [
        f"{rate:.0%} of the completions of {before} are well-formed, and the others count as wrong: the difference "
        "also measures that the form was learned."
    ]


def _smallest_shown(detectable: float | None) -> str:
    """What a test that found nothing could have found."""
    return "" if detectable is None else f"; these questions would show a difference of {detectable:.3f} or more"


def is_clearly_better(pair: Mapping[str, Any]) -> bool:
    """Whether a policy gained more than chance gives."""
    return pair["difference"] > 0 and pair["p_value"] is not None and pair["p_value"] < _CHANCE


def _worst_type(types: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Where accuracy fell most, if it fell anywhere."""
    large = {name: part for name, part in types.items() if part["n"] >= _ENOUGH and part["difference"] < 0}
    if not large:
        return []
    worst = min(large, key=lambda name: (large[name]["difference"], name))
    p = large[worst]["p_holm"]
    chance = "" if p is not None and p < _CHANCE else ", which may be chance"
    return [f"Worst at questions of type {worst}: {large[worst]['difference']:+.3f}{chance}."]


def _without_looking(scores: Mapping[str, Any]) -> list[str]:
    """What the policy's accuracy is worth: shares of it that are earned without the image, or by one answer."""
    probes = scores["probes"]
    shuffled = [probe for probe in probes if probe["probe"] == "shuffled_images" and probe["policy"]]
    constant = [probe for probe in probes if probe["probe"] == CONSTANT_ANSWER and probe["policy"]]
    said = []
    if shuffled:
        said.append(f"With shuffled images it still has {_share(shuffled[0])} of its accuracy.")
    if constant:
        best = max(constant, key=lambda probe: probe["score"])
        said.append(f"One answer to every question ({best['text']!r}) has {_share(best)} of it.")
    return said


def _share(probe: Mapping[str, Any]) -> str:
    return f"{probe['score'] / probe['policy']:.0%}"
