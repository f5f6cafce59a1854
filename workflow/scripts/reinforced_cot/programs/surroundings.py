"""What a scene graph says of a thing beside what a program asks, so that its chain tells more than the question."""

from typing import NamedTuple

from reinforced_cot.programs.execution import Executed
from reinforced_cot.programs.nouns import be, pronoun, with_article
from reinforced_cot.programs.phrases import PREDICATES, as_predicate, enumerated, place_of
from reinforced_cot.programs.scene_graph import POSITIONS, Thing

LISTED = 3  # things of an image that are named
_SIDES = {"left", "right"}


class Surroundings(NamedTuple):
    """The surroundings of the things of one executed program."""

    run: Executed

    def found(self, thing: Thing) -> str:
        """Where an object is, and what else the graph says of it."""
        near, other = self.near(thing)
        more = [text for text in (near, self.beside(thing, other), self.also(thing)) if text][:2]
        where = self.where(thing)
        if not where or len(more) < 2:
            more.append(f"; the image also shows {self.shown(thing.name)}")
        return where + "".join(more)

    def where(self, thing: Thing) -> str:
        """Its part of the image, unless that is what the program is about."""
        return "" if self.asks_position else f" {place_of(thing)}"

    def place(self, thing: Thing) -> str:
        """The same as a clause of its own, for an object whose name does not begin the sentence."""
        where = self.where(thing)
        return f"; the {thing.name} {be(thing.name)}{where}" if where else ""

    @property
    def asks_position(self) -> bool:
        """Whether the program is about parts of the image."""
        return any(step.type in POSITIONS for step in self.run.steps)

    def near(self, thing: Thing) -> tuple[str, str]:
        """A relation to another object that the program says nothing about, and that object's name."""
        for relation, id in thing.relations:
            other = self.run.graph.things.get(id)
            if other and self.is_unasked(relation) and self.is_alone(other) and other.name != thing.name:
                return f", {relation} the {other.name}", other.name
        return "", ""

    def beside(self, thing: Thing, without: str) -> str:
        """A relation of another object to it, whose name is not ``without``."""
        for other in self.run.graph.things.values():
            if other.name in (thing.name, without) or not self.is_alone(other):
                continue
            for relation, id in other.relations:
                if id == thing.id and self.is_unasked(relation):
                    return f"; the {other.name} {be(other.name)} {relation} {pronoun(thing.name)}"
        return ""

    def also(self, thing: Thing) -> str:
        """An attribute that the program does not ask about, if it can be said of nothing else."""
        asked = " ".join([self.run.answer, *(step.argument for step in self.run.steps)])
        for value in thing.attributes if self.is_alone(thing) else ():
            type = next((type for type in PREDICATES if value in self.run.types.get(type, ())), None)
            if type is not None and value not in asked:
                return f"; the {thing.name} {be(thing.name)} {as_predicate(type, value)}"
        return ""

    def is_alone(self, thing: Thing) -> bool:
        """Whether no other object of the image has its name."""
        return len(self.run.graph.called(thing.name)) == 1

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
