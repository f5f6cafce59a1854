"""The report's tables, one function each, as pandas frames; shares are numbers, intervals are written out."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reinforced_cot.report.cells import interval, mean_and_deviation, p_value, signed
from reinforced_cot.report.flags import best_probes

Evaluations = Mapping[str, Mapping[str, Any]]  # eval.json by policy, in the order of the report

SIGNIFICANT = 0.05
BREAKDOWNS = {
    "by_question_type": "Accuracy by question type",
    "by_answer_type": "Accuracy by answer type",
    "by_semantic_type": "Accuracy by semantic type",
    "by_chain_length": "Accuracy by length of the chain, in words",
}


def overview(evaluations: Evaluations, spread: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """One row per policy: its greedy answers, and with ``spread`` (seeds.json) their mean over seeds."""
    over_seeds = spread["policies"] if spread else {}
    return pd.DataFrame.from_dict(
        {
            policy: {
                "accuracy": scores["accuracy"],
                "95 % interval": interval(scores["accuracy_interval"]),
                **({"over seeds": mean_and_deviation(over_seeds[policy]["accuracy"])} if over_seeds else {}),
                **_of_chains(scores),
                "cut off": scores["truncation_rate"],
            }
            for policy, scores in evaluations.items()
        },
        orient="index",
    )


def _of_chains(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Shares that say something only of a policy that writes the tags; gaps for one that was never taught them."""
    keys = {
        "well-formed": "format_rate",
        "accuracy, well-formed only": "accuracy_well_formed",
        "consistent": "consistency",
        "right and supported": "supported_accuracy",
    }
    return {label: scores[key] if scores["format_rate"] else None for label, key in keys.items()}


def sampling(evaluations: Evaluations) -> pd.DataFrame:
    """One row per policy that was sampled or asked without a chain."""
    rows = {}
    for policy, scores in evaluations.items():
        row: dict[str, Any] = {}
        if sampled := scores["sampled"]:
            row |= {"accuracy at T=1": sampled["accuracy"], "well-formed at T=1": sampled["format_rate"]}
            row |= {f"pass@{k}": value for k, value in sampled["pass_at_k"].items() if k != "1"}
        if direct := scores["direct"]:
            row |= {"without a chain": direct["accuracy"], "with it": direct["accuracy_with_chain"]}
            row["p"] = p_value(direct["p_value"])
        if row:
            rows[policy] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def seeds(spread: Mapping[str, Any], policies: Sequence[str]) -> pd.DataFrame:
    """One row per policy, in the order of the report: mean, deviation and each seed's value."""
    names = {"accuracy": "accuracy", "sampled_accuracy": "at T=1", "consistency": "consistent"}
    rows: dict[str, dict[str, Any]] = {}
    for policy in policies:
        measures = spread["policies"][policy]
        rows[policy] = {
            label: mean_and_deviation(measures[measure]) for measure, label in names.items() if measure in measures
        }
        rows[policy] |= {
            f"accuracy, seed {seed}": value
            for seed, value in zip(spread["seeds"], measures["accuracy"]["values"], strict=True)
        }
        if policy in spread["gains"]:
            gain = spread["gains"][policy]
            rows[policy]["gain"] = f"{mean_and_deviation(gain)} over {gain['over']}"
    return pd.DataFrame.from_dict(rows, orient="index")


def class_names(evaluations: Evaluations, key: str) -> list[str]:
    """The classes of a breakdown, numbers in their order."""
    return sorted({name for scores in evaluations.values() for name in scores[key]}, key=_by_number)


def _by_number(name: str) -> tuple[int, str]:
    first = name.partition("-")[0]
    return (int(first) if first.isdigit() else 0, name)


def differences(comparisons: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per pair of policies."""
    return pd.DataFrame.from_dict(
        {
            pair_name(pair): {
                "difference": signed(pair["difference"]),
                "95 % interval": interval(pair["interval"], signs=True),
                "gained": pair["gained"],
                "lost": pair["lost"],
                "p": p_value(pair["p_value"]),
                "smallest detectable": pair["detectable"],
            }
            for pair in comparisons
        },
        orient="index",
    )


def differences_by_type(comparisons: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per question type, one column per pair; a star marks a difference that is more than chance (Holm)."""
    return pd.DataFrame(
        {
            pair_name(pair): {
                name: signed(part["difference"]) + (" *" if is_significant(part) else "")
                for name, part in pair["by_question_type"].items()
            }
            for pair in comparisons
        }
    )


def is_significant(part: Mapping[str, Any]) -> bool:
    """Whether a type's difference is more than chance, corrected for the number of types."""
    return part["p_holm"] is not None and part["p_holm"] < SIGNIFICANT


def pair_name(pair: Mapping[str, Any]) -> str:
    """``sft → grpo``."""
    return f"{pair['before']} → {pair['after']}"


def consistency(evaluations: Evaluations) -> pd.DataFrame:
    """One row per policy and group of answers, the negative control among them: the verdicts of the judge of chains."""
    groups = {"all": "all", "correct": "right", "wrong": "wrong", "negative_control": "another answer (control)"}
    rows = {}
    for policy, scores in evaluations.items():
        if not scores["chain_consistency"]["all"]["n"]:
            continue  # it wrote no chain
        for key, label in groups.items():
            verdicts = scores["chain_consistency"][key]
            rows[policy, label] = {
                "chains": verdicts["n"],
                "decided": verdicts["coverage"],
                "support": verdicts["support"],
                "contradict": verdicts["contradiction"],
                "add too little": verdicts.get("bare"),
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def probes(evaluations: Evaluations) -> pd.DataFrame:
    """One row per probe (the best of the constant answers); per policy, the probe's score and the policy's."""
    columns: dict[tuple[str, str], dict[str, Any]] = {}
    for policy, scores in evaluations.items():
        for probe in best_probes(scores["probes"]):
            name = probe["probe"].replace("_", " ")
            flag = " ⚑" if probe["near"] else ""
            columns.setdefault((policy, "probe"), {})[name] = f"{probe['score']:.3f}{flag}"
            columns.setdefault((policy, "policy"), {})[name] = f"{probe['policy']:.3f}"
    return pd.DataFrame(columns)


def true_answers(evaluations: Evaluations) -> pd.DataFrame:
    """One row per answer type and frequent true answer (a type's first row is its balanced accuracy)."""
    columns: dict[str, dict[tuple[str, str], Any]] = {"questions": {}}
    for policy, scores in evaluations.items():
        for kind, part in scores["by_true_answer"].items():
            columns["questions"][kind, "balanced"] = part["n"]
            columns.setdefault(policy, {})[kind, "balanced"] = part["balanced_accuracy"]
            for truth, counted in part["truths"].items():
                columns["questions"][kind, truth] = counted["n"]
                columns[policy][kind, truth] = counted["accuracy"]
    return pd.DataFrame(columns)


def official(evaluations: Evaluations) -> pd.DataFrame:
    """One row per policy with GQA's own metrics, where they were asked for."""
    names = (
        "n",
        "accuracy",
        "accuracy_ignoring_case",
        "binary",
        "open",
        "consistency",
        "validity",
        "plausibility",
        "distribution",
    )
    rows = {policy: scores["gqa"] for policy, scores in evaluations.items() if scores["gqa"]}
    return pd.DataFrame.from_dict(
        {policy: {name: metrics[name] for name in names} for policy, metrics in rows.items()}, orient="index"
    )


def written(metrics: Mapping[str, Any]) -> pd.DataFrame:
    """One row per question: what a policy answered to it after some steps, the published checkpoint among them.

    Args:
        metrics: metrics.json of the policy.
    """
    found = {entry["step"]: entry["answers"] for entry in metrics["validation"]}
    steps, best = [*found], metrics["best_checkpoint"]
    chosen = {steps[0], steps[len(steps) // 2], steps[-1], *([int(best.rpartition("-")[2])] if best else [])}
    table = pd.DataFrame([{"question": one["question"], "true answer": one["answer"]} for one in found[steps[0]]])
    for step in sorted(chosen & found.keys()):
        table[f"after {step} steps"] = [one["completion"] for one in found[step]]
    return table
