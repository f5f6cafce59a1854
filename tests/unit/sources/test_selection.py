"""A split's share of a source is drawn by seed and id alone."""

import pytest

from reinforced_cot.data.records import Place, RawRecord, Records, Rejection
from reinforced_cot.errors import DataError
from reinforced_cot.seeds import subset
from reinforced_cot.sources.selection import draw

RECORDS: list[RawRecord | Rejection] = [
    Rejection(f"q{n}", Place("a", n), "not text", "") if n % 7 == 3 else RawRecord(f"q{n}", Place("a", n), (), "?", ())
    for n in range(50)
]


def drawn(size: int | float | None, seed: int = 1, records: list[RawRecord | Rejection] = RECORDS) -> list[str]:
    return [record.id for record in draw(lambda: iter(records), size, seed)()]


def test_draw_is_nested_and_keeps_the_order() -> None:
    everything = [record.id for record in RECORDS]
    assert drawn(None) == drawn(50) == everything
    assert set(drawn(5)) < set(drawn(20))
    assert drawn(20) == sorted(drawn(20), key=lambda name: int(name[1:]))
    assert drawn(20) != everything[:20]
    assert drawn(20) != drawn(20, seed=2)


@pytest.mark.parametrize("size", [1, 5, 20, 49])
def test_the_choice_is_that_of_subset(size: int) -> None:
    assert drawn(size) == [record.id for record in subset(RECORDS, size, 1)]


@pytest.mark.parametrize(("share", "count"), [(0.1, 5), (0.5, 25), (0.99, 50), (0.03, 2)])
def test_a_share_is_of_all_records(share: float, count: int) -> None:
    assert drawn(share) == drawn(count) and len(drawn(share)) == count


def test_more_than_there_are_is_refused_when_it_is_read() -> None:
    records = draw(lambda: iter(RECORDS[:2]), 3, 1)
    with pytest.raises(DataError, match="2 questions, fewer than its size 3"):
        list(records())


def test_what_is_drawn_can_be_read_again() -> None:
    records: Records = draw(lambda: iter(RECORDS), 7, 1)
    assert list(records()) == list(records())
