"""From completions to `eval.json`: the numbers are written out, and the same completions give the same bytes."""

from pathlib import Path
from typing import Any

import pytest

from reinforced_cot.completions import completion_text
from reinforced_cot.errors import DataError
from reinforced_cot.examples import Example
from reinforced_cot.files import write_json, write_jsonl
from reinforced_cot.metrics import evaluate, prediction

RED = completion_text("QUERY(color): red", "red")
BLUE = completion_text("QUERY(color): blue", "blue")


def example(number: int, answer: str = "red", question_type: str = "color") -> Example:
    return Example(f"q{number}", "images/test/a.png", "What color?", answer, "", question_type, f"g{number}")


def four_predictions() -> list[dict[str, Any]]:
    return [
        prediction(example(0), RED, [RED, RED]),
        prediction(example(1), completion_text("QUERY(color): red", "blue"), [BLUE, "no form"]),
        prediction(example(2), "red", [RED, BLUE]),
        prediction(example(3, "7", "value"), completion_text("I look.", "7"), ["", completion_text("x", "7")]),
    ]


def test_a_prediction_has_the_originals_keys() -> None:
    assert prediction(example(0), RED, ["a", "b"]) == {
        "id": "q0",
        "image_id": "g0",
        "question_type": "color",
        "instruction": "What color?",
        "gt_answer": "red",
        "prediction_raw": RED,
        "pred_think": "QUERY(color): red",
        "pred_answer": "red",
        "parse_problem": None,
        "is_correct": True,
        "is_consist": True,
        "samples": ["a", "b"],
    }


def test_a_malformed_prediction_is_wrong_and_inconsistent() -> None:
    row = prediction(example(0), "<answer>red</answer>")
    assert (row["pred_think"], row["pred_answer"], row["parse_problem"]) == (None, None, "no <think>")
    assert (row["is_correct"], row["is_consist"], row["samples"]) == (False, False, [])


def test_a_chain_that_decides_nothing_is_not_consistent() -> None:
    assert prediction(example(0), completion_text("I look.", "red"))["is_consist"] is False


def test_metrics_of_four_predictions() -> None:
    assert evaluate(four_predictions()) == {
        "questions": "b6385b874c5fc218",  # sha256 of the ids, a line each
        "n": 4,
        "n_correct": 2,
        "n_well_formed": 3,
        "accuracy": 0.5,
        "accuracy_well_formed": 2 / 3,
        "format_rate": 0.75,
        "consistency": 0.25,
        "by_question_type": {
            "color": {
                "n": 3,
                "n_correct": 1,
                "n_well_formed": 2,
                "accuracy": 1 / 3,
                "accuracy_well_formed": 0.5,
                "format_rate": 2 / 3,
                "consistency": 1 / 3,
            },
            "value": {
                "n": 1,
                "n_correct": 1,
                "n_well_formed": 1,
                "accuracy": 1.0,
                "accuracy_well_formed": 1.0,
                "format_rate": 1.0,
                "consistency": 0.0,
            },
        },
        "parse_problems": {"no <think>": 1},
        "sampled": {
            "samples_per_question": 2,
            "accuracy": 0.5,  # RED, RED, RED and 7, of 8
            "accuracy_well_formed": pytest.approx(4 / 6),
            "format_rate": 0.75,
        },
    }


def test_what_cannot_be_counted_is_null() -> None:
    scores = evaluate([prediction(example(0), "red")])
    assert (scores["accuracy"], scores["accuracy_well_formed"], scores["sampled"]) == (0.0, None, None)
    scores = evaluate([prediction(example(0), RED, ["red"])])
    assert scores["sampled"] == {
        "samples_per_question": 1,
        "accuracy": 0.0,
        "accuracy_well_formed": None,
        "format_rate": 0.0,
    }


def test_the_questions_are_known_by_their_ids() -> None:  # fault 64
    rows = four_predictions()
    asked = evaluate(rows)["questions"]
    assert evaluate([{**row, "prediction_raw": "", "is_correct": False} for row in rows])["questions"] == asked
    assert evaluate(rows[1:])["questions"] != asked
    assert evaluate([*rows[1:], {**rows[0], "id": "q9"}])["questions"] != asked


def test_no_predictions_are_refused() -> None:  # fault 63
    with pytest.raises(DataError, match="no predictions"):
        evaluate([])


def test_the_same_completions_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_jsonl(tmp_path / name / "predictions.jsonl", four_predictions())
        write_json(tmp_path / name / "eval.json", evaluate(four_predictions()))
    write_json(tmp_path / "reversed.json", evaluate(four_predictions()[::-1]))
    for file in ("predictions.jsonl", "eval.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert (tmp_path / "reversed.json").read_bytes() == (tmp_path / "a/eval.json").read_bytes()
