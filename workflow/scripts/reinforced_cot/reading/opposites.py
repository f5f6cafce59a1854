"""Words that deny each other: what a chain may say in place of "no", and both ends of what things are compared by."""

from collections import defaultdict
from collections.abc import Iterator

# Each line: a word, and words that are true where it is not.
_LISTED = """
open: closed
empty: full occupied
older: younger
left: right
front: behind back
inside: outside
wet: dry
more: fewer less
same: different differ differs unequal
taller: shorter smaller lower
bigger: smaller
larger: smaller
above: below under underneath
on: off
hot: cold
clean: dirty
day: night
real: fake artificial plastic imitation
alone: together accompanied
standing: sitting lying seated sits lies
sitting: stands
before: after
near: far
light: dark
up: down
odd: even
top: bottom
old: new young modern
long: short
longer: shorter
heavier: lighter
cheaper: dearer
equal: different
round: square oblong
smiling: frowning crying serious
asleep: awake
moving: parked still
wild: tame
male: female
boy: girl
man: woman
raw: cooked
sun: overcast cloud
visible: hidden
present: absent missing
working: broken
safe: unsafe dangerous
crowded: empty deserted
wide: narrow
wider: narrower
lit: dark off
dark: bright
healthy: sick
true: false
facing: away
bare: covered
ripe: unripe green
alive: dead
calm: rough
quiet: loud busy
straight: curved bent crooked
flat: hilly
matching: different
match: different differ
identical: different differ
equally: different
first: second last
"""


def _opposites() -> dict[str, frozenset[str]]:
    both: defaultdict[str, set[str]] = defaultdict(set)
    for line in _LISTED.split("\n"):
        word, _, others = line.partition(":")
        for other in others.split():
            both[word].add(other)
            both[other].add(word)
    return {word: frozenset(others) for word, others in both.items()}


OPPOSITES = _opposites()

# What things are compared by: adjectives of one end, and of the other. "Shorter" may be the other end of two of them.
_COMPARED = """
large big great huge: small tiny little
tall: short small tiny
long: short
old: young new
high: low
heavy: light
bright light: dark
wide broad: narrow
thick: thin
fat: thin slim
fast quick: slow
close near: far distant
clean: dirty
cheap: expensive dear
hot warm: cold cool
hard: soft
loud: quiet
strong: weak
deep: shallow
full: empty
early: late
steep: flat
wet: dry
"""
_IRREGULAR = {"far": "farther farthest further furthest"}
COUNT, SIDE, HEIGHT, DEPTH = "count", "side", "height", "depth"
Sense = tuple[str, int]  # what is compared, and 1 or -1 for its end
PLACES: dict[str, Sense] = {
    **{"left": (SIDE, 1), "right": (SIDE, -1), "front": (DEPTH, 1), "ahead": (DEPTH, 1), "behind": (DEPTH, -1)},
    **{"above": (HEIGHT, 1), "over": (HEIGHT, 1), "atop": (HEIGHT, 1), "top": (HEIGHT, 1)},
    **dict.fromkeys(("below", "under", "underneath", "beneath"), (HEIGHT, -1)),
}


def _degrees(adjective: str) -> Iterator[str]:
    """The comparative and the superlative.

    >>> list(_degrees("big")), list(_degrees("tiny"))
    (['bigger', 'biggest'], ['tinier', 'tiniest'])
    """
    if adjective in _IRREGULAR:
        yield from _IRREGULAR[adjective].split()
        return
    stem = adjective
    if stem.endswith("e"):
        stem = stem[:-1]
    elif stem.endswith("y"):
        stem = f"{stem[:-1]}i"
    elif stem[-1] not in "aeiouw" and stem[-2] in "aeiou" and stem[-3] not in "aeiou":
        stem += stem[-1]
    yield from (f"{stem}er", f"{stem}est")


def _compared(with_degrees: bool) -> dict[str, frozenset[Sense]]:
    senses: defaultdict[str, set[Sense]] = defaultdict(set)
    for line in _COMPARED.strip().split("\n"):
        for end, adjectives in zip((1, -1), line.split(":"), strict=True):
            for adjective in adjectives.split():
                for form in _degrees(adjective) if with_degrees else (adjective,):
                    senses[form].add((line, end))
    return {form: frozenset(found) for form, found in senses.items()}


ADJECTIVES = _compared(with_degrees=False)
COMPARATIVES = {
    **_compared(with_degrees=True),
    **{"more": frozenset({(COUNT, 1)}), "most": frozenset({(COUNT, 1)})},
    **dict.fromkeys(("fewer", "less", "fewest", "least"), frozenset({(COUNT, -1)})),
}
