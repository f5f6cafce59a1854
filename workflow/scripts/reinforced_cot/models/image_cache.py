"""A cache in front of the image processor: each image is prepared once, however often it is shown.

TRL passes a question's image to the processor once per completion, and before the loss once more per completion.
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
    """Let a processor keep the last ``count`` images that it prepared, unless its family cuts images into tiles."""
    if not processor.family.tiled:
        processor.image_processor = RememberedImages(processor.image_processor, count)


class RememberedImages:
    """A wrapper that passes on to an image processor only the images that it does not remember.

    All other attributes are the image processor's own. It is no subclass: its base class would depend on whether
    torchvision is installed, and saved files would name the subclass.
    """

    def __init__(self, stock: Any, count: int) -> None:
        self._stock, self._count = stock, count
        self._kept: OrderedDict[tuple[Any, ...], dict[str, numpy.ndarray]] = OrderedDict()

    def __call__(self, images: Any, *args: Any, return_tensors: str | None = None, **options: Any) -> Any:
        shown = make_flat_list_of_images(images)
        if any(getattr(image, "mode", None) != "RGB" for image in shown):
            return self._stock(images, *args, return_tensors=return_tensors, **options)
        prepared = []
        for image in shown:
            key = _key(image), args, repr(sorted(options.items(), key=lambda option: option[0]))
            if key not in self._kept:
                self._kept[key] = dict(self._stock([image], *args, return_tensors="np", **options))
            self._kept.move_to_end(key)
            prepared.append(self._kept[key])
        while len(self._kept) > self._count:
            self._kept.popitem(last=False)
        rows = {name: numpy.concatenate([fields[name] for fields in prepared]) for name in prepared[0]}
        return BatchFeature(rows, tensor_type=return_tensors)

    preprocess = __call__

    def __getattr__(self, name: str) -> Any:
        if name == "_stock":  # a copy that is being made does not have it yet
            raise AttributeError(name)
        return getattr(self._stock, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Copy the image processor alone: a processor saves deep copies of its parts, and the cache must stay out."""
        return copy.deepcopy(self._stock, memo)


def _key(image: Image.Image) -> tuple[Any, ...]:
    return image.size, hashlib.sha256(image.tobytes()).digest()
