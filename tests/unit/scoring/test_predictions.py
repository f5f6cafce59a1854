"""The predictions format: the original's keys, scores that follow from the texts, refusals that name line and key."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.errors import DataError
from reinforced_cot.scoring.prediction_rows import unscored
from reinforced_cot.scoring.predictions import read_predictions, scored

RED = completion_text("SELECT(a): red 7\nQUERY(color): red", "red")
EXAMPLE = Example("q0", ("images/test/a.png",), "What color?", ("red",), "color", group="g0")
ROW = {"instruction": "Is it red?", "gt_answer": "Yes", "prediction_raw": "<think>It is.</think><answer>yes</answer>"}


def test_a_prediction_has_the_originals_keys() -> None:
    assert scored(unscored(EXAMPLE, RED, samples=["a", "b"], truncated=False)) == {
        "id": "q0",
        "image_id": "g0",
        "question_type": "color",
        "semantic_type": None,
        "instruction": "What color?",
        "gt_answer": "red",
        "prediction_raw": RED,
        "truncated": False,
        "samples": ["a", "b"],
        "direct_raw": None,
        "blank_image_raw": None,
        "shuffled_image_raw": None,
        "pred_think": "SELECT(a): red 7\nQUERY(color): red",
        "pred_answer": "red",
        "parse_problem": None,
        "is_correct": True,
        "is_consist": True,
        "chain_verdict": "support",
        "bare_chain": False,
    }


def test_a_malformed_prediction_is_wrong_and_inconsistent() -> None:
    row = scored(unscored(EXAMPLE, "<answer>red</answer>"))
    assert (row["pred_think"], row["pred_answer"], row["parse_problem"]) == (None, None, "no <think>")
    assert (row["is_correct"], row["is_consist"], row["chain_verdict"]) == (False, False, "unknown")


def test_a_chain_that_decides_nothing_is_not_consistent() -> None:
    row = scored(unscored(EXAMPLE, completion_text("I look.", "red")))
    assert (row["is_consist"], row["chain_verdict"]) == (False, "unknown")


@pytest.mark.parametrize(
    ("answers", "right"),
    [(("blue", "red"), True), (("blue", "blue", "red"), False), (("blue",) * 4 + ("red",) * 3, True)],
)
def test_one_of_several_answers_that_count_is_right(tmp_path: Path, answers: tuple[str, ...], right: bool) -> None:
    row = scored(unscored(replace(EXAMPLE, answers=answers), RED))
    assert (row["gt_answer"], row["gt_answers"], row["is_correct"]) == ("blue", [*answers], right)
    (again,) = read_predictions(write(tmp_path / "p.jsonl", row))
    assert scored(again) == row


def test_what_a_record_further_says_stands_in_its_row() -> None:
    further: dict[str, Any] = {"choices": ("red", "blue"), "answer_kind": "choice", "extra": {"depth": 2}}
    row = unscored(replace(EXAMPLE, **further, question="Is <image> as <image>?"), RED)
    assert (row["choices"], row["answer_kind"], row["extra"]) == (["red", "blue"], "choice", {"depth": 2})
    assert row["instruction"] == "Is image 1 as image 2?"  # judged by its words
    assert not {"gt_answers", "choices", "answer_kind", "extra"} & unscored(EXAMPLE, RED).keys()


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_three_keys_are_enough(tmp_path: Path) -> None:
    prefixed = ROW | {"instruction": "Please answer based on the image content: Is it red?"}
    (row,) = read_predictions(write(tmp_path / "p.jsonl", prefixed))
    assert (row["id"], row["image_id"], row["question_type"]) == ("line-1", "line-1", "verify")
    assert (row["instruction"], row["samples"], row["truncated"]) == ("Is it red?", [], None)
    assert scored(row)["is_correct"]


def test_other_keys_and_scores_of_others_are_ignored(tmp_path: Path) -> None:
    further = {"is_correct": False, "score": 3, "samples": "none", "truncated": "no", "semantic_type": 7}
    (row,) = read_predictions(write(tmp_path / "p.jsonl", ROW | further | {"id": 17.0, "image_id": "a"}))
    assert (row["id"], row["image_id"], row["samples"], row["truncated"]) == ("17", "a", [], None)
    assert scored(row)["is_correct"] and "score" not in row


def test_its_own_files_are_read_back(tmp_path: Path) -> None:
    row = scored(unscored(EXAMPLE, RED, samples=["a"], truncated=True, direct_raw="red", blank_image_raw="b"))
    (again,) = read_predictions(write(tmp_path / "p.jsonl", row))
    assert scored(again) == row


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer_kind": ["text"]}, 'line 2: `answer_kind` must be text, and is ["text"]'),
        ({"answer_kind": "numbr"}, "line 2: the answer kind 'numbr' is unknown; did you mean number?"),
        (
            {"answer_kind": "number relative=1 relative=0"},
            "line 2: the answer kind 'number relative=1 relative=0' sets relative twice",
        ),
        ({"answer_kind": "box"}, "line 2: `gt_answer` is not of its kind `box`: 'Yes' holds no boxes"),
        ({"choices": "yes, no"}, 'line 2: `choices` must be a list of texts, and is "yes, no"'),
        ({"extra": [1]}, "line 2: `extra` must be an object, and is [1]"),
        ({"gt_answers": "Yes"}, "line 2: `gt_answers` must be a list of answers"),
        ({"gt_answers": ["Yes", 1]}, "line 2: `gt_answers` must be a list of answers"),
        ({"gt_answers": ["Yes", "the"]}, "line 2: `gt_answers` must be a list of answers"),
        ({"gt_answer": None}, "line 2: `gt_answer` must be text, and is null"),
        ({"gt_answer": " "}, "line 2: `gt_answer` is empty"),
        ({"gt_answer": "The."}, "line 2: `gt_answer` is empty, only articles and punctuation"),
        ({"instruction": "Please answer based on the image content: "}, "line 2: `instruction` is empty"),
        ({"prediction_raw": "\ud800"}, "line 2: `prediction_raw` holds half a character"),
        ({"instruction": ""}, "line 2: `instruction` is empty"),
        ({"prediction_raw": 3}, "line 2: `prediction_raw` must be text, and is 3"),
        ({"id": ["a"]}, "line 2: `id` must be text or a whole number, not list"),
        ({"id": True}, "line 2: `id` must be text or a whole number, not bool"),
        ({"question_type": 1}, "line 2: `question_type` must be text, and is 1"),
        ({"id": "first"}, "line 2: `id` 'first' stands in line 1 as well"),
    ],
)
def test_a_row_that_cannot_be_scored_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as refused:
        read_predictions(write(tmp_path / "p.jsonl", ROW | {"id": "first"}, ROW | change))
    assert message in str(refused.value)


@pytest.mark.parametrize("key", ["instruction", "gt_answer", "prediction_raw"])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    row = {name: value for name, value in ROW.items() if name != key}
    with pytest.raises(DataError, match=rf"line 1: the key `{key}` is missing; required are instruction, gt_answer"):
        read_predictions(write(tmp_path / "p.jsonl", row))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no predictions"):
        read_predictions(write(tmp_path / "p.jsonl"))


def test_a_folder_is_no_file_of_predictions(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read: Is a directory"):
        read_predictions(tmp_path)
