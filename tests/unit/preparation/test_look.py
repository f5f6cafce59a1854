"""A look reads the first records, and tells what would become of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from reinforced_cot.data.records import Place, RawRecord, Rejection
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.preparation.look import SHOWN, Look, as_text, look_at

BUDGET = PixelBudget(min_pixels=784, max_pixels=2500)


def record(number: int, **changes: Any) -> RawRecord:
    values: dict[str, Any] = {
        "id": f"q{number}",
        "place": Place("cars.csv", number),
        "images": (Image.new("RGB", (100, 50), "red"),),
        "question": f"Is it car {number}?",
        "answers": ("yes",),
    }
    return RawRecord(**{**values, **changes})


def look(*records: RawRecord | Rejection, count: int = 100) -> Look:
    return look_at(lambda: iter(records), BUDGET, count)


def test_counts_and_texts() -> None:
    found = look(
        record(1),
        record(2, answers=("3",), chain="I count one, two, three."),
        record(3, answers=("",)),
        Rejection("q4", Place("cars.csv", 4), "missing image", "looked for 4.jpg in photos; it is empty"),
        record(5, answers=("a red car", "a red car"), choices=("a red car", "a bus")),
        *(record(number, answers=("no",)) for number in range(6, 12)),
    )
    assert (found.read, found.kept, found.chains, found.longest_chain, found.is_whole) == (11, 9, 1, 5, True)
    assert found.kinds == {"yes or no": 7, "a number": 1, "one of several choices": 1}
    text = as_text("cars.csv, source table", found, 0.02)
    for line in (
        "all 11 records of it",
        "2 would be set aside: missing answer 1, missing image 1",
        "cars.csv, line 4: missing image: looked for 4.jpg in photos; it is empty",
        "That is 18%, and a split with more than 2% is refused",
        "chains of thought: 1 of 9",
        "the most frequent is 'no', 67%",
        "cars.csv, line 1: 100x50 -> 70x35 pixels",
        "answer:   a red car (of 2)",
        "chain:    I count one, two, three.",
    ):
        assert line in text, line
    assert text.count("question:") == SHOWN


def test_what_a_user_should_know_of_answers_and_chains() -> None:
    paid = "The car stands in front of a house with a red door. It is a red car, so the answer is yes."
    short = "So yes."
    found = look(
        *(record(number, chain=paid) for number in (1, 2)),
        *(record(number, chain=short) for number in (3, 4, 5)),
        *(record(number, answers=("N/A",)) for number in (6, 7)),
        *(record(8, question="Which car is it?", images=(Path("x.jpg"),), answers=(a,)) for a in ("a", "b", "b")),
    )
    assert (found.judged, found.paid, found.gaps, found.contradictions) == (5, 2, {"N/A": 2}, 2)
    text = as_text("cars.csv", found, 0.02)
    for line in (
        "of the first 5 chains, the reward consistency would pay for 40%",
        "the others add too little to question and answer",
        "answers that may stand for a missing one, and are taught as they are: 'N/A' 2",
        "2 questions repeat an earlier one about the same images with another answer",
    ):
        assert line in text, line


def test_no_more_is_read_than_asked() -> None:
    def records() -> Iterator[RawRecord]:
        for number in range(1000):
            assert number <= 20
            yield record(number)

    found = look_at(records, BUDGET, 20)
    assert found.read == 20 and not found.is_whole
    assert "the first 20 records" in as_text("x", found, 0.02)


def test_an_image_that_cannot_be_opened_is_seen(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"<html>")
    found = look(record(1, images=(tmp_path / "x.jpg",)))
    assert found.kept == 0 and "none would be prepared" in as_text("x", found, 0.02)
