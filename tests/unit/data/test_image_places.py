"""Where a question's text has places for images."""

import pytest

from reinforced_cot.data.image_places import parted, place_count, without_leading_places, without_places


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is it?", "What is it?"),
        ("<image>What is it?", "What is it?"),
        ("<image>\nWhat is it?", "What is it?"),
        (" <image> <image>\n\nWhat is it?", "What is it?"),
        ("Is <image> red?", "Is <image> red?"),
        ("What is it? <image>", "What is it? <image>"),
        ("<image> Is it as <image>?", "<image> Is it as <image>?"),  # one place in the text: the order is all of them
        ("Is  <image>  as <image>?", "Is  <image>  as <image>?"),
    ],
)
def test_places_at_the_beginning_are_taken_away(question: str, expected: str) -> None:
    assert without_leading_places(question) == expected


@pytest.mark.parametrize(
    ("question", "stretches", "words"),
    [
        ("What is it?", ["What is it?"], "What is it?"),
        ("Is <image> as <image>?", ["Is ", " as ", "?"], "Is image 1 as image 2?"),
        ("<image><image>", ["", "", ""], "image 1image 2"),
        ("Is an <Image> an <img>?", ["Is an <Image> an <img>?"], "Is an <Image> an <img>?"),
    ],
)
def test_stretches_and_words(question: str, stretches: list[str], words: str) -> None:
    assert parted(question) == stretches
    assert place_count(question) == len(stretches) - 1
    assert without_places(question) == words
