"""Words that deny each other: what a chain may say in place of "no"."""

from collections import defaultdict

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
