"""Loading a checkpoint's processor for images, whichever its family, with or without torchvision."""

from functools import cache
from pathlib import Path
from typing import Any

import transformers
from transformers import ProcessorMixin

from reinforced_cot.files import write_json
from reinforced_cot.models.families import Family, family_of_checkpoint
from reinforced_cot.models.transformers_hooks import image_tokens

NEVER = -100.0  # the bias by which vLLM bans a token


@cache
def processor_class(family: Family) -> type[ProcessorMixin]:
    """The family's processor without its video processor, which needs torchvision; images do not.

    It carries ``family``, and is saved under the stock name, so that the folder loads with the stock AutoProcessor
    where torchvision exists.
    """
    stock: type[ProcessorMixin] = getattr(transformers, family.processor)

    class ImageOnly(stock):
        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in super().get_attributes() if name != "video_processor"]

        def save_pretrained(self, save_directory: str | Path, **kwargs: Any) -> list[str]:
            """As the stock one, with the file of a video processor, without which that would not load again."""
            saved: list[str] = super().save_pretrained(save_directory, **kwargs)
            video = {"video_processor_type": family.video_processor, "processor_class": family.processor}
            write_json(Path(save_directory) / "video_preprocessor_config.json", video)
            return saved

    ImageOnly.__name__ = ImageOnly.__qualname__ = family.processor
    ImageOnly.family = family
    return ImageOnly


def load_processor(folder: Path, **options: Any) -> ProcessorMixin:
    """The processor of a checkpoint folder, padding on the left as generation needs it (trl#5785).

    Args:
        options: passed to ``from_pretrained``: trust_remote_code.

    Raises:
        DataError: the checkpoint is of no family that is known.
    """
    processor = processor_class(family_of_checkpoint(folder)).from_pretrained(folder, **options)
    processor.tokenizer.padding_side = "left"
    processor.tokenizer.init_kwargs["padding_side"] = "left"  # the attribute alone is lost when the processor is saved
    return processor


def set_pixel_budget(processor: ProcessorMixin, min_pixels: int, max_pixels: int) -> None:
    """Let the processor keep images within a budget; it is saved with it."""
    stock = processor.image_processor
    options = processor.family.budget_options(min_pixels, max_pixels, stock.size)
    processor.image_processor = type(stock).from_dict({**stock.to_dict(), **options})


def vision_token_ids(processor: ProcessorMixin) -> list[int]:
    """Ids of the tokens that stand for or around images and videos.

    A sampler must never produce one: an image token without an image ends the run hours later (verl#7038).
    """
    vocabulary = processor.tokenizer.get_vocab()
    tokens = {processor.image_token, processor.video_token, *processor.family.vision_tokens}
    named = {vocabulary[token] for token in tokens if token in vocabulary}
    return sorted(named.union(id for id in processor.image_token_ids if id is not None))


def prompt_length(processor: ProcessorMixin, text: str, width: int, height: int) -> int:
    """Tokens of a rendered prompt with one image of ``width`` x ``height`` pixels, its visual tokens included."""
    visual = image_tokens(processor, width, height)
    return len(processor.tokenizer(text, add_special_tokens=False)["input_ids"]) - 1 + visual
