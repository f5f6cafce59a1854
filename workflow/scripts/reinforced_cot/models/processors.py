"""Loading a checkpoint's processor for text and images, of any family, with or without torchvision."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import transformers
from transformers import ProcessorMixin

from reinforced_cot.files import write_json
from reinforced_cot.models.families import FAMILIES, Family, family_of_checkpoint
from reinforced_cot.models.transformers_hooks import image_tokens

NEVER = -100.0  # the logit bias by which vLLM bans a token


class ImageOnly(ProcessorMixin):
    """A family's processor without its video processor, the only part that needs torchvision.

    Each class below has the name of the stock class that it replaces. A processor saves the name of its class, also in
    the tokenizer's file: with the stock name, AutoProcessor loads the folder where torchvision is installed.
    """

    family: Family

    @classmethod
    def get_attributes(cls) -> list[str]:
        return [name for name in super().get_attributes() if name != "video_processor"]

    def save_pretrained(self, save_directory: str | Path, **kwargs: Any) -> list[str]:
        """Save as the stock processor does, with a video processor's file: the stock one cannot load without it."""
        saved: list[str] = super().save_pretrained(save_directory, **kwargs)
        video = {"video_processor_type": self.family.video_processor, "processor_class": self.family.processor}
        write_json(Path(save_directory) / "video_preprocessor_config.json", video)
        return saved


class Qwen2VLProcessor(ImageOnly, transformers.Qwen2VLProcessor):
    """Qwen2-VL's."""

    family = FAMILIES["qwen2_vl"]


class Qwen2_5_VLProcessor(ImageOnly, transformers.Qwen2_5_VLProcessor):
    """Qwen2.5-VL's."""

    family = FAMILIES["qwen2_5_vl"]


class Qwen3VLProcessor(ImageOnly, transformers.Qwen3VLProcessor):
    """Qwen3-VL's."""

    family = FAMILIES["qwen3_vl"]


class InternVLProcessor(ImageOnly, transformers.InternVLProcessor):
    """InternVL's."""

    family = FAMILIES["internvl"]


def processor_class(family: Family) -> type[ImageOnly]:
    """The class of a family's processor without its video processor."""
    (matching,) = (candidate for candidate in ImageOnly.__subclasses__() if candidate.family is family)
    return matching


def load_processor(folder: Path, **options: Any) -> ProcessorMixin:
    """Load the processor of a checkpoint folder; it pads on the left, as generation needs (trl#5785).

    Args:
        options: passed to ``from_pretrained``, such as trust_remote_code.

    Raises:
        DataError: the checkpoint's family is unknown.
    """
    processor = processor_class(family_of_checkpoint(folder)).from_pretrained(folder, padding_side="left", **options)
    # How it was loaded (HF_HUB_OFFLINE sets the second) would be saved with it: the same merge would give other bytes.
    for circumstance in ("is_local", "local_files_only"):
        processor.tokenizer.init_kwargs.pop(circumstance, None)
    return processor


def set_pixel_budget(processor: ProcessorMixin, min_pixels: int, max_pixels: int) -> None:
    """Give the processor a pixel budget per image, which is saved with it."""
    stock = processor.image_processor
    options = processor.family.budget_options(min_pixels, max_pixels, stock.size)
    processor.image_processor = type(stock).from_dict({**stock.to_dict(), **options})


def max_pixels(processor: ProcessorMixin) -> int:
    """The area in pixels of the largest image that the processor prepares; of a tiled family, of all tiles together."""
    stock = processor.image_processor
    if processor.family.tiled:
        return int(stock.max_patches * stock.size["height"] * stock.size["width"])
    return int(stock.size["longest_edge"])


def vision_token_ids(processor: ProcessorMixin) -> list[int]:
    """Ids of the tokens that stand for images and videos, or around them.

    They must never be sampled: an image token without an image ends the run hours later (verl#7038).
    """
    vocabulary = processor.tokenizer.get_vocab()
    tokens = {processor.image_token, processor.video_token, *processor.family.vision_tokens}
    named = {vocabulary[token] for token in tokens if token in vocabulary}
    return sorted(named.union(id for id in processor.image_token_ids if id is not None))


def prompt_length(processor: ProcessorMixin, text: str, sizes: Sequence[tuple[int, int]]) -> int:
    """Length in tokens of a rendered prompt, visual tokens included.

    Args:
        sizes: width and height in pixels of each of its images, which stand in ``text`` as one token each.
    """
    visual = sum(image_tokens(processor, width, height) for width, height in sizes)
    return len(processor.tokenizer(text, add_special_tokens=False)["input_ids"]) - len(sizes) + visual
