"""True answers that are not of the kind that their record names are found before anything is trained on them."""

import pytest

from reinforced_cot.answers.true_answers import fault_of
from reinforced_cot.answers.truth import Truth
from reinforced_cot.errors import DataError

COLORS = ("red", "blue", "green")
FITTING = [
    ("", "whatever it is"),
    ("yes_no", "yes"),
    ("yes_no", "No."),
    ("yes_no", "True"),
    ("yes_no", "false"),
    ("choice", "Blue"),
    ("choice", "B"),
    ("choice", "(c)"),
    ("choice", "B."),
    ("letter", "B"),
    ("letter", "(c)"),
    ("text", "no parking"),
    ("number", "5"),
    ("number", "-3.5 °C"),
    ("number", "½"),
    ("number", "twenty-one"),
    ("number relative=0.05", "1,234 kg"),
    ("number", "9.99 × 10⁻³ m²"),
    ("number", "3e-5"),
    ("number", "3 1/2 cups"),
    ("number", "10:30"),
    ("number", "3 m^2"),
    ("math", "\\frac{1}{2}"),
    ("math", "x > 2"),
    ("box", "[10, 20, 110, 220]"),
    ("box", "[[0, 0, 1, 1], [2, 2, 3, 3]]"),
    ("box", '[{"bbox_2d": [10, 20, 110, 220], "label": "dog"}]'),
    ("box range=1000", "[0, 0, 1000, 1000]"),
    ("box range=1", "[0.1, 0.1, 0.5, 0.6]"),
    ("list", "red, blue and green"),
    ("list", '["red", "blue"]'),
    ("set", "red"),
    ("vqa", "net"),
]
FAULTY = [
    ("yes_no", "maybe", "neither yes"),
    ("yes_no", "yes and no", "neither yes"),
    ("yes_no", "red", "neither yes"),
    ("choice", "pink", "none of the choices"),
    ("choice", "D", "none of the choices"),
    ("letter", "AB", "no single letter"),
    ("letter", "A, B", "no single letter"),
    ("letter", "5", "no single letter"),
    ("number", "many", "no number"),
    ("number", "someone", "no number"),
    ("number", "5 or 6", "more than one number"),
    ("number", "4-6", "more than one number"),
    ("number", "between 4 and 6 cm", "more than one number"),
    ("box", "[0.1, 0.1, 0.5, 0.6]", "are shares of the image: write the kind as box range=1"),
    ("box", "the left", "no boxes"),
    ("box", "[10, 20, 110]", "no boxes"),
    ("box", "[110, 220, 10, 20]", "no boxes"),
    ("box", "[10, 20, 10, 220]", "no boxes"),
    ("box range=1000", "[0, 0, 1001, 1000]", "leaves the image"),
    ("box range=1000", "[-1, 0, 100, 100]", "leaves the image"),
    ("list", "[]", "0 things"),
    ("list", ", ".join(map(str, range(51))), "51 things"),
    ("set", '[["red"], ["blue"]]', "0 things"),
    ("math", "1/2\n1/3", "no expression on one line"),
]


@pytest.mark.parametrize(("kind", "answer"), FITTING)
def test_a_fitting_answer_has_no_fault(kind: str, answer: str) -> None:
    assert fault_of(Truth((answer,), "", kind, COLORS if kind == "choice" else ())) is None


@pytest.mark.parametrize(("kind", "answer", "fault"), FAULTY)
def test_a_faulty_answer_is_shown(kind: str, answer: str, fault: str) -> None:
    found = fault_of(Truth((answer,), "", kind, COLORS if kind == "choice" else ()))
    assert found is not None
    assert fault in found


def test_each_of_several_answers_is_looked_at() -> None:
    assert fault_of(Truth(("5", "6"), "", "number")) is None
    assert fault_of(Truth(("5", "many"), "", "number")) == "'many' is no number"


@pytest.mark.parametrize("kind", ["colour", "number tolerance=1", "number relative=2", "box iou=nan", "text iou=0.5"])
def test_an_unknown_kind_is_refused(kind: str) -> None:
    with pytest.raises(DataError):
        fault_of(Truth(("5",), "", kind))
