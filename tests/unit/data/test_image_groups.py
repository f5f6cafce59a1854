"""Images that questions connect, however the questions are ordered."""

import random

from reinforced_cot.data.image_groups import connected_images


def test_images_of_one_question_each_stand_for_themselves() -> None:
    assert connected_images([("b",), ("a",), ("b",)]) == {"a": "a", "b": "b"}
    assert connected_images([]) == {}


def test_an_image_twice_in_a_question_is_one() -> None:
    assert connected_images([("b", "b")]) == {"b": "b"}


def test_a_chain_of_questions_connects() -> None:
    assert connected_images([("d", "c"), ("b", "a"), ("x", "y"), ("c", "b")]) == {
        **dict.fromkeys("abcd", "a"),
        **dict.fromkeys("xy", "x"),
    }


def test_the_order_of_questions_and_images_changes_nothing() -> None:
    draw = random.Random(1)
    questions = [tuple(str(draw.randrange(60)) for _ in range(draw.randint(1, 3))) for _ in range(40)]
    expected = connected_images(questions)
    for _ in range(20):
        draw.shuffle(questions)
        assert connected_images([draw.sample(images, len(images)) for images in questions]) == expected
    groups = {first: {image for image in expected if expected[image] == first} for first in expected.values()}
    assert len(groups) > 3 and all(first == min(images) for first, images in groups.items())
    for images in questions:
        assert len({expected[image] for image in images}) == 1


def test_a_long_chain_takes_no_recursion() -> None:
    names = [f"{number:06d}" for number in range(100_000)]
    assert {*connected_images(zip(names[1:], names, strict=False)).values()} == {names[0]}
