"""Fits the weights of the judge of chains to chains that people labelled.

    python benchmarks/judge_weights.py      # writes workflow/scripts/reinforced_cot/judging/weights.py

Two logistic regressions with an L2 penalty: one for answers that a chain names, one for yes and no. They read the
development half of `tests/data/chain_styles.jsonl` and all of `tests/data/chain_training.jsonl`; the half kept aside
stays unseen. `cross_validated` judges each chain by weights that were fitted to the other nine tenths.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from reinforced_cot.data.question_format import without_format
from reinforced_cot.judging import mention_features, polar_features
from reinforced_cot.judging.free_chains import without_question
from reinforced_cot.judging.stated_conclusions import polar_answer as polarity
from reinforced_cot.paths import REPOSITORY, SCRIPTS
from reinforced_cot.reading.candidates import candidate
from reinforced_cot.reading.conclusions import stated_conclusion, step_results
from reinforced_cot.reading.sentences import bold_phrases, sentences

DATA = REPOSITORY / "tests" / "data"
WEIGHTS = SCRIPTS / "reinforced_cot" / "judging" / "weights.py"
PENALTY = 1.0
# A false support counts as much as this many missed ones: RL pays for it.
COST = 1.5
FOLDS = 10
STEPS = 60

Array = np.ndarray[Any, np.dtype[np.float64]]


class Rows(NamedTuple):
    """Feature values and labels.

    Attributes:
        names: of the features, F. values: of shape [N, F]. labels: 1 for support, of shape [N].
        chains: the number of the chain that each row stems from, of shape [N]; a yes/no chain makes two rows.
    """

    names: list[str]
    values: Array
    labels: Array
    chains: Array


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def labelled() -> list[dict[str, Any]]:
    """The chains that the weights may be fitted to."""
    styles = [row for row in lines(DATA / "chain_styles.jsonl") if not row["kept_aside"]]
    return [*styles, *lines(DATA / "chain_training.jsonl")]


def is_free(row: dict[str, Any]) -> bool:
    """Whether a chain has neither steps nor a heading: the others are judged without weights."""
    results = step_results(row["chain"])
    return not (results and results[-1] is not None) and stated_conclusion(row["chain"]) is None


def mention_rows(chains: Iterable[dict[str, Any]]) -> Rows:
    """One row for each chain that names its answer."""
    said, labels, numbers = [], [], []
    for number, row in enumerate(chains):
        if polarity(row["answer"], row["question"]) is not None or not is_free(row):
            continue
        question = without_format(row["question"])
        wanted = candidate(row["answer"], question)
        read = without_question(sentences(row["chain"]), question, wanted)
        values = mention_features.features(read, wanted, bold_phrases(row["chain"]))
        if values is not None:
            said.append(values)
            labels.append(row["label"] == "support")
            numbers.append(number)
    names = list(said[0])
    return Rows(names, np.array([[v[n] for n in names] for v in said]), np.array(labels, float), np.array(numbers))


def polar_rows(chains: Iterable[dict[str, Any]]) -> Rows:
    """Two rows for each chain on a yes/no question: whether it concludes yes, and whether it concludes no."""
    evidence, labels, numbers = [], [], []
    for number, row in enumerate(chains):
        answered = polarity(row["answer"], row["question"])
        if answered is None or not is_free(row):
            continue
        found = polar_features.features(tuple(sentences(row["chain"])), without_format(row["question"]))
        for answer in (True, False):
            sign = 1 if answer else -1
            signed = {f"signed {name}": sign * value for name, value in {**found.signed, "yes": 1.0}.items()}
            evidence.append({**signed, **{f"unsigned {n}": v for n, v in {**found.unsigned, "bias": 1.0}.items()}})
            labels.append(row["label"] == ("support" if answer == answered else "contradict"))
            numbers.append(number)
    names = sorted({name for values in evidence for name in values})
    values = np.array([[row.get(name, 0.0) for name in names] for row in evidence])
    return Rows(names, values, np.array(labels, float), np.array(numbers))


def fitted(values: Array, labels: Array, cost: float, positive: Sequence[bool] | None = None) -> Array:
    """Weights of shape [F], by Newton's method.

    Args:
        positive: the features whose weight may not be negative, of shape [F]: a denial never speaks for a yes. The most
            negative one is set to 0, and the others are fitted again, until none is left.
    """
    if positive is not None:
        kept = np.ones(values.shape[1], bool)
        while True:
            weights = np.zeros(values.shape[1])
            weights[kept] = fitted(values[:, kept], labels, cost)
            worst = int(np.argmin(np.where(positive, weights, 0)))
            if weights[worst] >= 0 or not positive[worst]:
                return weights
            kept[worst] = False
    weights = np.zeros(values.shape[1])
    importance = np.where(labels > 0, 1.0, cost)
    for _ in range(STEPS):
        probability = 1 / (1 + np.exp(-values @ weights))
        slope = values.T @ (importance * (probability - labels)) + PENALTY * weights
        curvature = (values.T * (importance * probability * (1 - probability))) @ values
        weights -= np.linalg.solve(curvature + PENALTY * np.eye(len(weights)), slope)
    return weights


def positive(names: Sequence[str]) -> list[bool]:
    """The features of `fitted` that may not speak against what they stand for: evidence for a yes or a no."""
    return [name.startswith("signed ") and name != "signed yes" for name in names]


def cross_validated(rows: Rows, cost: float, seed: int = 0) -> Array:
    """The probability of each row under weights that were fitted to other chains, of shape [N]."""
    chains = np.random.default_rng(seed).permutation(np.unique(rows.chains))
    result = np.zeros(len(rows.labels))
    for fold in np.array_split(chains, FOLDS):
        left_out = np.isin(rows.chains, fold)
        weights = fitted(rows.values[~left_out], rows.labels[~left_out], cost, positive(rows.names))
        result[left_out] = 1 / (1 + np.exp(-rows.values[left_out] @ weights))
    return result


def report(kind: str, rows: Rows) -> str:
    """Support and false support in cross-validation, as one line."""
    probability = cross_validated(rows, COST)
    support, false = (np.mean(probability[rows.labels == label] >= 0.5) for label in (1, 0))
    return f"{kind}: {len(rows.labels)} rows, cross-validated support {support:.3f}, false support {false:.3f}"


def table(name: str, names: Sequence[str], weights: Iterable[float]) -> str:
    """A dictionary of weights as Python."""
    entries = "".join(f'    "{feature}": {weight:.2f},\n' for feature, weight in zip(names, weights, strict=True))
    return f"{name}: dict[str, float] = {{\n{entries}}}\n"


def module(chains: Sequence[dict[str, Any]]) -> tuple[str, list[str]]:
    """The text of the module of weights, and how both models do in cross-validation."""
    mention, polar = mention_rows(chains), polar_rows(chains)
    mention_weights = fitted(mention.values, mention.labels, COST)
    polar_weights = dict(zip(polar.names, fitted(polar.values, polar.labels, COST, positive(polar.names)), strict=True))
    parts = ['"""Weights of the judge\'s features, in logits. `benchmarks/judge_weights.py` wrote this file."""\n']
    parts.append(table("MENTION", mention.names, mention_weights))
    for kind in ("signed", "unsigned"):
        part = {name.removeprefix(f"{kind} "): w for name, w in polar_weights.items() if name.startswith(f"{kind} ")}
        parts.append(table(f"POLAR_{kind.upper()}", list(part), part.values()))
    return "\n".join(parts), [report("mention", mention), report("polar", polar)]


def main() -> None:
    """Fit both models, print how they do in cross-validation, and write the weights."""
    text, reports = module(labelled())
    print(*reports, sep="\n")
    WEIGHTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
