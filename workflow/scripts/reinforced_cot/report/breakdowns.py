"""The report's charts of where a policy is right: by type, by length, by answer, and what cheating would score."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean

from reinforced_cot.evaluation.uncertainty import share_interval
from reinforced_cot.report import tables
from reinforced_cot.report.charts import Figure, bars, dots, grid
from reinforced_cot.report.flags import best_probes
from reinforced_cot.report.run import Run
from reinforced_cot.report.verdicts import against_origins
from reinforced_cot.scoring.metrics import credit_of
from reinforced_cot.scoring.prediction_rows import Prediction

_MOST_CLASSES = 30  # of a breakdown: those with most questions
_MOST_ANSWERS = 12  # rows and columns of the confusion of answers
_OTHER = "(another answer)"
_NONE = "(no answer)"


def accuracies(run: Run) -> list[Figure]:
    """Accuracy of each policy with its interval: in all, and by each class of questions."""
    colours, names = _colours(run), [*run.evaluations]
    if not names:
        return []
    whole = [
        {
            "class": policy,
            "name": policy,
            "value": scores["accuracy"],
            **_bounds(scores["accuracy_interval"]),
            "n": scores["n"],
        }
        for policy, scores in run.evaluations.items()
    ]
    figures = [dots("accuracy", "Accuracy, with 95 % intervals", whole, names, "share of right answers", colours)]
    for key, title in tables.BREAKDOWNS.items():
        rows = []
        sizes = {
            name: max(scores[key].get(name, {}).get("n", 0) for scores in run.evaluations.values())
            for name in tables.class_names(run.evaluations, key)
        }
        for name in _largest(sizes):
            for policy, scores in run.evaluations.items():
                if part := scores[key].get(name):
                    bounds = _bounds(part["accuracy_interval"])
                    rows.append({"class": name, "name": policy, "value": part["accuracy"], **bounds, "n": part["n"]})
        if len({row["class"] for row in rows}) > 1:
            figures.append(
                dots(key.replace("_", "-"), title + _cut(sizes), rows, names, "share of right answers", colours)
            )
    return figures


def changes(run: Run) -> list[Figure]:
    """Of each trained policy against its origin: the difference by question type, and questions gained and lost."""
    figures = []
    for policy, pair in against_origins(run.evaluations, run.comparisons, run.origins).items():
        sizes = {name: part["n"] for name, part in pair["by_question_type"].items()}
        types = {name: pair["by_question_type"][name] for name in _largest(sizes)}
        rows = [
            {"class": name, "name": policy, "value": part["difference"], **_bounds(part["interval"]), "n": part["n"]}
            for name, part in sorted(types.items(), key=lambda item: item[1]["difference"])
        ]
        title = f"{policy} against {pair['before']}, by question type{_cut(sizes)}"
        figures.append(
            dots(f"change-{policy}", title, rows, [policy], "difference in accuracy", _colours(run), is_difference=True)
        )
        counted = [
            {"class": name, "name": label, "value": part[key]}
            for name, part in types.items()
            for key, label in (("gained", "mended"), ("lost", "broken"))
        ]
        title = f"Questions that {policy} mended and broke, against {pair['before']}{_cut(sizes)}"
        figures.append(
            bars(f"gained-{policy}", title, counted, ["mended", "broken"], "questions", {"mended": 2, "broken": 1})
        )
    return figures


def confusion(run: Run) -> list[Figure]:
    """For each policy, the true answers that are most frequent against what it answered."""
    figures = []
    for policy, rows in run.predictions.items():
        truths = Counter(row["gt_answer"] for row in rows)
        if len(truths) > len(rows) / 2:
            continue  # nearly every question has an answer of its own
        if not any(row["pred_answer"] for row in rows):
            continue
        frequent = sorted(truth for truth, _ in truths.most_common(_MOST_ANSWERS))
        counted = Counter((row["gt_answer"], _said(row, frequent)) for row in rows if row["gt_answer"] in frequent)
        columns = [*frequent, _OTHER, _NONE]
        cells = [
            {"row": truth, "column": said, "share": counted[truth, said] / truths[truth], "n": counted[truth, said]}
            for truth in frequent
            for said in columns
            if counted[truth, said]
        ]
        said = [column for column in columns if any(cell["column"] == column for cell in cells)]
        title = f"What {policy} answered, by true answer"
        figures.append(grid(f"confusion-{policy}", title, cells, frequent, said, ("true answer", "its answer")))
    return figures


def _said(row: Prediction, frequent: Sequence[str]) -> str:
    if row["is_correct"]:
        return str(row["gt_answer"])
    answer = row["pred_answer"]
    if answer is None:
        return _NONE
    plain = answer.strip().casefold()
    return next((one for one in frequent if one.casefold() == plain), _OTHER)


def by_image_size(run: Run, sizes: Mapping[str, tuple[int, int]]) -> list[Figure]:
    """Accuracy by the longer side of a question's first image, where images differ in it.

    Args:
        sizes: width and height in pixels, by the question's id.
    """
    longest = {id: max(size) for id, size in sizes.items()}
    if len(set(longest.values())) < 4:
        return []
    ordered = sorted(longest.values())
    limits = sorted({ordered[len(ordered) * part // 4] for part in (1, 2, 3)})
    edges = [ordered[0], *limits, ordered[-1] + 1]
    rows = []
    for low, high in itertools.pairwise(edges):
        if low == high:
            continue
        for policy, predictions in run.predictions.items():
            found = [row for row in predictions if low <= longest.get(row["id"], -1) < high]
            if found:
                credits, images = [credit_of(row) for row in found], [row["image_id"] for row in found]
                bounds = _bounds(share_interval(credits, images))
                name = f"{low} to {high - 1} pixels"
                rows.append({"class": name, "name": policy, "value": fmean(credits), **bounds, "n": len(found)})
    if not rows:
        return []
    title = "Accuracy by the longer side of the image"
    return [dots("by-image-size", title, rows, [*run.predictions], "share of right answers", _colours(run))]


def probes(run: Run) -> list[Figure]:
    """What cheating would score, beside each policy's own score on the same questions."""
    figures = []
    for policy, scores in run.evaluations.items():
        rows = []
        for probe in best_probes(scores["probes"]):
            name = probe["probe"].replace("_", " ")
            rows.append({"class": name, "name": "cheating", "value": probe["score"]})
            rows.append({"class": name, "name": policy, "value": probe["policy"]})
        if any(row["value"] for row in rows if row["name"] == policy):
            title = f"What cheating would score, beside {policy}"
            colours = {**_colours(run), "cheating": 6}
            figures.append(bars(f"cheating-{policy}", title, rows, [policy, "cheating"], "score", colours))
    return figures


def _largest(sizes: Mapping[str, int]) -> list[str]:
    """Of all classes, those with most questions that a chart has room for, in the order of ``sizes``."""
    kept = {*sorted(sizes, key=lambda name: -sizes[name])[:_MOST_CLASSES]}
    return [name for name in sizes if name in kept]


def _cut(sizes: Mapping[str, int]) -> str:
    """What a title says of the classes that its chart leaves out."""
    return f" (the {_MOST_CLASSES} with most questions, of {len(sizes)})" if len(sizes) > _MOST_CLASSES else ""


def _colours(run: Run) -> dict[str, int]:
    return {policy.name: number for number, policy in enumerate(run.policies)}


def _bounds(interval: Sequence[float] | None) -> dict[str, float | None]:
    return {"low": interval[0], "high": interval[1]} if interval else {"low": None, "high": None}
