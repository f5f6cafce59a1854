"""GQA's official metrics: every expected figure is worked out by hand from the questions beside it."""

import json
from pathlib import Path
from typing import Any

import pytest

from reinforced_cot.errors import DataError
from reinforced_cot.evaluation.gqa_metrics import gqa_metrics, read_choices, read_questions


def question(answer: str, structural: str = "query", semantic_type: str = "attr", **more: Any) -> dict[str, Any]:
    """A balanced question; ``detailed`` goes to its types, the rest to the record."""
    types = {"structural": structural, "semantic": semantic_type}
    if "detailed" in more:
        types["detailed"] = more.pop("detailed")
    return {"answer": answer, "isBalanced": True, "types": types, **more}


def step(operation: str, argument: str) -> dict[str, Any]:
    return {"operation": operation, "argument": argument, "dependencies": []}


def test_all_figures_of_a_small_file() -> None:
    questions = {
        "1": question(
            "red",
            question="What color is the cup?",
            semantic=[step("select", "cup (5)"), step("query", "color")],
            detailed="directOf",
            groups={"global": "color", "local": "06-cup_color"},
            entailed=["1", "2", "5"],
        ),
        "2": question(
            "yes",
            "verify",
            "obj",
            question="Is there a cup?",
            semantic=[step("select", "cup (5)"), step("exist", "?")],
            detailed="exist",
            groups={"global": None, "local": "07-cup"},
            entailed=["2"],
        ),
        "3": question(
            "color",
            "compare",
            question="What do the cup and the hat have in common?",
            semantic=[step("select", "cup (5)"), step("select", "hat (6)"), step("common", "color")],
            detailed="twoCommon",
            groups={"global": None, "local": None},
            entailed=[],
        ),
        "4": question(
            "blue",
            question="What color is the hat?",
            semantic=[step("select", "hat (6)"), step("query", "color")],
            detailed="directOf",
            groups={"global": "color", "local": "06-hat_color"},
            entailed=["5"],
        ),
        "5": {**question("yes", "verify", entailed=["1", "4"]), "isBalanced": False},
    }
    predictions = {"1": "red", "2": "no", "3": "shape", "4": "wood", "5": "yes"}
    choices: dict[str, dict[str, list[str]]] = {
        "1": {"valid": ["red", "blue"], "plausible": ["red"]},
        "2": {"valid": ["yes", "no"], "plausible": []},
        "3": {"valid": ["color"], "plausible": ["color"]},
        "4": {"valid": ["red", "blue"], "plausible": ["blue"]},
        "5": {"valid": [], "plausible": []},
    }
    assert gqa_metrics(questions, predictions, choices) == {
        "n": 4,
        "accuracy": 25.0,
        "binary": 0.0,
        "open": 50.0,
        "consistency": 50.0,  # only 1 is right: of 2 and 5 it entails, 5 is right
        "validity": 75.0,  # all but 4; 3 by what objects can have in common, not by its list
        "plausibility": 50.0,  # 1 and 3
        "distribution": 0.01,  # 1 and 4: (1 - 1)^2 / 1 for red + (0 - 1)^2 / 1 for blue, nothing for wood
        "by_structural_type": {
            "compare": {"n": 1, "accuracy": 0.0},
            "query": {"n": 2, "accuracy": 50.0},
            "verify": {"n": 1, "accuracy": 0.0},
        },
        "by_semantic_type": {
            "attr": {"n": 3, "accuracy": pytest.approx(100 / 3)},
            "obj": {"n": 1, "accuracy": 0.0},
        },
        "by_words": {4: {"n": 1, "accuracy": 0.0}, 5: {"n": 2, "accuracy": 50.0}, 10: {"n": 1, "accuracy": 0.0}},
        "by_steps": {1: {"n": 1, "accuracy": 0.0}, 2: {"n": 2, "accuracy": 50.0}, 3: {"n": 1, "accuracy": 0.0}},
    }


@pytest.mark.parametrize("predicted", ["Red", "red.", " red", ""])
def test_answers_are_compared_as_raw_strings(predicted: str) -> None:
    assert gqa_metrics({"1": question("red")}, {"1": predicted})["accuracy"] == 0.0


def test_without_annotations_only_the_accuracies_are_counted() -> None:
    questions = {"1": question("yes", "logical"), "2": question("no", "choose")}
    assert gqa_metrics(questions, {"1": "yes", "2": "yes"}, {}) == {
        "n": 2,
        "accuracy": 50.0,
        "binary": 50.0,
        "open": None,
        "consistency": None,
        "validity": None,
        "plausibility": None,
        "distribution": None,
        "by_structural_type": {"choose": {"n": 1, "accuracy": 0.0}, "logical": {"n": 1, "accuracy": 100.0}},
        "by_semantic_type": {"attr": {"n": 2, "accuracy": 50.0}},
        "by_words": None,
        "by_steps": None,
    }


def test_without_balanced_questions_there_is_nothing_to_count() -> None:
    metrics = gqa_metrics({"1": {**question("red"), "isBalanced": False}}, {"1": "red"})
    assert metrics.pop("n") == 0
    assert set(metrics.values()) == {None}


# Entailed ids by question; a question is answered rightly if its id is among ``right``; "u..." are unbalanced.
@pytest.mark.parametrize(
    ("entailed", "right", "expected"),
    [
        ({"a": ["b"], "b": []}, "a", 0.0),
        ({"a": ["b"], "b": []}, "ab", 100.0),
        ({"a": ["b"], "b": []}, "b", None),  # a wrong answer entails nothing
        ({"a": ["a"], "b": None}, "a", None),  # itself is no other question
        ({"a": ["a", "b"], "b": []}, "a", 0.0),
        ({"a": ["u1"], "u1": []}, ["a", "u1"], 100.0),
        ({"a": [], "u1": ["a"]}, ["a", "u1"], None),  # what an unbalanced one entails is not looked at
        # a: b right, c and u1 wrong, 1/3; b: c wrong, 0; the mean is over questions, not over pairs (1/4)
        ({"a": ["a", "b", "c", "u1"], "b": ["c"], "c": ["a"], "u1": ["a"]}, "ab", 100 / 6),
        ({"a": ["absent"]}, "a", None),  # a file of balanced questions does not hold all that they entail
        ({"a": ["absent"], "b": ["a"]}, "b", 0.0),  # a is wrong: never looked up
    ],
)
def test_consistency(entailed: dict[str, list[str] | None], right: str | list[str], expected: float | None) -> None:
    questions = {id: {**question("yes", entailed=ids), "isBalanced": id[0] != "u"} for id, ids in entailed.items()}
    predictions = {id: "yes" if id in right else "no" for id in entailed}
    assert gqa_metrics(questions, predictions)["consistency"] == (expected and pytest.approx(expected))


def test_consistency_needs_a_prediction_for_every_question() -> None:
    questions = {"a": question("yes", entailed=["b"]), "b": question("yes"), "u": question("yes")}
    questions["u"]["isBalanced"] = False
    assert gqa_metrics(questions, {"a": "yes", "b": "yes"})["consistency"] is None
    assert gqa_metrics(questions, {"a": "yes", "b": "yes", "u": "no"})["consistency"] == 100.0


# Pairs of true and predicted answer by group.
@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({"color": [("red", "red"), ("blue", "blue")]}, 0.0),
        ({"color": [("red", "blue"), ("blue", "red")]}, 0.0),  # the distribution is right, no answer is
        ({"color": [("red", "red"), ("red", "red"), ("red", "blue"), ("blue", "blue")]}, 0.013333),  # 1/3 + 1/1
        ({"color": [("red", "pink"), ("red", "pink")]}, 0.02),  # (0 - 2)^2 / 2; pink is no true answer
        ({None: [("red", "blue")]}, None),
        ({None: [("red", "blue")], "color": [("red", "red")]}, 0.0),
        ({"": [("red", "blue")]}, 0.01),  # only null is no group
        # color 2 over two questions, animal 1 over one, place 0 over one: (2 * 2 + 1 + 0) / 4
        (
            {"color": [("red", "pink"), ("blue", "pink")], "animal": [("cat", "dog")], "place": [("zoo", "zoo")]},
            0.0125,
        ),
        ({"color": [("red", "cat")], "animal": [("cat", "red")]}, 0.01),  # each group by itself
    ],
)
def test_distribution(groups: dict[str | None, list[tuple[str, str]]], expected: float | None) -> None:
    rows = [(group, *pair) for group, pairs in groups.items() for pair in pairs]
    questions = {str(i): question(true, groups={"global": group}) for i, (group, true, _) in enumerate(rows)}
    predictions = {str(i): predicted for i, (_, _, predicted) in enumerate(rows)}
    assert gqa_metrics(questions, predictions)["distribution"] == (expected and pytest.approx(expected, abs=1e-6))


@pytest.mark.parametrize("groups", [None, {}, {"global": None}])
def test_a_question_without_a_group_is_left_out_of_the_distribution(groups: dict[str, Any] | None) -> None:
    questions = {"1": question("red", groups=groups), "2": question("red", groups={"global": "color"})}
    assert gqa_metrics(questions, {"1": "blue", "2": "red"})["distribution"] == 0.0


@pytest.mark.parametrize(
    ("detailed", "predicted", "expected"),
    [
        ("directOf", "red", 100.0),
        ("directOf", "color", 0.0),
        ("twoCommon", "red", 0.0),
        ("twoCommon", "shape", 100.0),
        ("twoCommon", "material", 100.0),
        ("common", "red", 100.0),  # case counts
        (None, "red", None),
    ],
)
@pytest.mark.parametrize(("metric", "kind"), [("validity", "valid"), ("plausibility", "plausible")])
def test_choices(detailed: str | None, predicted: str, expected: float | None, metric: str, kind: str) -> None:
    choices: dict[str, dict[str, list[str]]] = {"1": {"valid": [], "plausible": []}}
    choices["1"][kind] = ["red", "blue"]
    questions = {"1": question("blue", detailed=detailed)}
    assert gqa_metrics(questions, {"1": predicted}, choices)[metric] == expected
    assert gqa_metrics(questions, {"1": predicted})[metric] is None


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], 0),
        ([step("select", "cup (5)"), step("query", "name")], 1),
        ([step("select", "cup (5)"), step("query", "color")], 2),
        ([step("select", "cup (5)"), step("choose name", "cup|glass")], 1),
        ([step("select", "cup (5)"), step("choose color", "red|blue")], 2),
        ([step("select", "-"), step("exist", "?"), step("select", "-"), step("exist", "?"), step("or", "")], 3),
        ([step("select", "existing (1)")], 0),  # anywhere in operation and argument
        ([step("verify name", "cup")], 1),
    ],
)
def test_steps_that_only_read_off_the_answer_are_not_counted(steps: list[dict[str, Any]], expected: int) -> None:
    questions = {"1": question("red", semantic=steps)}
    assert gqa_metrics(questions, {"1": "red"})["by_steps"] == {expected: {"n": 1, "accuracy": 100.0}}


@pytest.mark.parametrize(
    ("text", "expected"), [("Is it red?", 3), ("  Is  it\tred ?\n", 4), ("", 0), ("Which, left-most?", 2)]
)
def test_words_are_split_at_white_space(text: str, expected: int) -> None:
    by_words = gqa_metrics({"1": question("red", question=text)}, {"1": "red"})["by_words"]
    assert by_words == {expected: {"n": 1, "accuracy": 100.0}}


def test_lengths_are_sorted_as_numbers() -> None:
    questions = {str(n): question("red", question="why " * n) for n in (10, 2, 9)}
    assert list(gqa_metrics(questions, dict.fromkeys(questions, "red"))["by_words"]) == [2, 9, 10]


def test_missing_and_unknown_predictions_are_refused() -> None:
    questions = {"1": question("red"), "2": question("red"), "3": question("red")}
    with pytest.raises(DataError, match=r"^2 of 3 balanced questions have no prediction, the first is '2'; "):
        gqa_metrics(questions, {"1": "red"})
    with pytest.raises(DataError, match=r"^2 predictions are for no question of the file, the first is for '8'; "):
        gqa_metrics(questions, {"1": "red", "2": "red", "8": "red", "3": "red", "9": "red"})


def test_choices_of_another_split_are_refused() -> None:
    with pytest.raises(DataError, match=r"^the choices lack 1 of 1 questions, the first is '1'; "):
        gqa_metrics({"1": question("red", detailed="directOf")}, {"1": "red"}, {"2": {"valid": [], "plausible": []}})
    common = {"1": question("color", detailed="twoCommon")}  # needs no list
    assert gqa_metrics(common, {"1": "color"}, {})["validity"] == 100.0


def test_files_are_read(tmp_path: Path) -> None:
    questions = {"1": question("red", entailed=["1"])}
    choices = {"1": {"valid": ["red"], "plausible": []}}
    (tmp_path / "questions.json").write_text(json.dumps(questions), encoding="utf-8")
    (tmp_path / "choices.json").write_text(json.dumps(choices), encoding="utf-8")
    assert read_questions(tmp_path / "questions.json") == questions
    assert read_choices(tmp_path / "choices.json") == choices


TYPES = {"structural": "query", "semantic": "attr"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[]", ": expected a JSON object of question ids, found list"),
        ('{"7": "red"}', ", question '7': expected a JSON object, found str"),
        ('{"7": {"isBalanced": true}}', ", question '7': 'answer' is missing"),
        ('{"7": {"answer": "red"}}', ", question '7': 'isBalanced' is missing"),
        ('{"7": {"answer": 7}}', ", question '7': 'answer' should be a str, found int"),
        (
            json.dumps({"7": {"answer": "red", "isBalanced": "false", "types": TYPES}}),
            ", question '7': 'isBalanced' should be a bool, found str",
        ),
        ('{"7": {"answer": "red", "isBalanced": true}}', ", question '7': 'types' is missing"),
        (
            '{"7": {"answer": "red", "isBalanced": true, "types": {"semantic": "attr"}}}',
            ", question '7': 'types.structural' is missing",
        ),
        (
            '{"7": {"answer": "red", "isBalanced": true, "types": {"structural": "query"}}}',
            ", question '7': 'types.semantic' is missing",
        ),
        (
            json.dumps({"6": question("red"), "7": {"answer": "red", "types": TYPES}}),
            ", question '7': 'isBalanced' is missing",
        ),
    ],
)
def test_a_wrong_questions_file_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "questions.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_questions(path)
    assert str(caught.value) == f"{path}{problem}"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("7", ": expected a JSON object of question ids, found int"),
        ('{"7": ["red"]}', ", question '7': expected a JSON object, found list"),
        ('{"7": {"valid": ["red"]}}', ", question '7': 'plausible' is missing"),
        ('{"7": {"valid": "red"}}', ", question '7': 'valid' should be a list, found str"),
    ],
)
def test_a_wrong_choices_file_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "choices.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_choices(path)
    assert str(caught.value) == f"{path}{problem}"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json does not exist$"):
        read_questions(tmp_path / "none.json")
