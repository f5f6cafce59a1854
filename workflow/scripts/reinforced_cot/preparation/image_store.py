"""The images of a split in one folder: each is decoded once, in threads, and written in the order of the records."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from reinforced_cot.data.images import EncodedImage, ImageRejected, encoded
from reinforced_cot.data.records import ImageSource
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.integrity import DIFFERENCE_HASH
from reinforced_cot.preparation.box_checks import Sizes

_Known = Future[EncodedImage] | str | ImageRejected


class ImageStore:
    """Saves images of equal content once, whatever their files are called.

    Attributes:
        written: size, sha256 and difference hash of each file, by its name.
        sizes: as `EncodedImage` has them, by the file's name.
    """

    def __init__(self, folder: Path, budget: PixelBudget, pool: ThreadPoolExecutor) -> None:
        self._folder, self._budget, self._pool = folder, budget, pool
        self._by_path: dict[Path, _Known] = {}
        self.written: dict[str, dict[str, Any]] = {}
        self.sizes: dict[str, Sizes] = {}

    def begin(self, images: Sequence[ImageSource], place: str) -> list["Path | Future[EncodedImage]"]:
        """Let threads decode the images of one question, unless they are known.

        Args:
            place: where the question stands, for messages about images without a file.

        Returns:
            What `finish` takes.
        """
        begun: list[Path | Future[EncodedImage]] = []
        for image in images:
            if not isinstance(image, Path):
                begun.append(self._pool.submit(encoded, image, f"an image of {place}", self._budget))
                continue
            if image not in self._by_path:
                self._by_path[image] = self._pool.submit(encoded, image, str(image), self._budget)
            begun.append(image)
        return begun

    def finish(self, begun: Sequence["Path | Future[EncodedImage]"]) -> tuple[str, ...]:
        """Write the images of one question, unless they are written, and return the names of their files.

        Questions must be finished in the order of the records: of two files with equal pixels, the first one is kept.

        Raises:
            ImageRejected: an image cannot be used.
        """
        for image in begun:  # none is written if one of them cannot be used
            self._check(image)
        return tuple(self._name(image) for image in begun)

    def _check(self, image: "Path | Future[EncodedImage]") -> None:
        known = self._by_path[image] if isinstance(image, Path) else image
        if isinstance(known, Future):
            try:
                known.result()
            except ImageRejected as error:
                if isinstance(image, Path):
                    self._by_path[image] = error
                raise
        elif isinstance(known, ImageRejected):
            raise known

    def _name(self, image: "Path | Future[EncodedImage]") -> str:
        if isinstance(image, Future):
            return self._write(image.result())
        known = self._by_path[image]
        if isinstance(known, Future):
            known = self._by_path[image] = self._write(known.result())  # without the file's content
        return str(known)

    def _write(self, image: EncodedImage) -> str:
        if image.name not in self.written:
            (self._folder / image.name).write_bytes(image.content)
            self.sizes[image.name] = image.sizes
            self.written[image.name] = {
                "bytes": len(image.content),
                "sha256": image.sha256,
                DIFFERENCE_HASH: image.difference_hash,
            }
        return image.name
