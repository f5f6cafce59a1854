"""Images that belong together: those that one question shows, and so on from question to question."""

from collections.abc import Iterable, Sequence


def connected_images(questions: Iterable[Sequence[str]]) -> dict[str, str]:
    """For each image the first, in alphabetical order, of those that it is connected with.

    Two images are connected if a question shows both, or if a chain of such questions leads from one to the other. An
    image that is always shown alone stands for itself.

    Args:
        questions: the images of each question.

    >>> connected_images([("b", "c"), ("c", "a"), ("d",)])
    {'b': 'a', 'c': 'a', 'a': 'a', 'd': 'd'}
    """
    parent: dict[str, str] = {}

    def root(image: str) -> str:
        while parent[image] != image:
            parent[image] = parent[parent[image]]
            image = parent[image]
        return image

    for images in questions:
        for image in images:
            parent.setdefault(image, image)
        for image in images[1:]:
            first, second = sorted((root(images[0]), root(image)))
            parent[second] = first
    return {image: root(image) for image in parent}
