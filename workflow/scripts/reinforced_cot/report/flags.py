"""What speaks against a policy's scores, in sentences: for the report and for the model card."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reinforced_cot.scoring.hack_probes import NEAR, NEAR_KEEPING_THE_ANSWER, PROBES, TEXT_PROBES, is_near
from reinforced_cot.scoring.judge_settings import FAILED, PREFIX

Evaluations = Mapping[str, Mapping[str, Any]]  # eval.json by policy
Flag = tuple[str, str]  # the policy, and the sentence

FEW_IMAGES = 20  # below this, an interval rests on too few images to be trusted


def all_flags(evaluations: Evaluations, histories: Mapping[str, pd.DataFrame]) -> list[Flag]:
    """Probes that come near, in evaluation and in training; answers that vary too little; grades that failed.

    Args:
        histories: the logged steps by policy.
    """
    return [
        *flags(evaluations),
        *training_flags(histories),
        *lost_variety(evaluations),
        *failed_grades(histories),
    ]


def flags(evaluations: Evaluations) -> list[Flag]:
    """Each policy and probe that comes near it, in a sentence."""
    lines = []
    for policy, scores in evaluations.items():
        for probe in best_probes(scores["probes"]):
            if probe["near"]:
                name, text = probe["probe"].replace("_", " "), probe["text"]
                label = f"{name} “{text}”" if text is not None else name
                measure = probe["measure"].replace("_", " ")
                line = f"Cheating by {label} has {measure} {probe['score']:.3f}; the policy has {probe['policy']:.3f}."
                lines.append((policy, line))
    return lines


def training_flags(histories: Mapping[str, pd.DataFrame]) -> list[Flag]:
    """Each policy that probes come near when training ends, in a sentence: what they earn, and what the policy does."""
    lines = []
    for policy, frame in histories.items():
        probes = {name.removeprefix(PROBES): frame[name].dropna() for name in frame if name.startswith(PROBES)}
        last = {name: values.iloc[-1] for name, values in probes.items() if len(values)}
        earned = last.pop("policy", None)
        near = [
            f"{name.replace('_', ' ')} {score:.3f}"
            for name, score in last.items()
            if earned is not None and is_near(score, earned, NEAR_KEEPING_THE_ANSWER if name in TEXT_PROBES else NEAR)
        ]
        if near:
            said = f"When training ended, the policy earned {earned:.3f}, and cheating as much, or nearly: "
            lines.append((policy, f"{said}{', '.join(near)}."))
    return lines


def lost_variety(evaluations: Evaluations) -> list[Flag]:
    """Each policy and answer type whose answers are far less varied than the truths, in a sentence."""
    return [
        (
            policy,
            f"{part['most_frequent_share']:.0%} of its answers to questions of type {kind} are "
            f"“{part['most_frequent']}”; balanced accuracy is {part['balanced_accuracy']:.3f}.",
        )
        for policy, scores in evaluations.items()
        for kind, part in scores["by_true_answer"].items()
        if part["lost_variety"]
    ]


def failed_grades(histories: Mapping[str, pd.DataFrame]) -> list[Flag]:
    """Each policy and judge whose grades have failed, in a sentence: that share of rewards is a constant."""
    lines = []
    for policy, frame in histories.items():
        for name in (name for name in frame if name.startswith(PREFIX) and name.endswith(f"/{FAILED}")):
            if share := frame[name].mean():
                grader = name.rpartition("/")[0]
                lines.append((policy, f"{share:.1%} of the grades by {grader} failed; `on_failure` was paid instead."))
    return lines


def few_images(images: int) -> list[str]:
    """A line that warns of intervals that rest on few images."""
    if images >= FEW_IMAGES:
        return []
    return [f"The test split has {images} images. Intervals and tests rest on how they differ, and are rough."]


def best_probes(scored_probes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The probe of each kind that scores highest."""
    best: dict[str, Mapping[str, Any]] = {}
    for probe in scored_probes:
        if probe["probe"] not in best or probe["score"] > best[probe["probe"]]["score"]:
            best[probe["probe"]] = probe
    return list(best.values())


def leaks(summary: Mapping[str, Any]) -> list[str]:
    """A line for each pair of splits that have nearly the same images.

    Args:
        summary: the content of data/summary.json; may be empty.
    """
    lines = []
    for pair, found in summary.get("near_duplicates", {}).items():
        if found["images"]:
            first, second = pair.split("/", 1)
            lines.append(
                f"{found['images']} images of {second} are nearly the same as images of {first}, such as "
                f"{found['pairs'][0]} (data/summary.json lists them)."
            )
    return lines
