"""The functional programs of GQA's questions, read from the key ``semantic`` of a question.

Hudson and Manning, "GQA: a new dataset for real-world visual reasoning" (CVPR 2019), section 3.3. A step has an
operation, such as "filter color", an argument and the steps that it depends on. Arguments name objects with their ids
in the scene graph: "dog (1597419)", "people (12,13)", "fence (-)" where the image has none. A relation is
"table,on,s (3605777)": ``s`` says that the named object is the subject ("the table is on it"), ``o`` that it is the
object ("it is on the table"), and ``_`` that both are alike ("same color").
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

ANY = "_"  # in place of a name
SCENE = "scene"
# Comparisons by what is known of the two things: the one that is asked for, and the other one.
COMPARED = {
    "older": ("old", "young"),
    "younger": ("young", "old"),
    "taller": ("tall", "short"),
    "shorter": ("short", "tall"),
    "larger": ("large", "small"),
    "bigger": ("large", "small"),
    "smaller": ("small", "large"),
    "longer": ("long", "short"),
    "higher": ("high", "low"),
    "lower": ("low", "high"),
    "healthier": ("healthy", "unhealthy"),
    "less healthy": ("unhealthy", "healthy"),
}
# The operations, and what a type of attribute may follow ("filter color").
TYPED = ("filter", "verify", "choose", "same", "different")
PLAIN = ("select", "relate", "query", "exist", "and", "or", "common")
_OBJECTS = re.compile(r"(?P<text>.*?)\s*\((?P<ids>-|[\d,\s]+)\)\s*", re.DOTALL)
_NOT = re.compile(r"not\s*\((?P<value>.*)\)\s*", re.DOTALL)


class ProgramFault(Exception):
    """Why a program cannot be executed, in words by which questions are counted."""


class Named(NamedTuple):
    """Objects by name.

    Attributes:
        name: such as "dog", or `ANY`.
        ids: in the scene graph; empty where the image has none, None where the program does not say.
    """

    name: str
    ids: tuple[str, ...] | None


class Related(NamedTuple):
    """Objects by a relation to those of an earlier step.

    Attributes:
        relations: such as ("on",); several where one of them is to be chosen.
        place: ``s`` where the named object is the subject, ``o`` where it is the object, `ANY` where both are alike.
    """

    named: Named
    relations: tuple[str, ...]
    place: str


class Step(NamedTuple):
    """One step of a program.

    Attributes:
        operation: of `TYPED` or `PLAIN`; "verify rel" and "choose rel" for relations; "compare" for "choose older" and
            its like.
        type: of the attribute, such as "color"; empty where none is named.
        argument: without what follows.
        inputs: the numbers of the steps whose results it needs, all smaller than its own.
        named: the objects of "select". related: those of "relate", "verify rel" and "choose rel".
    """

    operation: str
    type: str
    argument: str
    inputs: tuple[int, ...]
    named: Named | None = None
    related: Related | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """What is to be chosen from."""
        return tuple(option.strip() for option in self.argument.split("|"))

    @property
    def wanted(self) -> tuple[str, bool]:
        """The value of a filter, and whether objects must have it: "not(red)" is ("red", False)."""
        negated = _NOT.fullmatch(self.argument)
        return (negated["value"].strip(), False) if negated else (self.argument, True)


def program(rows: Any) -> tuple[Step, ...]:
    """The steps of a question's ``semantic``.

    Raises:
        ProgramFault: an operation is unknown, which is named, or the steps are not as GQA writes them.
    """
    if not isinstance(rows, list) or not rows:
        raise ProgramFault("no program")
    return tuple(_step(row, number) for number, row in enumerate(rows))


def _step(row: Any, number: int) -> Step:
    if not (
        isinstance(row, Mapping)
        and isinstance(name := row.get("operation"), str)
        and isinstance(argument := row.get("argument"), str)
        and isinstance(inputs := row.get("dependencies"), list)
        and all(isinstance(item, int) and 0 <= item < number for item in inputs)
    ):
        raise ProgramFault("a malformed step")
    operation, type = _operation(_in_words(name))
    argument = argument.strip()
    if operation in ("query", "same", "different") and argument and not type:
        type = _in_words(argument)
    if len(inputs) not in _INPUTS[operation]:
        raise ProgramFault("a malformed step")
    step = Step(operation, type, argument, tuple(inputs))
    if operation == "select":
        return step._replace(named=_named(argument))
    return step._replace(related=_related(argument)) if operation in _RELATIONS else step


_RELATIONS = ("relate", "verify rel", "choose rel")
_INPUTS: Mapping[str, Sequence[int]] = {
    **dict.fromkeys(("filter", "verify", "choose", "relate", "query", "exist", "verify rel", "choose rel"), (1,)),
    **{"select": (0,), "compare": (2,), "common": (2,), "same": (1, 2), "different": (1, 2)},
    **{"and": range(2, 9), "or": range(2, 9)},
}


def _in_words(name: str) -> str:
    """
    >>> _in_words("verify sportActivity"), _in_words("query")
    ('verify sport activity', 'query')
    """
    return " ".join(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).split()).lower()


def _operation(name: str) -> tuple[str, str]:
    """The operation and the type of attribute that its name holds.

    >>> _operation("filter color"), _operation("choose older"), _operation("verify rel"), _operation("exist")
    (('filter', 'color'), ('compare', 'older'), ('verify rel', ''), ('exist', ''))
    """
    head, _, rest = name.partition(" ")
    if name in _RELATIONS or name in PLAIN:
        return name, ""
    if head == "choose" and rest in COMPARED:
        return "compare", rest
    if head in TYPED:
        return head, rest
    raise ProgramFault(f"unknown operation: {name[:40]}")


def _named(text: str) -> Named:
    """
    >>> _named("dog (1597419)"), _named("people (1, 2)").ids, _named("fence (-)").ids, _named("scene").ids is None
    (Named(name='dog', ids=('1597419',)), ('1', '2'), (), True)
    """
    match = _OBJECTS.fullmatch(text)
    if not match:
        return Named(text.strip(), None)
    ids = match["ids"].strip()
    return Named(match["text"].strip(), () if ids == "-" else tuple(id.strip() for id in ids.split(",") if id.strip()))


def _related(text: str) -> Related:
    """
    >>> _related("table,on top of,o (12)").relations, _related("man,to the left of|to the right of,s (7)").relations
    (('on top of',), ('to the left of', 'to the right of'))
    """
    named = _named(text)
    parts = [part.strip() for part in named.name.rsplit(",", 2)]
    if len(parts) != 3 or parts[2] not in ("s", "o", ANY):
        raise ProgramFault("a malformed step")
    name, relations, place = parts
    return Related(Named(name, named.ids), tuple(one.strip() for one in relations.split("|")), place)


def operations(rows: Any) -> Iterable[str]:
    """The names of a program's operations as they stand in the file, for counting."""
    return [str(row.get("operation")) for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
