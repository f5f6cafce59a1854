"""One raw record becomes an example, or is set aside with its reason."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reinforced_cot.data.examples import Example, accepted_answers, most_frequent_first
from reinforced_cot.data.listed_choices import with_choices
from reinforced_cot.data.records import Place, RawRecord, Rejection
from reinforced_cot.preparation.conversion import MAX_EXTRA_CHARACTERS, converted

RECORD = RawRecord("q1", Place("a.jsonl", 3), (Path("a.png"),), "What is it?", ("cat",))
TWO = (Path("a.png"), Path("b.png"))


def example(**changes: Any) -> Example:
    result = converted(replace(RECORD, **changes))
    assert isinstance(result, Example), result
    return result


def rejection(**changes: Any) -> Rejection:
    result = converted(replace(RECORD, **changes))
    assert isinstance(result, Rejection), result
    assert (result.id, result.place) == ("q1", Place("a.jsonl", 3))
    return result


@pytest.mark.parametrize(
    ("question", "choices", "expected"),
    [
        ("What is it?", (), "What is it?"),
        ("What is it?", ("cat", "dog"), "What is it?\nA. cat\nB. dog"),
        ("What is it?\nA. cat\nB. dog", ("cat", "dog"), "What is it?\nA. cat\nB. dog"),
        ("Is it a Cat or a DOG?", ("cat", "dog"), "Is it a Cat or a DOG?"),
        ("Is it a cat?", ("cat", "dog"), "Is it a cat?\nA. cat\nB. dog"),
        ("Is it in there?", ("in", "he"), "Is it in there?\nA. in\nB. he"),
        ("Which?", tuple("zyx"), "Which?\nA. z\nB. y\nC. x"),
    ],
)
def test_choices_are_added_unless_the_question_names_them(
    question: str, choices: tuple[str, ...], expected: str
) -> None:
    assert with_choices(question, choices) == expected
    assert example(question=question, choices=choices).question == expected


def test_choices_are_canonical() -> None:
    found = example(choices=(" a\u200bcat", "cafe\u0301"))
    assert found.choices == ("acat", "caf\u00e9") and found.question == "What is it?\nA. acat\nB. caf\u00e9"


def test_letters_are_enough_for_26_choices() -> None:
    assert example(choices=tuple(f"it {n}" for n in range(26))).question.endswith("\nZ. it 25")
    assert rejection(choices=tuple(f"it {n}" for n in range(27))).reason == "too many choices"


@pytest.mark.parametrize(
    ("question", "images", "expected"),
    [
        ("Are they alike?", TWO, "Are they alike?"),
        ("<image><image>\nAre they alike?", TWO, "Are they alike?"),
        ("Is <image> as <image>?", TWO, "Is <image> as <image>?"),
        ("<image> or <image>?", TWO, "<image> or <image>?"),
        ("Is <image> red?", TWO[:1], "Is <image> red?"),
    ],
)
def test_places_that_fit_stay(question: str, images: tuple[Path, ...], expected: str) -> None:
    assert example(question=question, images=images).question == expected


@pytest.mark.parametrize(
    ("question", "images", "detail"),
    [
        ("Is <image> red?", TWO, "the question has 1 places <image>, and the record has 2 images"),
        ("<image>\nIs it red?", TWO, "the question has 1 places <image>, and the record has 2 images"),
        ("Is <image> as <image>?", TWO[:1], "the question has 2 places <image>, and the record has 1 images"),
    ],
)
def test_places_that_do_not_fit_are_set_aside(question: str, images: tuple[Path, ...], detail: str) -> None:
    found = rejection(question=question, images=images)
    assert (found.reason, found.detail) == ("image places", detail)


def test_a_hidden_place_counts_as_the_question_is_read() -> None:
    """Without its invisible character it is a place: two images would have one."""
    assert rejection(question="Is <ima\u200bge> red?", images=TWO).reason == "image places"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"images": ()}, "missing image"),
        ({"question": "<image>"}, "empty question"),
        ({"question": "<image> \u200b<image>", "images": TWO}, "empty question"),
        ({"answers": ()}, "missing answer"),
        ({"answers": (" ", "\u200b")}, "missing answer"),
        ({"answers": ("the", "a" * 600)}, "unmatchable answer"),
        ({"answers": ("\ud83d",)}, "not text"),
        ({"answers": ("<image>",)}, "special token"),
        ({"choices": ("cat", " ")}, "empty choice"),
        ({"extra": {1: 2}}, "malformed extra"),
        ({"chain": "It is <image>."}, "special token"),
        ({"choices": ("cat", "<image>")}, "special token"),
        ({"choices": ("cat", "\ude00")}, "not text"),
        ({"chain_answer": "</think>"}, "special token"),
    ],
)
def test_faults_have_their_reason(changes: dict[str, Any], reason: str) -> None:
    assert rejection(**changes).reason == reason


@pytest.mark.parametrize(
    "extra",
    [
        {"path": Path("a")},
        {"depth": float("nan")},
        {"depth": float("inf")},
        {"names": {"a", "b"}},
        {("a", "b"): 1},
        {"text": "x" * MAX_EXTRA_CHARACTERS},
    ],
)
def test_extra_that_is_no_json_is_set_aside(extra: Any) -> None:
    assert rejection(extra=extra).reason == "malformed extra"


@pytest.mark.parametrize("other", [" ", "the", "\ud83d", "<image>", "a" * 600])
def test_one_bad_answer_of_several_is_left_out(other: str) -> None:
    assert example(answers=("cat", other, "cat", "dog")).answers == ("cat", "cat", "dog")


def test_extra_that_never_ends_is_set_aside() -> None:
    extra: dict[str, Any] = {}
    extra["self"] = extra
    assert rejection(extra=extra).reason == "malformed extra"


def test_extra_is_kept() -> None:
    extra = {"depth": 3, "boxes": [[0, 1.5], None], "nested": {"a": True}}
    assert example(extra=extra).extra == extra


def test_the_question_type_is_that_of_the_words() -> None:
    assert example(question="Is <image> red?", answers=("yes",)).question_type == "verify"
    assert example(question="Is <image> red?", answers=("yes",), question_type="color").question_type == "color"


def test_answers_are_ordered_by_how_many_gave_them() -> None:
    found = example(answers=("cat", "kitten ", "dog", "kitten"), chain="x", chain_answer="kitten")
    assert found.answers == ("kitten", "kitten", "cat", "dog")
    assert found.chain_answer == ""  # no error of the chain's
    assert example(answers=("cat", "kitten"), chain="x", chain_answer="kitten").chain_answer == "kitten"


@pytest.mark.parametrize(
    ("answers", "ordered", "accepted"),
    [
        ("a", "a", "a"),
        ("ab", "ab", "ab"),
        ("abb", "bba", "b"),
        ("aabb", "aabb", "ab"),
        ("abbccc", "cccbba", "c"),
        ("aaabbbbc", "bbbbaaac", "ba"),
        ("aaaaaaabbb", "aaaaaaabbb", "ab"),  # three annotators are enough
    ],
)
def test_answers_that_count(answers: str, ordered: str, accepted: str) -> None:
    assert most_frequent_first(tuple(answers)) == tuple(ordered)
    assert accepted_answers(most_frequent_first(tuple(answers))) == tuple(accepted)
