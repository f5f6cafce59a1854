"""One seed, many streams; subsets that are drawn, not cut off."""

from dataclasses import dataclass

from reinforced_cot.seeds import mixed, subset


@dataclass(frozen=True)
class Row:
    id: str


ROWS = [Row(f"q{number}") for number in range(40)]


def test_streams_of_neighbouring_seeds_differ() -> None:
    streams = {mixed(seed, "generate", batch) for seed in range(5) for batch in range(50)}
    assert len(streams) == 250
    assert mixed(1, "generate", 0) != mixed(1, "rl epoch", 0)
    assert all(0 <= stream < 2**63 for stream in streams)  # the range that torch accepts


def test_a_subset_keeps_the_order_and_larger_ones_contain_it() -> None:
    few, many = subset(ROWS, 8, 1), subset(ROWS, 20, 1)
    assert len(few) == 8 and set(few) <= set(many)
    assert few == [row for row in ROWS if row in few]
    assert few != ROWS[:8] and few != subset(ROWS, 8, 2)


def test_without_a_smaller_size_a_subset_has_all_items() -> None:
    assert subset(ROWS, None, 1) == subset(ROWS, 99, 1) == ROWS
