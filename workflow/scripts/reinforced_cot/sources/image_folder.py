"""The images of one folder, for sources with many questions an image: each image is looked for once."""

from pathlib import Path, PurePath

from reinforced_cot.data.images import ImageRejected
from reinforced_cot.errors import DataError
from reinforced_cot.sources.image_files import IMAGE_SUFFIXES, find_image, is_file


class ImageFolder:
    """Finds images by the names that they may have, and remembers each result for all readings of the records."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[tuple[str, ...], Path | ImageRejected] = {}

    def check(self) -> None:
        """See that there is a folder.

        Raises:
            DataError: there is none.
        """
        if not self._folder.is_dir():
            raise DataError(f"the image folder {self._folder} does not exist")

    def find(self, *names: str) -> Path:
        """The first file ``{name}.jpg`` that there is; or else the first name's with another suffix or like look.

        Raises:
            ImageRejected: there is none, or a name is a path.
        """
        if names not in self._found:
            self._found[names] = self._search(names)
        found = self._found[names]
        if isinstance(found, ImageRejected):
            raise ImageRejected(found.reason, found.detail)  # anew, since a kept exception would keep all its frames
        return found

    def _search(self, names: tuple[str, ...]) -> Path | ImageRejected:
        for name in names:
            file = f"{name}.jpg"
            if PurePath(file).name == file and is_file(self._folder / file):
                return self._folder / file
        try:
            return find_image(self._folder, names[0], IMAGE_SUFFIXES)
        except ImageRejected as error:
            if error.reason != "missing image" or not names[1:]:
                return error
            others = ", ".join(f"{name}.jpg" for name in names[1:])
            return ImageRejected(error.reason, f"{error.detail}; there is no {others} either")


def coco_names(image_id: str, subset: str = "") -> tuple[str, ...]:
    """The names of an image of COCO (cocodataset.org): those of 2014 begin with their part, those of 2017 do not.

    >>> coco_names("262148", "val2014")
    ('COCO_val2014_000000262148', '000000262148', '262148')
    """
    padded = image_id.zfill(12)
    names = (f"COCO_{subset}_{padded}",) if subset else ()
    return tuple(dict.fromkeys((*names, padded, image_id)))
