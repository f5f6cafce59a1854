"""Boxes in answers: within the image, scaled with it, or set aside."""

import pytest

from reinforced_cot.data.examples import Example
from reinforced_cot.preparation.box_checks import with_fitting_boxes

SAME, HALF = ((100, 80), (100, 80)), ((100, 80), (50, 40))
QWEN = '[{"bbox_2d": [10, 20, 30, 40], "label": "dog"}]'


def record(answer: str, kind: str = "box", chain: str = "", **further: str) -> Example:
    return Example("q", ("a.png",), "Where?", (answer,), "query", chain=chain, answer_kind=kind, **further)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "scaled"),
    [
        ("[10, 20, 30, 41]", "[5, 10, 15, 20]"),
        ("[[10, 20, 30, 40], [50, 60, 100, 80]]", "[[5, 10, 15, 20], [25, 30, 50, 40]]"),
        ("(10,20),(30,40)", "[5, 10, 15, 20]"),
        (QWEN, '[{"bbox_2d": [5, 10, 15, 20], "label": "dog"}]'),
    ],
)
def test_boxes_are_scaled_with_the_image(answer: str, scaled: str) -> None:
    found = with_fitting_boxes(record(answer, chain="I see 4 dogs.", chain_answer=answer), [HALF])
    assert isinstance(found, Example) and (found.answers, found.chain_answer) == ((scaled,), scaled)
    assert with_fitting_boxes(record(answer), [SAME]) == record(answer)


@pytest.mark.parametrize(
    ("example", "sizes", "reason"),
    [
        (record("[10, 20, 101, 40]"), [SAME], "box outside the image"),
        (record("[10, 20, 101, 40]"), [HALF], "box outside the image"),
        (record("[10, 20, 30, 40]", chain="It is at [10, 20, 30, 40]."), [HALF], "boxes of a scaled image"),
        (record("[10, 20, 30, 40]", chain="It is at (10,20),(30,40)."), [HALF], "boxes of a scaled image"),
        (record("[10, 20, 30, 40]"), [HALF, SAME], "boxes of a scaled image"),
        (record("[10, 20, 11, 40]"), [((100, 80), (10, 8))], "box too small for the stored image"),
    ],
)
def test_boxes_that_do_not_fit(example: Example, sizes: list[tuple[tuple[int, int], ...]], reason: str) -> None:
    found = with_fitting_boxes(example, sizes)  # type: ignore[arg-type]
    assert isinstance(found, tuple) and found[0] == reason


@pytest.mark.parametrize(
    "example", [record("[10, 20, 300, 400]", "box range=1000"), record("[10, 20, 300, 400]", "list"), record("cup", "")]
)
def test_other_records_stay(example: Example) -> None:
    assert with_fitting_boxes(example, [HALF]) is example


def test_a_box_of_several_images_lies_in_one_of_them() -> None:
    example = record("[10, 20, 150, 70]")
    assert with_fitting_boxes(example, [SAME, ((200, 80), (200, 80))]) is example
