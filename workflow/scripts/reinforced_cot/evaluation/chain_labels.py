"""The judge of chains against labels that a person gave to the same chains, such as the report's gallery saves them.

Labels are lines of JSON, ``{"id": "q1", "policy": "grpo", "label": "right"}``. A chain is ``right`` if the policy's
answer follows from it, whether or not that answer is true: the question that the judge answers.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from reinforced_cot.errors import DataError
from reinforced_cot.evaluation.uncertainty import share_interval
from reinforced_cot.files import read_jsonl
from reinforced_cot.reading.verdict import Verdict
from reinforced_cot.scoring.prediction_rows import Prediction

RIGHT, WRONG, UNCLEAR = LABELS = ("right", "wrong", "unclear")
VERDICTS = tuple(verdict.value for verdict in Verdict)
_KEYS = ("id", "policy", "label")


def read_labels(path: Path) -> dict[str, dict[str, str]]:
    """The labels of a file: by policy, one of `LABELS` by the question's id.

    Raises:
        DataError: the file is missing or empty, a line is not a label, or a chain has two of them; the message names
            the line.
    """
    found: dict[str, dict[str, str]] = {}
    lines: dict[tuple[str, str], int] = {}
    for number, row in read_jsonl(path):
        place = f"{path}, line {number}"
        for key in _KEYS:
            if not isinstance(row.get(key), str):
                said = f"is {json.dumps(row[key])[:40]}" if key in row else "is missing"
                raise DataError(f"{place}: the text `{key}` {said}; a label has {', '.join(_KEYS)}")
        id, policy, label = (row[key] for key in _KEYS)
        if label not in LABELS:
            raise DataError(f"{place}: the label is {label[:40]!r}; it can be {', '.join(LABELS)}")
        if (policy, id) in lines:
            raise DataError(
                f"{place}: question {id!r} of policy {policy!r} has a label in line {lines[policy, id]} as well; keep "
                "one of them"
            )
        lines[policy, id] = number
        found.setdefault(policy, {})[id] = label
    if not found:
        raise DataError(f"{path} holds no labels: give some in the report's gallery, and save them there")
    return found


def labels_of(found: Mapping[str, Mapping[str, str]], policy: str, path: Path) -> Mapping[str, str]:
    """One policy's labels, by id.

    Args:
        found: what `read_labels` read from ``path``.

    Raises:
        DataError: the file has none of them; the message names the policies that it has.
    """
    if policy not in found:
        named = ", ".join(map(repr, found))
        raise DataError(f"{path} has no label for policy {policy!r}; it has labels for {named}: choose with --policy")
    return found[policy]


def against_labels(labels: Mapping[str, str], rows: Sequence[Prediction]) -> dict[str, Any]:
    """How far the judge's verdicts agree with the labels of one policy's chains.

    Support says "right"; a contradiction and no decision say "wrong". Shares count chains labelled right or wrong;
    their 95 % intervals are clustered by image, and Wilson's where each image has one label.

    Args:
        labels: by id; labels of questions that are not among ``rows`` are only counted.
        rows: scored.

    Returns:
        ``labels``, ``unclear`` and ``absent`` (of questions without a row) are counts; ``table`` has the count of each
        verdict by label; ``agreement``, and ``precision`` and ``recall`` of support, are each a mapping with
        ``share``, ``interval`` and ``n``, or None where nothing counts.
    """
    known = [
        (labels[row["id"]], row["chain_verdict"] or Verdict.UNKNOWN.value, row) for row in rows if row["id"] in labels
    ]
    table = Counter((label, verdict) for label, verdict, _ in known)
    clear = [
        (label == RIGHT, verdict == Verdict.SUPPORT.value, row) for label, verdict, row in known if label != UNCLEAR
    ]
    return {
        "labels": len(labels),
        "unclear": sum(label == UNCLEAR for label, _, _ in known),
        "absent": len(labels) - len(known),
        "table": {label: {verdict: table[label, verdict] for verdict in VERDICTS} for label in LABELS},
        "agreement": _share([(right == support, row) for right, support, row in clear]),
        "precision": _share([(right, row) for right, support, row in clear if support]),
        "recall": _share([(support, row) for right, support, row in clear if right]),
    }


def _share(counted: Sequence[tuple[bool, Prediction]]) -> dict[str, Any] | None:
    if not counted:
        return None
    values = [float(value) for value, _ in counted]
    interval = share_interval(values, [row["image_id"] for _, row in counted])
    return {"share": fmean(values), "interval": interval and [*interval], "n": len(values)}


def as_text(policy: str, compared: Mapping[str, Any]) -> str:
    """What `against_labels` found, for a terminal."""
    lines = [
        f"labels of {policy}'s chains: {compared['labels']}, of them unclear: {compared['unclear']}",
        "",
        f"{'label':8}{''.join(f'{verdict:>12}' for verdict in VERDICTS)}",
        *[
            f"{label:8}{''.join(f'{counts[verdict]:12}' for verdict in VERDICTS)}"
            for label, counts in compared["table"].items()
        ],
        "",
        _line("agreement", compared["agreement"], "support for a chain labelled right, none for one labelled wrong"),
        _line(
            "precision of support", compared["precision"], "of the chains that the judge supports, those labelled right"
        ),
        _line("recall of support", compared["recall"], "of the chains labelled right, those that the judge supports"),
    ]
    if compared["absent"]:
        lines.append(f"labels of questions that the predictions do not have, which count nowhere: {compared['absent']}")
    return "\n".join(lines)


def _line(name: str, share: Mapping[str, Any] | None, meaning: str) -> str:
    if share is None:
        return f"{name:22}-  ({meaning}: no such label)"
    bounds = share["interval"]
    interval = f" [{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else ""
    return f"{name:22}{share['share']:.3f}{interval} of {share['n']}  ({meaning})"
