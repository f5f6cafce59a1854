"""Answers on disk while they come, batch by batch, so that a killed evaluation goes on where it stood."""

import json
from pathlib import Path
from typing import NamedTuple


class Answered(NamedTuple):
    """One batch: for each question its completions, whether each was cut off, and the seconds that all took."""

    ids: list[str]
    texts: list[list[str]]
    truncated: list[list[bool]]
    seconds: float


class AnswerLog:
    """Batches that were answered, in a folder with one file a shard: no process waits for another to write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> dict[tuple[str, int], Answered]:
        """What all shards have answered, by what was asked (the name of the pass) and the number of the batch."""
        found: dict[tuple[str, int], Answered] = {}
        for file in sorted(self._folder.glob("shard_*.jsonl")):
            for line in file.read_text(encoding="utf-8").splitlines():
                try:
                    row = json.loads(line)
                except json.JSONDecodeError:
                    continue  # blank, or cut off by whatever killed the job: it is asked again
                key = row.pop("asked"), row.pop("batch")
                found[key] = Answered(**row)
        return found

    def append(self, shard: int, asked: str, batch: int, answered: Answered) -> None:
        """Add one batch to a shard's file."""
        line = json.dumps({"asked": asked, "batch": batch, **answered._asdict()})
        with open(self._folder / f"shard_{shard}.jsonl", "a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")  # the first break ends a line that was cut off
