"""Executes GQA's programs on scene graphs, step by step, without GQA's answer.

Ids in a program say which objects a name means, as "furniture (12)" may be a bed. What a program says of them is looked
up in the scene graph: attributes, relations and positions. Where it names no object ("fence (-)"), the graph must have
none.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from reinforced_cot.programs.comparisons import gender, is_known
from reinforced_cot.programs.program import COMPARED, SCENE, Named, ProgramFault, Related, Step
from reinforced_cot.programs.scene_graph import POSITIONS, SceneGraph, Thing
from reinforced_cot.programs.value_types import ValueTypes, values_of

_SAME = "same "  # begins a relation such as "same color"
_COMMON = ("color", "material", "shape")  # what GQA asks for in common
Stated = TypeVar("Stated", Named, Related)


class Result(NamedTuple):
    """What a step came to.

    Attributes:
        things: the objects that were found; empty where there are none, or where the result is no set of objects.
        is_scene: the result stands for the whole image.
        truth: of a yes-or-no step. text: of a step that names something.
        seen: what was looked at on the way: the value of a verified attribute, both values that were compared.
    """

    things: tuple[Thing, ...] = ()
    is_scene: bool = False
    truth: bool | None = None
    text: str = ""
    seen: tuple[str, ...] = ()


class Executed(NamedTuple):
    """A program with the result of each of its steps."""

    steps: tuple[Step, ...]
    results: tuple[Result, ...]
    graph: SceneGraph
    types: ValueTypes

    @property
    def answer(self) -> str:
        """The answer: that of the last step."""
        last = self.results[-1]
        return last.text if last.truth is None else ("yes" if last.truth else "no")


def execute(steps: tuple[Step, ...], graph: SceneGraph, types: ValueTypes) -> Executed:
    """Execute a program.

    Args:
        types: the values of each type of attribute.

    Raises:
        ProgramFault: the graph lacks an object or a relation that the program names, or does not decide a step.
    """
    run = _Run(graph, types)
    results: list[Result] = []
    for step in steps:
        results.append(_OPERATIONS[step.operation](run, step, [results[number] for number in step.inputs]))
    if results[-1].truth is None and not results[-1].text:
        raise ProgramFault("the program ends without an answer")
    return Executed(steps, tuple(results), graph, types)


class _Run(NamedTuple):
    graph: SceneGraph
    types: ValueTypes

    def select(self, step: Step, inputs: Sequence[Result]) -> Result:
        named = _stated(step.named)
        if named.name == SCENE and named.ids is None:
            return Result(is_scene=True)
        return Result(self._things(named))

    def _things(self, named: Named) -> tuple[Thing, ...]:
        """The objects that a program names, by their ids if it gives some."""
        if not named.ids:
            return self.graph.called(named.name)
        if any(id not in self.graph.things for id in named.ids):
            raise ProgramFault("an object that the scene graph lacks")
        return tuple(self.graph.things[id] for id in named.ids)

    def filter(self, step: Step, inputs: Sequence[Result]) -> Result:
        value, wanted = step.wanted
        things = inputs[0].things
        kept = tuple(thing for thing in things if self._is(thing, step.type, value) is wanted)
        return Result(kept, seen=self._seen(things, step.type) if not kept else ())

    def _is(self, thing: Thing, type: str, value: str) -> bool:
        if type in POSITIONS:
            return thing.is_at(type, value)
        return value in thing.attributes or (type in ("name", "gender") and value in self._values(thing, type))

    def _values(self, thing: Thing, type: str) -> tuple[str, ...]:
        """An object's values of a type."""
        if type in POSITIONS:
            return (thing.position(type),)
        if type in ("name", "type"):
            return (thing.name,)
        known = values_of(self.types, type, thing.attributes)
        return known or (gender(thing.name) if type == "gender" else ())

    def _seen(self, things: Sequence[Thing], type: str) -> tuple[str, ...]:
        """The one value that all of some objects have of a type; nothing where that is not certain."""
        found = {self._values(thing, type) for thing in things} if type else set()
        values = found.pop() if len(found) == 1 else ()
        return values if len(values) == 1 else ()

    def relate(self, step: Step, inputs: Sequence[Result]) -> Result:
        related, others = _stated(step.related), inputs[0].things
        relation, found = related.relations[0], self._things(related.named)
        if relation.startswith(_SAME):
            type = relation.removeprefix(_SAME)
            found = tuple(thing for thing in found if thing not in others)
            kept = tuple(thing for thing in found if self._shared(type, thing, others[0])) if others else ()
            seen = self._shared(type, kept[0], others[0])[:1] if kept else ()
        else:
            kept, seen = tuple(thing for thing in found if _holds(thing, relation, others, related.place)), ()
        if related.named.ids and len(kept) < len(found):
            raise ProgramFault("a relation that the scene graph lacks")
        return Result(kept, seen=seen)

    def _shared(self, type: str, thing: Thing, other: Thing) -> tuple[str, ...]:
        values = self._values(other, type)
        return tuple(value for value in self._values(thing, type) if value in values)

    def query(self, step: Step, inputs: Sequence[Result]) -> Result:
        if inputs[0].is_scene:
            return Result(text=_only(self._of_scene(step.type)))
        thing = _one(inputs[0])
        return Result(text=_only(self._values(thing, step.type)))

    def _of_scene(self, type: str) -> tuple[str, ...]:
        """What the graph says of the whole image about a type."""
        if type == "weather":
            return (self.graph.weather,) if self.graph.weather else ()
        return values_of(self.types, type, filter(None, (self.graph.location, self.graph.weather)))

    def verify(self, step: Step, inputs: Sequence[Result]) -> Result:
        value = step.argument
        if inputs[0].is_scene:
            seen = self._of_scene(step.type)
            is_said = value in (self.graph.location, self.graph.weather)
            if not (seen or is_said):  # a living room says nothing about indoors and outdoors
                raise ProgramFault("a value that the scene graph lacks")
            return Result(truth=is_said, seen=seen)
        thing = _one(inputs[0])
        return Result(truth=self._is(thing, step.type, value), seen=self._seen([thing], step.type))

    def verify_relation(self, step: Step, inputs: Sequence[Result]) -> Result:
        related = _stated(step.related)
        found = [
            thing
            for thing in self._things(related.named)
            if _holds(thing, related.relations[0], inputs[0].things, related.place)
        ]
        seen = () if found or not related.named.ids else self._between(related, inputs[0].things)
        return Result(tuple(found[:1]), truth=bool(found), seen=seen)

    def _between(self, related: Related, others: Sequence[Thing]) -> tuple[str, ...]:
        """The first relation that does hold between the named object and the other ones."""
        pairs = [(thing, other) for thing in self._things(related.named) for other in others]
        if related.place == "o":
            pairs = [(other, thing) for thing, other in pairs]
        return tuple(name for one, other in pairs for name, id in one.relations if id == other.id)[:1]

    def choose(self, step: Step, inputs: Sequence[Result]) -> Result:
        if inputs[0].is_scene:
            known: tuple[str, ...] = (self.graph.location, self.graph.weather)
            return Result(text=_only([option for option in step.options if option in known]))
        thing = _one(inputs[0])
        return Result(text=_only([one for one in step.options if self._is(thing, step.type, one)]))

    def choose_relation(self, step: Step, inputs: Sequence[Result]) -> Result:
        related = _stated(step.related)
        things = self._things(related.named)
        holding = [
            relation
            for relation in related.relations
            if any(_holds(thing, relation, inputs[0].things, related.place) for thing in things)
        ]
        return Result(things[:1], text=_side(_only(holding)), seen=(_only(holding),))

    def compare(self, step: Step, inputs: Sequence[Result]) -> Result:
        first, second = map(_one, inputs)
        wanted, other = COMPARED[step.type]
        for one, against in ((first, second), (second, first)):
            facts = [
                is_known(thing.name, thing.attributes, value) for thing in (one, against) for value in (wanted, other)
            ]
            if facts == [True, False, False, True]:
                return Result((one,), text=one.name, seen=(wanted, other))
        raise ProgramFault("a value that the scene graph lacks")

    def same(self, step: Step, inputs: Sequence[Result]) -> Result:
        things = inputs[0].things if len(inputs) == 1 else tuple(map(_one, inputs))
        values = [self._values(thing, step.type) for thing in things]
        if len(things) < 2 or not all(values):
            raise ProgramFault("a value that the scene graph lacks")
        shared = [value for value in values[0] if all(value in others for others in values[1:])]
        equal = bool(shared)
        seen = tuple(shared[:1]) if equal else tuple(one[0] for one in values)
        return Result(truth=equal is (step.operation == "same"), seen=seen)

    def common(self, step: Step, inputs: Sequence[Result]) -> Result:
        first, second = map(_one, inputs)
        shared = {type: self._shared(type, first, second) for type in _COMMON}
        type = _only([type for type, values in shared.items() if values])
        return Result(text=type, seen=shared[type][:1])

    def exist(self, step: Step, inputs: Sequence[Result]) -> Result:
        return Result(inputs[0].things, truth=bool(inputs[0].things))

    def every(self, step: Step, inputs: Sequence[Result]) -> Result:
        return Result(truth=all(_truths(inputs)))

    def any(self, step: Step, inputs: Sequence[Result]) -> Result:
        return Result(truth=any(_truths(inputs)))


_OPERATIONS: Mapping[str, Callable[[_Run, Step, Sequence[Result]], Result]] = {
    **{"select": _Run.select, "filter": _Run.filter, "relate": _Run.relate, "query": _Run.query, "exist": _Run.exist},
    **{"verify": _Run.verify, "verify rel": _Run.verify_relation, "choose": _Run.choose, "compare": _Run.compare},
    **{"choose rel": _Run.choose_relation, "same": _Run.same, "different": _Run.same, "common": _Run.common},
    **{"and": _Run.every, "or": _Run.any},
}


def _holds(thing: Thing, relation: str, others: Sequence[Thing], place: str) -> bool:
    """Whether a relation joins an object with one of ``others``: as its subject (``s``) or as its object (``o``)."""
    if place == "s":
        return any(thing.has(relation, other) for other in others)
    if place == "o":
        return any(other.has(relation, thing) for other in others)
    return any(thing.has(relation, other) or other.has(relation, thing) for other in others)


def _one(result: Result) -> Thing:
    if not result.things:
        raise ProgramFault("an object that the scene graph lacks")
    if len(result.things) > 1:
        raise ProgramFault("several objects where one is meant")
    return result.things[0]


def _only(values: Sequence[str]) -> str:
    if len(set(values)) > 1:
        raise ProgramFault("several values where one is meant")
    if not values:
        raise ProgramFault("a value that the scene graph lacks")
    return values[0]


def _truths(results: Sequence[Result]) -> list[bool]:
    if any(result.truth is None for result in results):
        raise ProgramFault("a malformed step")
    return [bool(result.truth) for result in results]


def _side(relation: str) -> str:
    """GQA's answer to "to the left or to the right of it?"; other relations are answers as they are.

    >>> _side("to the left of"), _side("behind")
    ('left', 'behind')
    """
    return relation.removeprefix("to the ").removesuffix(" of") if relation.startswith("to the ") else relation


def _stated(value: Stated | None) -> Stated:
    if value is None:
        raise ProgramFault("a malformed step")
    return value
