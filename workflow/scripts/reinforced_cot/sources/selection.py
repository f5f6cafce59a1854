"""Which records of a source a split takes."""

import heapq
from collections.abc import Iterator

from reinforced_cot.data.records import RawRecord, Records, Rejection
from reinforced_cot.errors import DataError
from reinforced_cot.seeds import rank_of


def draw(records: Records, size: int | float | None, seed: int) -> Records:
    """Choose ``size`` records at random, by the hash of seed and id (`seeds.subset`); all of them without a size.

    The source is read once more, so that no list of all records is needed.

    Args:
        size: a number of records, or below 1 their share.

    Raises:
        DataError: on the first reading, if there are fewer than ``size`` records.
    """
    if size is None:
        return records

    def chosen() -> Iterator[RawRecord | Rejection]:
        count = size if isinstance(size, int) else round(size * sum(1 for _ in records()))
        ranked = ((rank_of(seed, record.id), number) for number, record in enumerate(records()))
        numbers = {number for _, number in heapq.nsmallest(count, ranked)}
        if len(numbers) < count:
            raise DataError(
                f"the split has {len(numbers)} questions, fewer than its size {count}; lower size or set it to null"
            )
        for number, record in enumerate(records()):
            if number in numbers:
                yield record

    return chosen
