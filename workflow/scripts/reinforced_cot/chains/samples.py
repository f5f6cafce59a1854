"""Samples of a policy's answers to training questions, and the share of them that is right."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reinforced_cot.answers.kinds import is_right
from reinforced_cot.answers.truth import truth_of
from reinforced_cot.data.examples import Example
from reinforced_cot.data.parsing import parse_completion
from reinforced_cot.errors import DataError
from reinforced_cot.result_files import read_result_rows


def read_samples(path: Path, examples: Sequence[Example], count: int) -> dict[str, list[str]]:
    """The first ``count`` samples of each question, by its id.

    Raises:
        DataError: the file is missing or damaged, or lacks a question or a sample.
    """
    rows = {row["id"]: row["samples"] for row in read_result_rows(path)}
    for example in examples:
        if len(rows.get(example.id, ())) < count:
            raise DataError(f"{path} has {len(rows.get(example.id, ()))} of {count} samples of question {example.id}")
    return {example.id: rows[example.id][:count] for example in examples}


def read_completions(path: Path, examples: Sequence[Example]) -> dict[str, list[str]]:
    """All completions of each question, by its id; none where the file has none.

    Raises:
        DataError: the file is missing or damaged.
    """
    rows = {row["id"]: row["samples"] for row in read_result_rows(path)}
    return {example.id: rows.get(example.id, []) for example in examples}


def pass_rates(examples: Sequence[Example], samples: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How many samples of each question are right, by its id: well-formed, with a true answer."""
    return {example.id: sum(_is_right(text, example) for text in samples[example.id]) for example in examples}


def histogram(rights: Mapping[str, int], count: int) -> list[int]:
    """How many questions have 0, 1, ... ``count`` right samples."""
    found = Counter(rights.values())
    return [found[number] for number in range(count + 1)]


def _is_right(text: str, example: Example) -> bool:
    return is_right(parse_completion(text).answer, truth_of(example))


def kept_by_rate(
    examples: Sequence[Example], rates: Mapping[str, Any], keep: tuple[float, float], path: Path
) -> list[Example]:
    """The examples whose share of right samples lies in a range, both bounds included.

    Args:
        rates: the content of ``path``: ``samples``, and ``right``, the number of right samples by id.

    Raises:
        DataError: a question was not sampled, or none is left.
    """
    count, rights = rates["samples"], rates["right"]
    if missing := [example.id for example in examples if example.id not in rights]:
        raise DataError(f"{path} has no pass rate of question {missing[0]} (and of {len(missing) - 1} others)")
    kept = [example for example in examples if keep[0] <= rights[example.id] / count <= keep[1]]
    if not kept:
        shares = ", ".join(f"{number} of {count}: {questions}" for number, questions in enumerate(rates["histogram"]))
        raise DataError(
            f"no question has a pass rate from {keep[0]:g} to {keep[1]:g} (pass_rate.keep); right samples per question "
            f"({path}): {shares}"
        )
    return kept
