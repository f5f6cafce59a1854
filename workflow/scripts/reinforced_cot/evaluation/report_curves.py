"""The report's curves: training histories as inline SVG."""

import io
import re
from collections.abc import Mapping
from typing import Any

import matplotlib
import pandas as pd
from markupsafe import Markup

from reinforced_cot.scoring.hack_probes import PROBES

_GRADE = re.compile(r"rewards/judges\.\w+/mean")

matplotlib.use("svg")  # no display on a cluster node
matplotlib.rcParams.update(
    {"svg.hashsalt": "report", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)


def history(metrics: Mapping[str, Any]) -> pd.DataFrame:
    """The logged training steps."""
    return pd.DataFrame(metrics["history"]).set_index("step")


def curves(
    histories: Mapping[str, pd.DataFrame], losses: Mapping[str, str], val_samples: Mapping[str, int]
) -> list[tuple[str, Markup]]:
    """Titles and pictures: the curves of all policies, judges' grades among them, then for each RL policy the rewards
    that cheating would earn.

    Args:
        histories: the logged steps by policy.
        losses: the title above the curve of each policy's loss, which those of one title share; empty for none.
        val_samples: how many samples per question each policy's accuracy on val is of; 0 for greedy answers.
    """
    shared = [
        ("Reward of the sampled completions", "reward", "weighted sum"),
        ("Share of right answers among the sampled completions", "rewards/correctness_reward/mean", "share"),
    ]
    pictures = []
    graded = sorted({name for frame in histories.values() for name in frame if _GRADE.fullmatch(name)})
    shared += [(f"Grades by {name.split('/')[1]}", name, "mean grade") for name in graded]
    for title, key, label in shared:
        lines = {policy: frame[key] for policy, frame in histories.items() if key in frame}
        if lines:
            pictures.append((title, picture(lines, label)))
    for samples, title in ((False, "greedy"), (True, "sampled")):  # the one measures what the other does not
        lines = {
            policy: frame["eval_accuracy"]
            for policy, frame in histories.items()
            if "eval_accuracy" in frame and bool(val_samples.get(policy)) is samples
        }
        if lines:
            pictures.append((f"Share of right answers to questions of val, {title}", picture(lines, "share")))
    by_title: dict[str, dict[str, pd.Series]] = {}
    for policy, frame in histories.items():
        if losses[policy] and "loss" in frame:
            by_title.setdefault(losses[policy], {})[policy] = frame["loss"]
    pictures += [(title, picture(lines, "cross-entropy")) for title, lines in by_title.items()]
    for policy, frame in histories.items():
        probes = {name.removeprefix(PROBES).replace("_", " "): frame[name] for name in frame if name.startswith(PROBES)}
        if probes:
            pictures.append((f"What cheating would have earned {policy}", picture(probes, "reward, greedy")))
    return pictures


def picture(lines: Mapping[str, pd.Series], label: str) -> Markup:
    """Draw lines over the training steps as inline SVG.

    Args:
        lines: by name, values by step; gaps are left out.
        label: of the vertical axis.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2.6), layout="constrained")
    axes = figure.subplots()
    for name, values in lines.items():
        logged = values.dropna()
        axes.plot(logged.index, logged, label=name, linewidth=1.5, marker=".")
    axes.set(xlabel="step", ylabel=label)
    if len(lines) > 4:  # so many names would cover the curves
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    else:
        axes.legend(frameon=False)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = text.getvalue()
    return Markup(svg[svg.index("<svg") :])
