"""Which values a type of attribute has, such as "red" for color. GQA lists none, but its programs name both."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from reinforced_cot.programs.program import Step

ValueTypes = Mapping[str, frozenset[str]]
_WITH_VALUE = ("filter", "verify", "choose")


class Learned:
    """The values of each type, as programs name them."""

    def __init__(self) -> None:
        self._found: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, steps: Sequence[Step], answer: str) -> None:
        """Learn from a program and GQA's answer: of "verify color: red", and of "query: color", whose answer is red."""
        for step in steps:
            if step.operation in _WITH_VALUE and step.type:
                self._found[step.type].update([step.wanted[0]] if step.operation == "filter" else step.options)
        if steps[-1].operation == "query":
            self._found[steps[-1].type].add(answer)

    def types(self) -> ValueTypes:
        """What was learned, with the values of a type in lower case as they stand in scene graphs."""
        return {type: frozenset(values) for type, values in self._found.items()}


def values_of(types: ValueTypes, type: str, attributes: Iterable[str]) -> tuple[str, ...]:
    """Those of some attributes that are of a type.

    >>> values_of({"color": frozenset({"red", "blue"})}, "color", ["large", "red"])
    ('red',)
    """
    known = types.get(type, frozenset())
    return tuple(value for value in attributes if value in known)
