"""The part of a source that belongs to one split, by the content of its images."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from reinforced_cot.data.image_groups import connected_images
from reinforced_cot.data.records import ImageSource, RawRecord, Records, Rejection
from reinforced_cot.errors import ConfigError, DataError
from reinforced_cot.files import sha256_of


def in_part(records: Records, part: tuple[float, float] | None, name: str) -> Records:
    """The records whose images have a hash within ``part``.

    Splits with disjoint parts share no image, whatever the files are called, and an image keeps its split when others
    are added. Images that questions connect go together. A record without a readable image goes by its place, so that
    exactly one split reports it.

    Args:
        part: from and to within [0, 1], as shares of all hashes; None for all records.
        name: of the source, for messages.

    Raises:
        ConfigError: ``part`` is not such a range.
        DataError: when it is read, if no image falls into ``part``.
    """
    if part is None:
        return records
    if not 0 <= part[0] < part[1] <= 1:
        raise ConfigError(f"part {list(part)} must be [from, to] with 0 <= from < to <= 1")
    hashes = _Hashes()

    @cache
    def groups() -> dict[str, str]:
        """The first hash of those that questions connect; of images that are never shown with others, none."""
        several = (record.images for record in records() if isinstance(record, RawRecord) and len(record.images) > 1)
        return connected_images(map(hashes.of, several))

    def chosen() -> Iterator[RawRecord | Rejection]:
        images = missed = 0
        for record in records():
            if isinstance(record, RawRecord) and record.images:
                first = hashes.of(record.images[:1])[0]
                digest = groups().get(first, first)
                images += 1
            else:
                digest = _hash_of(str(record.place))
            if part[0] <= int(digest, 16) / 2**256 < part[1]:
                yield record
            elif isinstance(record, RawRecord) and record.images:
                missed += 1
        if images and images == missed:
            raise DataError(
                f"{name} has {hashes.count()} images, and none falls into part {list(part)}: widen it or add images"
            )

    return chosen


def images_in_order(records: Records, are_sound: Callable[[RawRecord], bool]) -> list[float]:
    """The places of images within [0, 1], by which `part` cuts them, in order; connected images have one place.

    Args:
        are_sound: whether the images of a record can be read; others will be set aside.
    """
    hashes = _Hashes()
    sound = (record for record in records() if isinstance(record, RawRecord) and record.images and are_sound(record))
    digests = [hashes.of(record.images) for record in sound]
    groups = connected_images(digests)
    return sorted({int(groups[images[0]], 16) / 2**256 for images in digests})


class _Hashes:
    """The hexadecimal sha256 of images; each file is read once."""

    def __init__(self) -> None:
        self._by_path: dict[Path, str] = {}
        self._others: set[str] = set()

    def count(self) -> int:
        """How many images were hashed."""
        return len(self._by_path) + len(self._others)

    def of(self, images: Sequence[ImageSource]) -> list[str]:
        """A hash per image; of a file that cannot be read, that of its name."""
        return [self._of(image) for image in images]

    def _of(self, image: ImageSource) -> str:
        if isinstance(image, Path):
            if image not in self._by_path:
                try:
                    self._by_path[image] = sha256_of(image)
                except OSError:
                    self._by_path[image] = _hash_of(image.name)
            return self._by_path[image]
        digest = hashlib.sha256(image if isinstance(image, bytes) else image.tobytes()).hexdigest()
        self._others.add(digest)
        return digest


def _hash_of(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
