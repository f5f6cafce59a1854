"""The chains of a set in the place of those that came with the data."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from reinforced_cot.data.examples import Example
from reinforced_cot.errors import DataError
from reinforced_cot.result_files import read_result_rows, write_result_rows


class Chain(NamedTuple):
    """A chain that is kept: the question's id, the chain, and the answer that was written behind it."""

    id: str
    chain: str
    answer: str


def write_chains(path: Path, chains: Iterable[Chain]) -> None:
    """Write a set: a line per chain, with the question's id and the answer behind the chain."""
    write_result_rows(path, (chain._asdict() for chain in chains))


def with_chains(examples: Sequence[Example], path: Path) -> list[Example]:
    """The examples for which a set has a chain, with that chain, once per chain.

    The second chain of a question has an id of its own.

    Raises:
        DataError: the file is missing or damaged, or names another question.
    """
    by_id = {example.id: example for example in examples}
    taught: list[Example] = []
    seen: dict[str, int] = {}
    for row in read_result_rows(path):
        example = by_id.get(row["id"])
        if example is None:
            raise DataError(f"{path} has a chain of question {row['id']}, which the train split does not have")
        number = seen[example.id] = seen.get(example.id, 0) + 1
        id = example.id if number == 1 else f"{example.id}#{number}"
        answer = row["answer"] if row["answer"] != example.answer else ""
        taught.append(replace(example, id=id, chain=row["chain"], chain_answer=answer))
    return taught
