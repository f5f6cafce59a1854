"""Answers on disk, written batch by batch as they come, so that a killed evaluation goes on where it stopped."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple


class Answered(NamedTuple):
    """One batch: for each question its id, its completions and whether each was cut off; and the seconds for all."""

    ids: list[str]
    texts: list[list[str]]
    truncated: list[list[bool]]
    seconds: float


class AnswerLog:
    """The answered batches, in a folder with one file per shard: no process waits for another to write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> dict[tuple[str, int], Answered]:
        """What all shards have answered, by the name of the pass and the number of the batch."""
        answered: dict[tuple[str, int], Answered] = {}
        for file in sorted(self._folder.glob("shard_*.jsonl")):
            for line in file.read_bytes().splitlines():
                try:
                    row = json.loads(line)
                except ValueError:
                    continue  # blank, damaged, or cut off when the job was killed: the batch is asked again
                if not isinstance(row, dict) or row.pop("sha256", None) != _digest(row):
                    continue  # damaged, and still JSON
                key = row.pop("asked"), row.pop("batch")
                answered[key] = Answered(**row)
        return answered

    def append(self, shard: int, pass_name: str, batch: int, answered: Answered) -> None:
        """Add one batch to a shard's file."""
        row = {"asked": pass_name, "batch": batch, **answered._asdict()}
        line = json.dumps({**row, "sha256": _digest(row)})
        with open(self._folder / f"shard_{shard}.jsonl", "a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")  # the first break ends a line that was cut off


def _digest(row: dict[str, Any]) -> str:
    """Hex sha256 of a batch: a flipped bit in a completion leaves the line valid JSON."""
    return sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()
