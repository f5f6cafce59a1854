"""Shares of scored predictions, for every breakdown of an evaluation and for SFT's choice of a checkpoint."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from reinforced_cot.answers.kinds import credit
from reinforced_cot.answers.truth import truth_of_row
from reinforced_cot.data.parsing import parse_completion
from reinforced_cot.scoring.prediction_rows import Prediction


def shares(rows: Sequence[Prediction]) -> dict[str, Any]:
    """Shares of all ``rows``, in 0..1; a malformed completion counts as wrong.

    Returns:
        accuracy (the mean credit, where the kind of answers gives parts of it); format_rate (well-formed completions);
        accuracy_well_formed (among those only, None without any); consistency (answers that follow from their chains);
        supported_accuracy (right answers that follow from chains which say more than the answer: these earn the full
        reward); and the counts behind them. The last two are shares of the rows that may have a chain, and None where
        all are plain answers.
    """
    chained = [row for row in rows if row["is_consist"] is not None]
    well_formed = [row for row in rows if row["parse_problem"] is None]
    return {
        "n": len(rows),
        "n_correct": sum(row["is_correct"] for row in rows),
        "n_well_formed": len(well_formed),
        "accuracy": fmean(map(credit_of, rows)),
        "accuracy_well_formed": mean(map(credit_of, well_formed)),
        "format_rate": len(well_formed) / len(rows),
        "consistency": mean(row["is_consist"] for row in chained),
        "supported_accuracy": mean(map(supported_credit, chained)),
    }


def credit_of(row: Prediction) -> float:
    """The credit of a row's answer, in 0..1."""
    return float(row["credit"] if "credit" in row else row["is_correct"])


def supported_credit(row: Prediction) -> float:
    """The credit of an answer whose chain leads there and does not only copy it; else 0."""
    return credit_of(row) if row["is_consist"] and not row["bare_chain"] else 0.0


def sample_credits(row: Prediction) -> list[float]:
    """The credit of each of a question's samples at temperature 1."""
    truth = truth_of_row(row)
    return [credit(parse_completion(text).answer, truth) for text in row["samples"]]


def mean(values: Iterable[bool | float]) -> float | None:
    """The mean; None without values."""
    numbers = list(values)
    return fmean(numbers) if numbers else None
