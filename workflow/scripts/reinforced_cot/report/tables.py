"""The report's tables, one function each, as pandas frames; shares are numbers, intervals are written out."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from reinforced_cot.inert_text import visible
from reinforced_cot.scoring.hack_probes import NEAR, NEAR_KEEPING_THE_ANSWER, PROBES, TEXT_PROBES, is_near
from reinforced_cot.scoring.judge_settings import FAILED, PREFIX

Evaluations = Mapping[str, Mapping[str, Any]]  # eval.json by policy, in the order of the report

SIGNIFICANT = 0.05
_NUMBER = re.compile(r"-|[+-]\d+(\.\d+)?(e[+-]?\d+)?( \*)?")  # as tables write it, or a dash
_BREAK = "\u2028"  # in place of a line break until pandas has written the table
FEW_IMAGES = 20  # below this, an interval rests on too few images to be trusted
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


def mean_and_deviation(summary: Mapping[str, Any]) -> str:
    """``0.812 ± 0.020``."""
    return f"{summary['mean']:.3f}" + ("" if summary["deviation"] is None else f" ± {summary['deviation']:.3f}")


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


def best_probes(scored_probes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The probe of each kind that scores highest."""
    best: dict[str, Mapping[str, Any]] = {}
    for probe in scored_probes:
        if probe["probe"] not in best or probe["score"] > best[probe["probe"]]["score"]:
            best[probe["probe"]] = probe
    return list(best.values())


def flags(evaluations: Evaluations) -> list[tuple[str, str]]:
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


def lost_variety(evaluations: Evaluations) -> list[tuple[str, str]]:
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


def few_images(images: int) -> list[str]:
    """A line that warns of intervals that rest on few images."""
    if images >= FEW_IMAGES:
        return []
    return [f"The test split has {images} images. Intervals and tests rest on how they differ, and are rough."]


def failed_grades(histories: Mapping[str, pd.DataFrame]) -> list[tuple[str, str]]:
    """Each policy and judge whose grades have failed, in a sentence: that share of rewards is a constant."""
    lines = []
    for policy, frame in histories.items():
        for name in (name for name in frame if name.startswith(PREFIX) and name.endswith(f"/{FAILED}")):
            if share := frame[name].mean():
                grader = name.rpartition("/")[0]
                lines.append((policy, f"{share:.1%} of the grades by {grader} failed; `on_failure` was paid instead."))
    return lines


def training_flags(histories: Mapping[str, pd.DataFrame]) -> list[tuple[str, str]]:
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
            line = (
                f"When training ended, the policy earned {earned:.3f}, and cheating nearly as much: {', '.join(near)}."
            )
            lines.append((policy, line))
    return lines


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


def interval(bounds: Sequence[float] | None, signs: bool = False) -> str:
    """``[0.512, 0.591]``."""
    if bounds is None:
        return "-"
    return f"[{', '.join(signed(bound) if signs else f'{bound:.3f}' for bound in bounds)}]"


def signed(value: float) -> str:
    """``+0.120``."""
    return f"{value:+.3f}"


def p_value(value: float | None) -> str:
    """p to three places, or as a power of ten if it is smaller; a dash where there is none."""
    if value is None:
        return "-"
    if value < 1e-11:  # a t test's p is not known more closely
        return "< 1e-11"
    return f"{value:.3f}" if value >= 1e-3 else f"{value:.0e}"


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


def as_csv(table: pd.DataFrame) -> str:
    """The table as CSV text with its numbers in full, and its index where that has names; the columns of two header
    lines are joined.
    """
    plain = table.map(_csv_cell).rename(index=_csv_cell, columns=_csv_cell)
    if plain.columns.nlevels > 1:
        plain.columns = pd.Index([" ".join(map(str, parts)) for parts in plain.columns])
    has_names = not isinstance(table.index, pd.RangeIndex)
    return plain.to_csv(index=has_names, lineterminator="\n")


def _csv_cell(value: Any) -> Any:
    """A spreadsheet would run a text that begins like a formula: a quotation mark before it keeps it a text."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.lstrip().startswith(("=", "@", "+", "-")) and not _NUMBER.fullmatch(text) else text


def as_html(table: pd.DataFrame) -> Markup:
    """A table with shares to three places, smaller numbers in powers of ten; pandas escapes names and values.

    Pandas would write a line break as two characters, which no style sheet can turn into one.
    """
    inert = table.map(cell_text).rename(index=_name_text, columns=_name_text)
    return Markup(inert.to_html(border=0).replace(_BREAK, "\n"))


def _name_text(value: Any) -> Any:
    return visible(value) if isinstance(value, str) else value


def cell_text(value: Any) -> str:
    """The text of one cell.

    >>> [cell_text(value) for value in (0.12345, 0.00012, 40, 1.0, None, "sft")]
    ['0.123', '1.2e-04', '40', '1.000', '-', 'sft']
    """
    if isinstance(value, str):
        return visible(value).replace("\n", _BREAK)
    if value is None or value != value:  # NaN: no row was counted
        return "-"
    if isinstance(value, int) or (value == int(value) and abs(value) > 1):  # counts beside a gap become floats
        return f"{int(value)}"
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.3f}"
