"""Images that are prepared for a model once, however often they are shown.

TRL hands the processor each image for each of a question's completions, and all of them again before the loss.
"""

import hashlib
from collections import OrderedDict
from typing import Any

import numpy
from PIL import Image
from transformers import BatchFeature, ProcessorMixin
from transformers.image_utils import make_flat_list_of_images


def remember_images(processor: ProcessorMixin, count: int) -> None:
    """Let a processor keep what it made of the last ``count`` images, where it makes a stretch of patches of each."""
    stock = processor.image_processor
    if processor.family.tiled:
        return
    kept: OrderedDict[tuple[Any, ...], dict[str, numpy.ndarray]] = OrderedDict()

    class Remembering(type(stock)):  # type: ignore[misc]
        def preprocess(self, images: Any, *args: Any, return_tensors: str | None = None, **options: Any) -> Any:
            if any(getattr(image, "mode", None) != "RGB" for image in make_flat_list_of_images(images)):
                return super().preprocess(images, *args, return_tensors=return_tensors, **options)
            found = []
            for image in make_flat_list_of_images(images):
                key = _key(image), args, repr(sorted(options.items(), key=lambda option: option[0]))
                if key not in kept:
                    kept[key] = dict(super().preprocess([image], *args, return_tensors="np", **options))
                kept.move_to_end(key)
                found.append(kept[key])
            while len(kept) > count:
                kept.popitem(last=False)
            rows = {name: numpy.concatenate([one[name] for one in found]) for name in found[0]}
            return BatchFeature(rows, tensor_type=return_tensors)

    Remembering.__name__ = Remembering.__qualname__ = type(stock).__name__  # which a checkpoint's files name
    processor.image_processor = Remembering.from_dict(stock.to_dict())


def _key(image: Image.Image) -> tuple[Any, ...]:
    return image.size, hashlib.sha256(image.tobytes()).digest()
