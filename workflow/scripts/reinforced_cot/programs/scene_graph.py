"""A scene graph of GQA: the objects of an image with their boxes, attributes and relations."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from reinforced_cot.programs.program import ANY, ProgramFault

POSITIONS = HORIZONTAL, VERTICAL = "hposition", "vposition"  # types of attributes that follow from the boxes
_MIDDLE = 1 / 6  # of the image's width or height, on either side of its centre: the middle third


class Thing(NamedTuple):
    """An object.

    Attributes:
        attributes: such as "red", of any type.
        across, down: where its centre is, as shares of the image's width and height.
        share: of the image's area that its box takes up.
        relations: names and ids of other objects: ("on", "12") where it is on 12.
    """

    id: str
    name: str
    attributes: tuple[str, ...]
    across: float
    down: float
    share: float
    relations: tuple[tuple[str, str], ...]

    def has(self, relation: str, other: "Thing") -> bool:
        """Whether the relation to another object is in the graph."""
        return (relation, other.id) in self.relations

    @property
    def side(self) -> str:
        """The half of the image that it is in: left or right."""
        return "left" if self.across < 0.5 else "right"

    @property
    def half(self) -> str:
        """The half of the image that it is in: top or bottom."""
        return "top" if self.down < 0.5 else "bottom"

    def position(self, type: str) -> str:
        """GQA's ``hposition`` (left or right) or ``vposition`` (top or bottom)."""
        return self.side if type == HORIZONTAL else self.half

    def is_at(self, type: str, place: str) -> bool:
        """Whether it is in that half of the image, or in its middle third, across or down."""
        if place == "middle":
            return abs((self.across if type == HORIZONTAL else self.down) - 0.5) <= _MIDDLE
        return place == self.position(type)


class SceneGraph(NamedTuple):
    """The objects of an image, by id; and what is said of the whole image, such as "outdoors" and "sunny"."""

    things: Mapping[str, Thing]
    location: str
    weather: str

    def called(self, name: str) -> tuple[Thing, ...]:
        """The objects of a name; all for `ANY`."""
        return tuple(thing for thing in self.things.values() if name in (ANY, thing.name))


def scene_graph(row: Any) -> SceneGraph:
    """A scene graph from its record in GQA's file.

    Raises:
        ProgramFault: it is not of GQA's form.
    """
    try:
        width, height = float(row["width"]), float(row["height"])
        things = {id: _thing(id, value, width, height) for id, value in row["objects"].items()}
        return SceneGraph(things, str(row.get("location") or ""), str(row.get("weather") or ""))
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise ProgramFault("a malformed scene graph") from error


def _thing(id: str, value: Mapping[str, Any], width: float, height: float) -> Thing:
    wide, high = float(value["w"]), float(value["h"])
    return Thing(
        id,
        str(value["name"]),
        tuple(map(str, value.get("attributes") or ())),
        (float(value["x"]) + wide / 2) / width,
        (float(value["y"]) + high / 2) / height,
        wide * high / (width * height),
        tuple((str(one["name"]), str(one["object"])) for one in value.get("relations") or ()),
    )
