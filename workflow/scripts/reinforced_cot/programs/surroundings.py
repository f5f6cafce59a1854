"""What a scene graph says of a thing beside what a program asks, so that its chain tells more than the question."""

from typing import NamedTuple

from reinforced_cot.programs.execution import Executed
from reinforced_cot.programs.nouns import be, with_article
from reinforced_cot.programs.phrases import enumerated, place_of, pronoun
from reinforced_cot.programs.scene_graph import POSITIONS, Thing

LISTED = 3  # things of an image that are named
_SIDES = {"left", "right"}


class Surroundings(NamedTuple):
    """The surroundings of the things of one executed program."""

    run: Executed

    def found(self, thing: Thing) -> str:
        """Where an object is, and what else the graph says of it."""
        more = [text for text in (self.near(thing), self.beside(thing), self.also(thing)) if text][:2]
        where = self.where(thing)
        if not where or len(more) < 2:
            more.append(f"; the image also shows {self.shown(thing.name)}")
        return where + "".join(more)

    def where(self, thing: Thing) -> str:
        """Its part of the image, unless that is what the program is about."""
        return "" if self.asks_position else f" {place_of(thing)}"

    @property
    def asks_position(self) -> bool:
        """Whether the program is about parts of the image."""
        return any(step.type in POSITIONS for step in self.run.steps)

    def near(self, thing: Thing) -> str:
        """A relation to another object that the program says nothing about."""
        for relation, id in thing.relations:
            if id in self.run.graph.things and self.is_unasked(relation):
                return f", {relation} the {self.run.graph.things[id].name}"
        return ""

    def beside(self, thing: Thing) -> str:
        """A relation of another object to it."""
        for other in self.run.graph.things.values():
            for relation, id in other.relations:
                if id == thing.id and self.is_unasked(relation):
                    return f"; the {other.name} {be(other.name)} {relation} {pronoun(thing.name)}"
        return ""

    def also(self, thing: Thing) -> str:
        """An attribute that the program does not ask about."""
        asked = " ".join([self.run.answer, *(step.argument for step in self.run.steps)])
        value = next((value for value in thing.attributes if value not in asked), "")
        return f"; the {thing.name} {be(thing.name)} {value}" if value else ""

    def is_unasked(self, relation: str) -> bool:
        """Whether the program says nothing about a relation, also not by another word for it."""
        words = {*relation.split()}
        asked = {
            word for step in self.run.steps if step.related for one in step.related.relations for word in one.split()
        }
        if self.asks_position or asked & _SIDES:
            asked |= _SIDES
        return not asked & words

    def shown(self, without: str = "") -> str:
        """The largest things of the image, but for one."""
        things = sorted(self.run.graph.things.values(), key=lambda thing: -thing.share)
        names = list(dict.fromkeys(thing.name for thing in things if thing.name != without))[:LISTED]
        return enumerated([with_article(name) for name in names]) or "nothing else"
