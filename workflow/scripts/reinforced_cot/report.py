"""The report's content: tables with pandas, curves with matplotlib, laid out by a Jinja template. No torch."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import pandas as pd
from markupsafe import Markup

from reinforced_cot.errors import DataError
from reinforced_cot.files import read_json

matplotlib.use("svg")  # no display on a cluster node
matplotlib.rcParams.update(
    {"svg.hashsalt": "report", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)

_SHARES = {"accuracy": "accuracy", "format_rate": "well-formed", "consistency": "consistent"}


def render(results: Path, policies: Sequence[str], template: Path) -> str:
    """The page as HTML text, with styles and pictures inside it.

    Args:
        results: folder of the run; eval.json of each policy, metrics.json and merge.json of the trained ones are read.
        policies: names, in the order of the report; those that have a ``metrics.json`` have curves.
        template: Jinja file; whatever comes from a model or data is escaped.
    """
    evaluations = {policy: read_json(results / policy / "eval.json") for policy in policies}
    refuse_different_questions(evaluations)
    trained = [policy for policy in policies if policy != "base"]
    histories = {policy: history(read_json(results / policy / "metrics.json")) for policy in trained}
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        title=results.name,
        n=evaluations[policies[0]]["n"],
        overview=as_html(overview(evaluations)),
        by_type=as_html(accuracy_by_type(evaluations)),
        merges=as_html(merge_proofs(results, trained)),
        curves=[
            (title, curve(histories, key, label))
            for title, key, label in [
                ("Reward of the sampled completions", "reward", "weighted sum"),
                ("Share of right answers among the sampled completions", "rewards/correctness_reward/mean", "share"),
                ("Supervised loss", "loss_sft", "cross-entropy"),
            ]
            if any(key in frame for frame in histories.values())
        ],
        summary=read_json(results / "data" / "summary.json"),
    )


def refuse_different_questions(evaluations: dict[str, dict[str, Any]]) -> None:
    """Policies are compared on the same questions or not at all (fault 64).

    Raises:
        DataError: names two policies that were asked different questions.
    """
    (first, expected), *others = evaluations.items()
    for policy, scores in others:
        if scores["questions"] != expected["questions"]:
            raise DataError(
                f"{first} and {policy} were asked different questions: evaluate both on the same test split"
            )


def overview(evaluations: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """One row a policy: greedy shares, and accuracy of the samples where there are some."""
    rows = {}
    for policy, scores in evaluations.items():
        rows[policy] = {label: scores[key] for key, label in _SHARES.items()}
        rows[policy]["accuracy, well-formed only"] = scores["accuracy_well_formed"]
        if scores["sampled"]:
            rows[policy]["accuracy at T=1"] = scores["sampled"]["accuracy"]
    return pd.DataFrame.from_dict(rows, orient="index").astype(float)  # None, where nothing was counted, to NaN


def accuracy_by_type(evaluations: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """One row a question type with its number of questions, one column a policy."""
    first = next(iter(evaluations.values()))["by_question_type"]
    table = pd.DataFrame({"questions": {name: shares["n"] for name, shares in first.items()}})
    for policy, scores in evaluations.items():
        table[policy] = {name: shares["accuracy"] for name, shares in scores["by_question_type"].items()}
    return table


def merge_proofs(results: Path, trained: Sequence[str]) -> pd.DataFrame:
    """One row a merged policy: relative logit differences (see `merging.merge`)."""
    columns = ["adapter_vs_base", "adapter_vs_merged", "adapter_vs_saved", "dtype"]
    return pd.DataFrame(
        {policy: {key: read_json(results / policy / "merge.json")[key] for key in columns} for policy in trained}
    ).T


def history(metrics: dict[str, Any]) -> pd.DataFrame:
    """The logged training steps; a supervised run's loss is kept apart from RL's, which means something else."""
    frame = pd.DataFrame(metrics["history"]).set_index("step")
    return frame if "reward" in frame else frame.rename(columns={"loss": "loss_sft"})


def curve(histories: dict[str, pd.DataFrame], key: str, label: str) -> Markup:
    """One picture, a line a policy, as inline SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2.6), layout="constrained")
    axes = figure.subplots()
    for policy, frame in histories.items():
        if key in frame:
            values = frame[key].dropna()
            axes.plot(values.index, values, label=policy, linewidth=1.5, marker=".")
    axes.set(xlabel="step", ylabel=label)
    axes.legend(frameon=False)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = text.getvalue()
    return Markup(svg[svg.index("<svg") :])


def as_html(table: pd.DataFrame) -> Markup:
    """A table with shares to three places, smaller numbers in powers of ten; pandas escapes names and values."""

    def shown(value: float) -> str:
        return f"{value:.1e}" if 0 < value < 1e-3 else f"{value:.3f}"

    return Markup(table.to_html(border=0, na_rep="-", float_format=shown))
