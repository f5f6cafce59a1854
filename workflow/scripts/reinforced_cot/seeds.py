"""Random streams from the one seed of a run, independent of each other; random subsets."""

import hashlib
import heapq
from collections.abc import Sequence
from typing import Protocol, TypeVar


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=_Identified)


def mixed(seed: int, *parts: object) -> int:
    """A seed of 63 bits for one use of ``seed``, named by ``parts``.

    A sum would not do: ``seed + batch`` gives batch 1 of seed 1 the same stream as batch 0 of seed 2.

    >>> mixed(1, "sample", 0) == mixed(1, "sample", 0), mixed(1, "sample", 1) == mixed(2, "sample", 0)
    (True, False)
    """
    return int.from_bytes(hashlib.sha256(repr((seed, *parts)).encode()).digest()[:8], "big") >> 1


def rank_of(seed: int, id: str) -> str:
    """The place of an item in the random order of ``seed``, as text that sorts."""
    return hashlib.sha256(f"{seed} {id}".encode()).hexdigest()


def subset(items: Sequence[Item], size: int | None, seed: int) -> list[Item]:
    """``size`` items chosen at random, in the order given; all of them when ``size`` is None or above their number.

    A larger subset contains the smaller ones, since the hash of seed and id gives every item a fixed rank. The first
    ``size`` items would not do: files are sorted by image, and the error of an estimate shrinks with the number of
    images.
    """
    if size is None or size >= len(items):
        return list(items)

    chosen = heapq.nsmallest(size, enumerate(items), key=lambda numbered: rank_of(seed, numbered[1].id))
    return [item for _, item in sorted(chosen, key=lambda numbered: numbered[0])]
