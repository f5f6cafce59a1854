"""Places of images in a question's text, as many data sets write them: ``<image>``."""

import re

PLACE = "<image>"
_LEADING = re.compile(rf"\A(?:\s*{PLACE})*")


def parted(question: str) -> list[str]:
    """The stretches of text before, between and after the places; one stretch where there are none."""
    return question.split(PLACE)


def place_count(question: str) -> int:
    """How many images the text has places for."""
    return question.count(PLACE)


def without_leading_places(question: str) -> str:
    """A question whose places all stand at its beginning, without them: images come first anyway. Other questions
    are returned as they are.

    >>> without_leading_places("<image>\\nWhat is it?"), without_leading_places("Is <image> red?")
    ('What is it?', 'Is <image> red?')
    """
    rest = _LEADING.sub("", question)
    return question if PLACE in rest else rest.strip()


def without_places(question: str) -> str:
    """The question in words, with a number for each image that its text names.

    >>> without_places("Is <image> larger than <image>?")
    'Is image 1 larger than image 2?'
    """
    first, *others = parted(question)
    return first + "".join(f"image {number}{text}" for number, text in enumerate(others, start=1))
