"""Searches for each image once: many questions may show it, and each question is read several times."""

from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Generic, TypeVar

from reinforced_cot.data.images import ImageRejected
from reinforced_cot.errors import DataError
from reinforced_cot.raw_images.image_files import find_image, is_file
from reinforced_cot.raw_images.image_suffixes import IMAGE_SUFFIXES

Found = TypeVar("Found")


def check_image_folder(folder: Path) -> None:
    """See that there is a folder of images.

    Raises:
        DataError: there is none.
    """
    if not folder.is_dir():
        raise DataError(f"the image folder {folder} does not exist")


class ImageSearch(Generic[Found]):
    """A search for images by their names that remembers what it found and what it refused."""

    def __init__(self, search: Callable[..., Found]) -> None:
        """Take the function that looks for an image, or raises `ImageRejected`."""
        self._search = search
        self._found: dict[tuple[str, ...], Found | ImageRejected] = {}

    def find(self, *names: str) -> Found:
        """What the search finds for the names of an image.

        Raises:
            ImageRejected: it refuses them.
        """
        if names not in self._found:
            try:
                self._found[names] = self._search(*names)
            except ImageRejected as error:
                self._found[names] = ImageRejected(error.reason, error.detail)
        found = self._found[names]
        if isinstance(found, ImageRejected):
            raise ImageRejected(found.reason, found.detail)  # anew, since a kept exception would keep all its frames
        return found


class ImageFolder:
    """Finds images in one folder by the names that they may have."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._searches = ImageSearch(self._search)

    def check(self) -> None:
        """See that there is a folder.

        Raises:
            DataError: there is none.
        """
        check_image_folder(self._folder)

    def find(self, *names: str) -> Path:
        """The first file ``{name}.jpg`` that there is; or else the file with the first name and another suffix, or
        with a name that looks the same.

        Raises:
            ImageRejected: there is none, or a name is a path.
        """
        return self._searches.find(*names)

    def _search(self, *names: str) -> Path:
        for name in names:
            file = f"{name}.jpg"
            if PurePath(file).name == file and is_file(self._folder / file):
                return self._folder / file
        try:
            return find_image(self._folder, names[0], IMAGE_SUFFIXES)
        except ImageRejected as error:
            if error.reason != "missing image" or not names[1:]:
                raise
            others = ", ".join(f"{name}.jpg" for name in names[1:])
            raise ImageRejected(error.reason, f"{error.detail}; there is no {others} either") from None


def coco_names(image_id: str, subset: str = "") -> tuple[str, ...]:
    """The names of an image of COCO (cocodataset.org): names of 2014 begin with their subset, names of 2017 do not.

    >>> coco_names("262148", "val2014")
    ('COCO_val2014_000000262148', '000000262148', '262148')
    """
    padded = image_id.zfill(12)
    names = (f"COCO_{subset}_{padded}",) if subset else ()
    return tuple(dict.fromkeys((*names, padded, image_id)))
