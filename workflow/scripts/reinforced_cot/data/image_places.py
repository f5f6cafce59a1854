"""Places of images in a question's text, as many data sets write them: ``<image>``."""

PLACE = "<image>"


def parted(question: str) -> list[str]:
    """The stretches of text before, between and after the places; one stretch where there are none."""
    return question.split(PLACE)


def place_count(question: str) -> int:
    """How many images the text has places for."""
    return question.count(PLACE)


def without_leading_places(question: str) -> str:
    """A question whose places all stand at its beginning, without them: images come first anyway. Others as they are.

    >>> without_leading_places("<image>\\nWhat is it?"), without_leading_places("Is <image> red?")
    ('What is it?', 'Is <image> red?')
    """
    rest = question.replace(PLACE, "").strip()
    between = question.partition(rest)[0] if rest else question
    return rest if between.count(PLACE) == place_count(question) else question


def without_places(question: str) -> str:
    """The question in words, with a number for each image that its text names.

    >>> without_places("Is <image> larger than <image>?")
    'Is image 1 larger than image 2?'
    """
    first, *others = parted(question)
    return first + "".join(f"image {number}{text}" for number, text in enumerate(others, start=1))
