"""Words for places in an image, for attributes by their types, and for lists of things."""

from collections.abc import Sequence

from reinforced_cot.programs.nouns import with_article
from reinforced_cot.programs.scene_graph import HORIZONTAL, POSITIONS, VERTICAL, Thing

_LARGE, _EDGE = 0.4, 1 / 3  # shares of the image's area, and of its width or height
# Types whose values stand before a noun, and those whose values stand behind "is", in an order that does not change.
BEFORE_NOUN = (
    *("color", "size", "age", "length", "height", "shape", "thickness", "width", "weight", "hardness", "texture"),
    *("cleanliness", "tone", "fatness"),
)
PREDICATES = (
    *(*BEFORE_NOUN, "material", "activity", "pose", "sport activity", "state", "pattern", "realism", "gender"),
    *("face expression", "opaqueness", "brightness"),
)
_MADE_OF = "material"
_ADVERBS = ("indoors", "outdoors", "inside", "outside")
_PLACES = {
    **{(HORIZONTAL, "left"): "on the left side", (HORIZONTAL, "right"): "on the right side"},
    **{(HORIZONTAL, "middle"): "in the middle", (VERTICAL, "middle"): "in the middle"},
    **{(VERTICAL, "top"): "in the upper half", (VERTICAL, "bottom"): "in the lower half"},
}


def place_of(thing: Thing) -> str:
    """Where an object is in the image.

    >>> place_of(Thing("1", "dog", (), 0.1, 0.9, 0.05, ())), place_of(Thing("1", "sky", (), 0.5, 0.5, 0.6, ()))
    ('in the lower left of the image', 'across much of the image')
    """
    if thing.share > _LARGE:
        return "across much of the image"
    down = "upper" if thing.down < _EDGE else ("lower" if thing.down > 1 - _EDGE else "")
    across = "left" if thing.across < _EDGE else ("right" if thing.across > 1 - _EDGE else "")
    if down and across:
        return f"in the {down} {across} of the image"
    if down:
        return f"in the {down} part of the image"
    return f"on the {across} of the image" if across else "in the middle of the image"


def as_predicate(type: str, value: str) -> str:
    """What stands behind "is"."""
    if type in POSITIONS:
        return f"{_PLACES.get((type, value), value)} of the image"
    if type == _MADE_OF:
        return f"made of {value}"
    return value


def of_kind(type: str, value: str) -> str:
    """The same of a thing's kind, which takes an article."""
    return with_article(value) if type in ("type", "name") else as_predicate(type, value)


def of_scene(type: str, value: str) -> str:
    """A value of the whole scene, behind "is": places take an article.

    >>> of_scene("place", "bedroom"), of_scene("location", "indoors"), of_scene("weather", "sunny")
    ('a bedroom', 'indoors', 'sunny')
    """
    return value if type == "weather" or value in _ADVERBS else with_article(value)


def scene_subject(type: str) -> str:
    """What a value of the whole scene is said of."""
    return f"The {type}" if type in ("weather", "place", "room") else "The scene"


def enumerated(names: Sequence[str]) -> str:
    """Names with commas and "and".

    >>> enumerated(["a wall"]), enumerated(["a wall", "a rug", "shoes"]), enumerated([])
    ('a wall', 'a wall, a rug and shoes', '')
    """
    return "".join(names) if len(names) < 2 else f"{', '.join(names[:-1])} and {names[-1]}"
