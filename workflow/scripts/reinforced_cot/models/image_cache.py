"""Images that are prepared for a model once, however often they are shown.

TRL hands the processor each image for each of a question's completions, and all of them again before the loss.
"""

import copy
import hashlib
from collections import OrderedDict
from typing import Any

import numpy
from PIL import Image
from transformers import BatchFeature, ProcessorMixin
from transformers.image_utils import make_flat_list_of_images


def remember_images(processor: ProcessorMixin, count: int) -> None:
    """Let a processor keep what it made of the last ``count`` images, if every image becomes one block of patches."""
    if not processor.family.tiled:
        processor.image_processor = RememberedImages(processor.image_processor, count)


class RememberedImages:
    """Stands before an image processor: images that were prepared before do not reach it.

    It is everything else that the image processor is, and no subclass of that: of which class one would have to be
    depends on whether torchvision is installed, and files would name the subclass.
    """

    def __init__(self, stock: Any, count: int) -> None:
        self._stock, self._count = stock, count
        self._kept: OrderedDict[tuple[Any, ...], dict[str, numpy.ndarray]] = OrderedDict()

    def __call__(self, images: Any, *args: Any, return_tensors: str | None = None, **options: Any) -> Any:
        shown = make_flat_list_of_images(images)
        if any(getattr(image, "mode", None) != "RGB" for image in shown):
            return self._stock(images, *args, return_tensors=return_tensors, **options)
        found = []
        for image in shown:
            key = _key(image), args, repr(sorted(options.items(), key=lambda option: option[0]))
            if key not in self._kept:
                self._kept[key] = dict(self._stock([image], *args, return_tensors="np", **options))
            self._kept.move_to_end(key)
            found.append(self._kept[key])
        while len(self._kept) > self._count:
            self._kept.popitem(last=False)
        rows = {name: numpy.concatenate([one[name] for one in found]) for name in found[0]}
        return BatchFeature(rows, tensor_type=return_tensors)

    preprocess = __call__

    def __getattr__(self, name: str) -> Any:
        if name == "_stock":  # while a copy is made it is not there yet
            raise AttributeError(name)
        return getattr(self._stock, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy of the image processor alone: a processor saves a copy of what it consists of."""
        return copy.deepcopy(self._stock, memo)


def _key(image: Image.Image) -> tuple[Any, ...]:
    return image.size, hashlib.sha256(image.tobytes()).digest()
