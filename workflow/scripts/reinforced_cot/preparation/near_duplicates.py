"""Images that are nearly the same: another size, compression or crop of one photograph, neighbouring frames of a film.

Two images whose difference hashes (`images.difference_hash`) differ in few bits are compared by tiny colour copies,
since plain images have like hashes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy
from PIL import Image

_FEW_BITS = 10  # of 128; JPEG at quality 15 or a third of the size changes up to 5; other photographs differ in 40
_THUMBNAIL = 16  # pixels per side of the colour copies
_ALIKE = 0.985  # correlation of their pixels: .998 after these changes; .98 between scenes with one shape each
_AT_ONCE = 2**22  # pairs that are compared in one step: 64 MiB


class Pair(NamedTuple):
    """Two images that are nearly the same, by their paths."""

    first: str
    second: str


def near_duplicates(first: Mapping[str, str], second: Mapping[str, str], folder: Path) -> list[Pair]:
    """For each image of ``second`` the nearest one of ``first``, if it is nearly the same.

    Args:
        first, second: difference hashes by the images' paths.
        folder: that the paths are relative to.
    """
    if not first or not second:
        return []
    names, others = list(first), list(second)
    hashes, other_hashes = _as_numbers(list(first.values())), _as_numbers(list(second.values()))
    thumbnails: dict[str, numpy.ndarray] = {}

    def thumbnail(name: str) -> numpy.ndarray:
        if name not in thumbnails:
            thumbnails[name] = _thumbnail(folder / name)
        return thumbnails[name]

    pairs = []
    step = max(1, _AT_ONCE // len(names))
    for start in range(0, len(others), step):
        distances = numpy.bitwise_count(other_hashes[start : start + step, None] ^ hashes[None]).sum(axis=2)
        for row in numpy.flatnonzero(distances.min(axis=1) <= _FEW_BITS).tolist():
            other, candidates = others[start + row], numpy.flatnonzero(distances[row] <= _FEW_BITS).tolist()
            alike = [float(thumbnail(names[place]) @ thumbnail(other)) for place in candidates]
            if max(alike) >= _ALIKE:
                pairs.append(Pair(names[candidates[alike.index(max(alike))]], other))
    return pairs


def _as_numbers(hashes: Sequence[str]) -> numpy.ndarray:
    """Shape ``(images, 2)``, unsigned 64 bits."""
    return numpy.frombuffer(bytes.fromhex("".join(hashes)), dtype=numpy.uint64).reshape(len(hashes), 2)


def _thumbnail(path: Path) -> numpy.ndarray:
    """The pixels of a tiny colour copy, with mean 0 and length 1: products of two are correlations."""
    with Image.open(path) as image:
        small = image.convert("RGB").resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
    pixels = numpy.asarray(small, dtype=numpy.float32).ravel()
    pixels -= pixels.mean()
    length = float(numpy.linalg.norm(pixels))
    return pixels / length if length else pixels
