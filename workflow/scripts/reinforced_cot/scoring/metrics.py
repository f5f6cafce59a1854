"""Shares of scored predictions, for every breakdown of an evaluation and for SFT's choice of a checkpoint."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from reinforced_cot.data.parsing import parse_completion
from reinforced_cot.matching.answer_matching import is_accepted
from reinforced_cot.scoring.prediction_rows import Prediction, truths_of


def shares(rows: Sequence[Prediction]) -> dict[str, Any]:
    """Shares of all ``rows``, in 0..1; a malformed completion counts as wrong.

    Returns:
        accuracy; format_rate (well-formed completions); accuracy_well_formed (among those only, None without any);
        consistency (answers that follow from their chains); supported_accuracy (right answers that follow from chains
        which say more than the answer: these earn the full reward); and the counts behind them. The last two are shares
        of the rows that may have a chain, and None where all are plain answers.
    """
    chained = [row for row in rows if row["is_consist"] is not None]
    well_formed = [row for row in rows if row["parse_problem"] is None]
    return {
        "n": len(rows),
        "n_correct": sum(row["is_correct"] for row in rows),
        "n_well_formed": len(well_formed),
        "accuracy": fmean(row["is_correct"] for row in rows),
        "accuracy_well_formed": mean(row["is_correct"] for row in well_formed),
        "format_rate": len(well_formed) / len(rows),
        "consistency": mean(row["is_consist"] for row in chained),
        "supported_accuracy": mean(is_supported(row) for row in chained),
    }


def is_supported(row: Prediction) -> bool:
    """Whether an answer is right and its chain leads there and does not only copy it."""
    return bool(row["is_correct"] and row["is_consist"] and not row["bare_chain"])


def samples_correct(row: Prediction) -> list[bool]:
    """Whether each of a question's samples at temperature 1 is right."""
    return [is_accepted(parse_completion(text).answer, truths_of(row), row["instruction"]) for text in row["samples"]]


def mean(values: Iterable[bool | float]) -> float | None:
    """The mean; None without values."""
    numbers = list(values)
    return fmean(numbers) if numbers else None
