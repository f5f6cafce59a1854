"""Loading a checkpoint's processor, with or without torchvision."""

from pathlib import Path
from typing import Any

from transformers import AutoProcessor, PreTrainedTokenizerBase, ProcessorMixin
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from transformers.utils import is_torchvision_available

from reinforced_cot.files import write_json

IMAGE_TOKEN = "<|image_pad|>"
VIDEO_TOKEN = "<|video_pad|>"
# What a sampler must never produce: an image token without an image ends the run hours later (verl#7038).
VISION_TOKENS = ["<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", IMAGE_TOKEN, VIDEO_TOKEN]

NEVER = -100.0  # the bias by which vLLM bans a token


class ImageOnlyProcessor(Qwen2_5_VLProcessor):
    """`Qwen2_5_VLProcessor` without its video processor, which needs torchvision; images do not."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **kwargs: Any
    ) -> None:
        self.image_token = IMAGE_TOKEN
        self.video_token = VIDEO_TOKEN
        self.image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        self.video_token_id = tokenizer.convert_tokens_to_ids(VIDEO_TOKEN)
        # The parent's __init__ insists on a video processor: go past it to the mix-in.
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    def save_pretrained(self, save_directory: str | Path, **kwargs: Any) -> list[str]:
        """As the stock one, with the file of a video processor, without which the stock one would not load again."""
        saved: list[str] = super().save_pretrained(save_directory, **kwargs)
        video = {"video_processor_type": "Qwen2VLVideoProcessor", "processor_class": "Qwen2_5_VLProcessor"}
        write_json(Path(save_directory) / "video_preprocessor_config.json", video)
        return saved


# Saved under the stock name, so that the folder loads with the stock AutoProcessor where torchvision exists.
ImageOnlyProcessor.__name__ = ImageOnlyProcessor.__qualname__ = "Qwen2_5_VLProcessor"


def load_processor(folder: Path | str, **options: Any) -> ProcessorMixin:
    """The processor of a checkpoint, padding on the left as generation needs it (trl#5785).

    Args:
        folder: a checkpoint folder, or a hub id.
        options: passed to ``from_pretrained``: revision, trust_remote_code, min_pixels, max_pixels.
    """
    kind = AutoProcessor if is_torchvision_available() else ImageOnlyProcessor
    processor = kind.from_pretrained(folder, **options)
    processor.tokenizer.padding_side = "left"
    processor.tokenizer.init_kwargs["padding_side"] = "left"  # the attribute alone is lost when the processor is saved
    return processor


def vision_token_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids of the tokens that stand for images and videos, for a sampler to suppress."""
    vocabulary = tokenizer.get_vocab()
    return [vocabulary[token] for token in VISION_TOKENS if token in vocabulary]


def prompt_length(processor: ProcessorMixin, text: str, width: int, height: int) -> int:
    """Tokens of a rendered prompt with one image of ``width`` x ``height`` pixels, its visual tokens included."""
    patches = processor.image_processor.get_number_of_image_patches(height, width, {})
    visual = patches // processor.image_processor.merge_size**2
    return len(processor.tokenizer(text, add_special_tokens=False)["input_ids"]) - 1 + visual
