"""Puts an executed program into words: two to five sentences that lead to its answer, without ids.

Which of several wordings is taken follows from the question's id, so that the same question gets the same chain.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from reinforced_cot.programs.comparisons import SAID
from reinforced_cot.programs.execution import Executed, Result
from reinforced_cot.programs.nouns import be, have, is_plural, pronoun, with_article
from reinforced_cot.programs.phrases import (
    BEFORE_NOUN,
    PREDICATES,
    as_predicate,
    enumerated,
    of_kind,
    of_scene,
    scene_subject,
)
from reinforced_cot.programs.program import ANY, SCENE, Related, Step
from reinforced_cot.programs.scene_graph import POSITIONS, Thing
from reinforced_cot.programs.surroundings import LISTED, Surroundings
from reinforced_cot.seeds import mixed

MOST = 5  # sentences
_FIRST = ("First I find {thing}{place}.", "I look at {thing}{place}.", "The question is about {thing}{place}.")
_NEXT = ("Then I find {thing}{place}.", "Next I look at {thing}{place}.")
_ABSENT = (
    "I look over the whole image for {thing} and find none.",
    "I search the image for {thing}, but there {be} none.",
    "Nowhere in the image {be} there {thing}.",
)
_SHOWN = ("The image shows {things}.", "What I see is {things}.", "There is {things} to be seen.")
_SCENE = ("I look at the image as a whole: it shows {things}.", "The whole scene matters here, with {things}.")
_CONCLUSIONS = ("So the answer is {answer}.", "Therefore, the answer is {answer}.", "The answer is {answer}.")


class _Teller(NamedTuple):
    """Tells the steps of one program.

    Attributes:
        number: chooses among wordings.
    """

    run: Executed
    number: int

    @property
    def around(self) -> Surroundings:
        """What else the scene graph says."""
        return Surroundings(self.run)

    def pick(self, wordings: Sequence[str], step: int = 0) -> str:
        return wordings[(self.number >> (3 * step)) % len(wordings)]

    # What a step found, as a phrase

    def phrase(self, number: int) -> str:
        """The objects of a step, such as "the white wall"."""
        return f"the {self.bare(number)}"

    def bare(self, number: int) -> str:
        """The same without its article."""
        step, result = self.run.steps[number], self.run.results[number]
        if step.operation == "filter":
            value, wanted = step.wanted
            inner = self.bare(step.inputs[0])
            if wanted and step.type in BEFORE_NOUN:
                return f"{value} {inner}"
            return f"{inner} that {be(self.noun(number))} {'' if wanted else 'not '}{as_predicate(step.type, value)}"
        if step.operation == "relate" and result.things:
            return result.things[0].name
        return self.noun(number)

    def noun(self, number: int) -> str:
        """The noun of a step's objects: the word of the program, or the object's own where that says nothing."""
        step = self.run.steps[number]
        if step.operation == "filter":
            return self.noun(step.inputs[0])
        named = step.named or (step.related.named if step.related else None)
        if named is None or named.name == SCENE:
            return "scene"
        if named.name == ANY:
            things = self.run.results[number].things
            return things[0].name if things else "thing"
        return named.name

    # Sentences

    def sentences(self) -> Iterator[str]:
        for number, step in enumerate(self.run.steps):
            yield from _TOLD[step.operation](self, number, step, self.run.results[number])

    def select(self, number: int, step: Step, result: Result) -> Iterator[str]:
        if result.is_scene:
            yield self.pick(_SCENE).format(things=self.around.shown())
        elif not result.things:
            yield from self.absent(number, self.noun(number))
        elif not self.is_found_to_exist(number):
            yield self.opening(number)

    def is_found_to_exist(self, number: int) -> bool:
        """Whether the steps behind this one only filter it and find that something is left."""
        for later, step in enumerate(self.run.steps):
            if number in step.inputs:
                if step.operation == "exist":
                    return bool(self.run.results[later].truth)
                return step.operation == "filter" and self.is_found_to_exist(later)
        return False

    def opening(self, number: int) -> str:
        """That something is found, and where."""
        last, things = self.filtered(number)
        if not things:
            last, things = number, self.run.results[number].things
        wordings = _NEXT if number else _FIRST
        if len(things) == 1:
            return self.pick(wordings).format(thing=self.phrase(last), place=self.around.found(things[0]))
        places = [f"{with_article(thing.name)}{self.around.where(thing)}" for thing in things[:LISTED]]
        return self.pick(wordings).format(thing=_all(self.bare(last), self.noun(last)), place=f": {enumerated(places)}")

    def filtered(self, number: int) -> tuple[int, Sequence[Thing]]:
        """The last filter behind a step, and what it leaves."""
        for later, step in enumerate(self.run.steps):
            if step.operation == "filter" and step.inputs == (number,):
                return self.filtered(later)
        return number, self.run.results[number].things

    def absent(self, number: int, noun: str) -> Iterator[str]:
        """That the image has no such thing, and what it has."""
        thing = noun if is_plural(noun) else f"any {noun}"
        yield self.pick(_ABSENT, number).format(thing=thing, be=be(noun))
        if number == 0:
            yield self.pick(_SHOWN, 1).format(things=self.around.shown())

    def filter(self, number: int, step: Step, result: Result) -> Iterator[str]:
        source = self.run.results[step.inputs[0]]
        if result.things or not source.things:
            return
        noun, several = self.noun(number), len(source.things) > 1
        value, wanted = step.wanted
        said = as_predicate(step.type, value)
        subject = "All of them are" if several else f"The {noun} {be(noun)}"
        if wanted and result.seen and step.type not in POSITIONS:
            yield f"{subject} {as_predicate(step.type, result.seen[0])}, not {said}."
        elif several and wanted:
            yield f"None of them is {said}."
        else:
            yield f"{subject} {'not ' if wanted else ''}{said}."

    def relate(self, number: int, step: Step, result: Result) -> Iterator[str]:
        related, source = _related(step), self.run.results[step.inputs[0]]
        if not source.things:
            return
        other, relation = self.phrase(step.inputs[0]), related.relations[0]
        if not result.things:
            name = "thing" if related.named.name == ANY else related.named.name
            if relation.startswith("same "):
                yield f"No {name} {have(name)} the {relation} as {other}."
            elif related.place == "s":
                yield f"No {name} {be(name)} {relation} {other}."
            else:
                yield f"{_upper(other)} {be(self.noun(step.inputs[0]))} not {relation} any {name}."
            return
        thing = result.things[0]
        is_another = thing.name in {one.name for one in source.things} and not is_plural(thing.name)
        found = f"another {thing.name}" if is_another else with_article(thing.name)
        if relation.startswith("same "):
            yield f"{_upper(found)} {have(thing.name)} the {relation} as {other}: {result.seen[0]}."
        elif related.place == "s":
            said = (
                f"{_upper(found)} {be(thing.name)} {relation} {other}",
                f"There {be(thing.name)} {found} {relation} {other}",
            )
            yield f"{self.pick(said, number)}{_apart(self.around.where(thing))}."
        else:
            yield f"{_upper(other)} {be(self.noun(step.inputs[0]))} {relation} {found}{self.around.place(thing)}."

    def query(self, number: int, step: Step, result: Result) -> Iterator[str]:
        source = step.inputs[0]
        if step.type == "name":
            noun = self.noun(source)
            if self.has_been_named(source) or noun == result.text:
                return
            if is_plural(result.text) != is_plural(noun):
                yield f"{'These are' if is_plural(result.text) else 'This is'} {with_article(result.text)}."
            else:
                yield f"{_upper(self.phrase(source))} {be(noun)} {with_article(result.text)}."
        elif self.run.results[source].is_scene:
            yield f"{scene_subject(step.type)} is {of_scene(step.type, result.text)}."
        else:
            yield self.has(source, step.type, result.text)

    def has_been_named(self, number: int) -> bool:
        """Whether the sentence of a relation has said what an object is."""
        step = self.run.steps[number]
        return step.operation == "relate" or (step.operation == "filter" and self.has_been_named(step.inputs[0]))

    def has(self, number: int, type: str, value: str) -> str:
        """That the objects of a step are of a value."""
        subject, verb = _upper(self.phrase(number)), be(self.noun(number))
        if type in PREDICATES or type in POSITIONS or not type:
            return f"{subject} {verb} {as_predicate(type, value)}."
        return f"The {type} of {self.phrase(number)} is {value}."

    def verify(self, number: int, step: Step, result: Result) -> Iterator[str]:
        is_scene = self.run.results[step.inputs[0]].is_scene
        in_words = of_scene if is_scene else as_predicate
        if is_scene:
            subject, verb = scene_subject(step.type), "is"
        else:
            subject, verb = _upper(self.phrase(step.inputs[0])), be(self.noun(step.inputs[0]))
        seen = result.seen[0] if result.seen else ""
        value = in_words(step.type, step.argument)
        if result.truth:
            yield f"{subject} {verb} {value}."
        elif seen and seen != step.argument:
            yield f"{subject} {verb} {in_words(step.type, seen)}, not {value}."
        else:
            yield f"{subject} {verb} not {value}."

    def verify_relation(self, number: int, step: Step, result: Result) -> Iterator[str]:
        yield self.relation(number, step, _related(step).relations[0], bool(result.truth))

    def relation(self, number: int, step: Step, relation: str, holds: bool) -> str:
        """That a relation holds, or does not."""
        related = _related(step)
        subject, verb = self.phrase(step.inputs[0]), be(self.noun(step.inputs[0]))
        name, result = related.named.name, self.run.results[number]
        if not holds and related.named.ids:  # of this object alone: others of its name may be different
            other, noun = f"the {name}", name
            if related.place == "s":
                subject, verb, other, noun = other, be(name), subject, self.noun(step.inputs[0])
            if result.seen:
                return f"{_upper(subject)} {verb} {result.seen[0]} {other}, not {relation} {pronoun(noun)}."
            return f"{_upper(subject)} {verb} not {relation} {other}."
        if not holds and related.place == "s":
            return f"No {name} {be(name)} {relation} {subject}."
        if not holds:
            return f"{_upper(subject)} {verb} not {relation} any {name}."
        thing = result.things[0]
        found = f"another {name}" if name == self.noun(step.inputs[0]) and not is_plural(name) else with_article(name)
        if related.place == "s":
            return f"{_upper(found)} {be(name)} {relation} {subject}{_apart(self.around.where(thing))}."
        return f"{_upper(subject)} {verb} {relation} {found}{self.around.place(thing)}."

    def choose(self, number: int, step: Step, result: Result) -> Iterator[str]:
        others = [option for option in step.options if option != result.text]
        source = step.inputs[0]
        if self.run.results[source].is_scene:
            said, other = of_scene(step.type, result.text), of_scene(step.type, others[0])
            yield f"{scene_subject(step.type)} is {said}, not {other}."
        elif step.type == "name":
            subject = "That" if self.run.steps[source].operation == "relate" else _upper(self.phrase(source))
            verb = "is" if subject == "That" else be(self.noun(source))
            yield f"{subject} {verb} {with_article(result.text)}, not {with_article(others[0])}."
        else:
            values = as_predicate(step.type, result.text), as_predicate(step.type, others[0])
            yield f"{_upper(self.phrase(source))} {be(self.noun(source))} {values[0]}, not {values[1]}."

    def choose_relation(self, number: int, step: Step, result: Result) -> Iterator[str]:
        related = _related(step)
        other = self.phrase(step.inputs[0])
        if related.place == "s":
            subject, noun, target = f"the {related.named.name}", related.named.name, other
            against = self.noun(step.inputs[0])
        else:
            subject, noun, target = other, self.noun(step.inputs[0]), f"the {related.named.name}"
            against = related.named.name
        rejected = [relation for relation in related.relations if relation != result.seen[0]]
        if where := self.around.where(result.things[0]):
            yield f"The {related.named.name} {be(related.named.name)}{where}."
        yield f"{_upper(subject)} {be(noun)} {result.seen[0]} {target}, not {rejected[0]} {pronoun(against)}."

    def compare(self, number: int, step: Step, result: Result) -> Iterator[str]:
        is_first = result.things[0] in self.run.results[step.inputs[0]].things
        one, other = step.inputs if is_first else step.inputs[::-1]
        first, second = (SAID.get(value, value) for value in result.seen)
        yield (
            f"{_upper(self.phrase(one))} {be(self.noun(one))} {first}, and {self.phrase(other)} {be(self.noun(other))} "
            f"{second}."
        )
        yield f"So {self.phrase(one)} {be(self.noun(one))} {step.type} than {self.phrase(other)}."

    def same(self, number: int, step: Step, result: Result) -> Iterator[str]:
        equal = (step.operation == "same") is result.truth
        if len(step.inputs) == 1:
            if equal:
                noun = self.noun(step.inputs[0])
                verb = "are" if is_plural(noun) else "is"
                yield f"{_upper(_all(self.bare(step.inputs[0]), noun))} {verb} {of_kind(step.type, result.seen[0])}."
            else:
                kinds = list(dict.fromkeys(of_kind(step.type, value) for value in result.seen))
                yield f"One of them is {kinds[0]}, another one is {kinds[1] if len(kinds) > 1 else 'not'}."
            return
        first, second = (self.phrase(source) for source in step.inputs)
        verbs = [be(self.noun(source)) for source in step.inputs]
        if equal:
            yield f"Both {first} and {second} are {as_predicate(step.type, result.seen[0])}."
            yield f"So they have the same {step.type}."
        else:
            values = [as_predicate(step.type, value) for value in result.seen]
            yield f"{_upper(first)} {verbs[0]} {values[0]}, while {second} {verbs[1]} {values[1]}."
            yield f"So they differ in {step.type}."

    def common(self, number: int, step: Step, result: Result) -> Iterator[str]:
        first, second = (self.phrase(source) for source in step.inputs)
        yield f"Both {first} and {second} are {as_predicate(result.text, result.seen[0])}."
        yield f"So what they have in common is the {result.text}."

    def exist(self, number: int, step: Step, result: Result) -> Iterator[str]:
        source = step.inputs[0]
        if self.run.steps[source].operation == "relate" or not result.truth:
            return  # said already
        noun = self.noun(source)
        where, bare = self.around.found(result.things[0]), self.bare(source)
        yield self.pick(
            (f"There {be(noun)} {with_article(bare, noun)}{where}.", f"I see {with_article(bare, noun)}{where}."),
            number,
        )

    def every(self, number: int, step: Step, result: Result) -> Iterator[str]:
        yield "Both of these hold." if result.truth else "They do not both hold."

    def any(self, number: int, step: Step, result: Result) -> Iterator[str]:
        yield "At least one of these holds." if result.truth else "Neither of them holds."


_TOLD: Mapping[str, Callable[[_Teller, int, Step, Result], Iterator[str]]] = {
    **{"select": _Teller.select, "filter": _Teller.filter, "relate": _Teller.relate, "query": _Teller.query},
    **{"exist": _Teller.exist, "verify": _Teller.verify, "verify rel": _Teller.verify_relation, "and": _Teller.every},
    **{"choose": _Teller.choose, "choose rel": _Teller.choose_relation, "compare": _Teller.compare, "or": _Teller.any},
    **{"same": _Teller.same, "different": _Teller.same, "common": _Teller.common},
}


def chain_of(run: Executed, id: str) -> str:
    """The chain of thought of an executed program: two to five sentences, the last of which names the answer.

    Args:
        id: of the question; it chooses among wordings.
    """
    teller = _Teller(run, mixed(0, "chain", id))
    told = list(dict.fromkeys(teller.sentences()))
    while len(told) > MOST - 1:
        first, second, *rest = told
        told = [f"{first.removesuffix('.')}, and {_lower(second)}", *rest]
    return " ".join([*told, teller.pick(_CONCLUSIONS, 2).format(answer=run.answer)])


def _related(step: Step) -> Related:
    assert step.related is not None  # of every step with a relation (`program`)
    return step.related


def _all(bare: str, noun: str) -> str:
    return f"all the {bare}" if is_plural(noun) else f"every {bare}"


def _apart(where: str) -> str:
    return f",{where}" if where else ""


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower(text: str) -> str:
    return text if text.startswith("I ") else text[:1].lower() + text[1:]
