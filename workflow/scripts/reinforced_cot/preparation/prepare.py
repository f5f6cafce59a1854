"""From raw records of any source to one split in the form that every stage reads.

A record that breaks a rule is set aside with its reason, never dropped silently. A split with too many of them is
refused, because a wrong image folder or a wrong key has just this effect. Records are read, converted and written one
by one, while threads decode their images: no list of all of them is in memory.
"""

import logging
import warnings
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from reinforced_cot.data.examples import Example, as_row, content_of
from reinforced_cot.data.image_places import without_places
from reinforced_cot.data.images import ImageRejected
from reinforced_cot.data.question_format import without_format
from reinforced_cot.data.records import Place, RawRecord, Records, Rejection
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.errors import DataError
from reinforced_cot.files import dumped, new_file, new_folder
from reinforced_cot.integrity import record_split, split_manifest
from reinforced_cot.preparation.box_checks import with_fitting_boxes
from reinforced_cot.preparation.conversion import converted
from reinforced_cot.preparation.image_store import ImageStore

log = logging.getLogger(__name__)

_AHEAD = 16  # questions per thread whose images are decoded before their turn
_SHOWN = 5  # rejections that a message lists


def prepare(
    records: Records, budget: PixelBudget, folder: Path, split: str, max_rejected_share: float, threads: int = 1
) -> dict[str, int]:
    """Write ``{split}.jsonl``, ``sources.{split}.jsonl``, ``rejected.{split}.jsonl`` and ``images/{split}/`` under
    ``folder``, and their hashes.

    Each file is complete or absent, and the same records give the same bytes. Images of equal content are stored once.

    Args:
        records: read twice: first their ids, then all of them.
        threads: that decode images.

    Returns:
        Number of ``accepted`` and ``rejected`` questions and of ``images``.

    Raises:
        DataError: an id occurs twice, no question is left, the share of rejected records is above
            ``max_rejected_share`` (they are listed in ``refused.{split}.jsonl``), or an image is too large to open
            safely.
    """
    total = _count(records)
    # The workflow deletes what a failed job has declared, so that a refused split's list has a name of its own.
    refused_file, examples_file = folder / f"refused.{split}.jsonl", folder / f"{split}.jsonl"
    with ExitStack() as stack:
        # Closed in the reverse order: the records take their place last.
        examples = stack.enter_context(new_file(examples_file))
        sources = stack.enter_context(new_file(folder / f"sources.{split}.jsonl"))
        image_folder = stack.enter_context(new_folder(folder / "images" / split))
        with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool, new_file(refused_file) as refused:
            warnings.simplefilter("ignore")  # damaged metadata is no reason to reject an image with intact pixels
            writer = _Writer(folder / f"{split}.jsonl", examples, sources, refused)
            store = ImageStore(image_folder, budget, pool)
            shown = tqdm(records(), desc=f"prepare {split}", total=total, unit=" questions", mininterval=1)
            for place, result in _with_images(shown, store, f"images/{split}", threads * _AHEAD):
                writer.add(place, result)
        writer.check_share(max_rejected_share, refused_file)
        refused_file.replace(folder / f"rejected.{split}.jsonl")
        writer.warn_of_a_common_end()
        split_manifest(folder, split).unlink(missing_ok=True)  # of the split that is replaced now
    record_split(folder, split, store.written)
    return {"accepted": writer.accepted, "rejected": writer.rejected, "images": len({*map(content_of, store.written)})}


def _count(records: Records) -> int:
    """How many records there are.

    Raises:
        DataError: an id occurs twice.
    """
    seen: set[str] = set()
    count = 0
    for record in records():
        if record.id in seen:
            first = next(other.place for other in records() if other.id == record.id)
            raise DataError(
                f"{record.place}: id {record.id!r} occurs twice, first in {first}; give each question an id of its own "
                '(of a table, `columns: {id: ""}` leaves the ids out)'
            )
        seen.add(record.id)
        count += 1
    return count


def _with_images(
    records: Iterator[RawRecord | Rejection], store: ImageStore, prefix: str, ahead: int
) -> Iterator[tuple[Place, Example | Rejection]]:
    """Convert records, in their order; the images of the next ``ahead`` are being decoded meanwhile."""
    waiting: deque[tuple[RawRecord | Rejection, Example | Rejection, list[Any]]] = deque()

    def first() -> tuple[Place, Example | Rejection]:
        record, result, begun = waiting.popleft()
        if isinstance(result, Rejection):
            return record.place, result
        try:
            names = store.finish(begun)
        except ImageRejected as error:
            return record.place, Rejection(record.id, record.place, error.reason, error.detail)
        fitting = with_fitting_boxes(result, [store.sizes[name] for name in names])
        if not isinstance(fitting, Example):
            return record.place, Rejection(record.id, record.place, *fitting)
        return record.place, replace(fitting, images=tuple(f"{prefix}/{name}" for name in names))

    for record in records:
        result = record if isinstance(record, Rejection) else converted(record)
        begun = []
        if isinstance(record, RawRecord) and isinstance(result, Example):
            begun = store.begin(record.images, str(record.place))
        waiting.append((record, result, begun))
        if len(waiting) > ahead:
            yield first()
    while waiting:
        yield first()


class _Writer:
    """Writes records and rejections as they come, and counts what the checks at the end need."""

    def __init__(self, file: Path, examples: TextIO, sources: TextIO, refused: TextIO) -> None:
        self._file, self._examples, self._sources, self._refused = file, examples, sources, refused
        self.accepted = self.rejected = 0
        self._reasons: Counter[str] = Counter()
        self._first: list[Rejection] = []
        self._ends: Counter[str] = Counter()

    def add(self, place: Place, result: Example | Rejection) -> None:
        where = {"file": place.file, **({} if place.line is None else {place.unit: place.line})}
        if isinstance(result, Example):
            self.accepted += 1
            self._examples.write(dumped(self._file, as_row(result)))
            self._sources.write(dumped(self._file, {"id": result.id, **where}))
            if end := without_format(without_places(result.question)).rpartition("?")[2].strip():
                self._ends[end] += 1
            return
        self.rejected += 1
        self._reasons[result.reason] += 1
        if len(self._first) < _SHOWN:
            self._first.append(result)
        row = {"id": result.id, "source": str(place), "reason": result.reason, "detail": result.detail}
        self._refused.write(dumped(self._file, row))

    def check_share(self, max_share: float, file: Path) -> None:
        """See that enough records were accepted.

        Raises:
            DataError: too many were set aside, or there is none.
        """
        total = self.accepted + self.rejected
        if self.accepted and self.rejected <= max_share * total:
            return
        if not total:
            raise DataError(f"{file.parent}: the split has no question; check the data file and its part")
        first = "".join(f"\n  {rejected.place}: {rejected.reason}: {rejected.detail}" for rejected in self._first)
        raise DataError(
            f"{self.rejected} of {total} questions rejected, more than data.max_rejected_share ({max_share:g}) allows: "
            + ", ".join(f"{reason} {count}" for reason, count in sorted(self._reasons.items()))
            + f". All are listed in {file}; the first are:{first}"
        )

    def warn_of_a_common_end(self) -> None:
        """Say so where most questions end in one sentence that is not known to say only how to answer.

        Its words would count as the question's, for its type and for what an answer may repeat.
        """
        for end, count in self._ends.most_common(1):
            if count > self.accepted / 2 and count > 1:
                log.warning(
                    "%d of %d questions end with %r: if that only says how to answer, take it out of the data and "
                    "write it into prompt.instruction",
                    count,
                    self.accepted,
                    end[:80],
                )
