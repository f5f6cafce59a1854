"""The model families that the pipeline knows, and how they differ; `processors` has a class for each as well."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reinforced_cot.errors import DataError, PipelineError


@dataclass(frozen=True)
class Family:
    """What is to be known of a family beyond what transformers finds out by itself.

    Attributes:
        name: as its makers write it.
        processor: transformers' class, which a class of that name in `processors` stands for.
        video_processor: what that class wants to find beside it where torchvision is installed.
        vision: paths of the modules beside the language model: the vision tower, and what projects from it.
        vision_tokens: tokens around images that the processor does not name as such.
        tiled: an image is cut into tiles of one size; the processor is told their largest number, not two areas.
        vllm_rollouts: whether TRL's colocated vLLM reads its prompts right once runs of image tokens are collapsed.
    """

    name: str
    processor: str
    video_processor: str
    vision: tuple[str, ...]
    vision_tokens: tuple[str, ...] = ()
    tiled: bool = False
    vllm_rollouts: bool = False

    @property
    def not_quantized(self) -> list[str]:
        """Regular expressions for the beginning of the paths of modules that are left as they are.

        A vision tower loses the most by quantization and is small, and the head's weights are often the embedding's.
        """
        return [*map(re.escape, self.vision), "lm_head"]

    def is_vision(self, module: str) -> bool:
        """Whether a module, given by its path, is no part of the language model."""
        return any(f"{module}.".startswith(f"{path}.") for path in self.vision)

    def budget_options(self, min_pixels: int, max_pixels: int, size: Mapping[str, int]) -> dict[str, Any]:
        """The pixel budget in the image processor's own fields.

        Args:
            min_pixels, max_pixels: of the config's section image.
            size: the image processor's; with tiles, the ``height`` and ``width`` of one, in pixels.
        """
        if self.tiled:
            return {"max_patches": max(1, max_pixels // (size["height"] * size["width"]))}
        return {"size": {"shortest_edge": min_pixels, "longest_edge": max_pixels}}


_QWEN_VISION = ("model.visual",)
_QWEN_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>")

# By the `model_type` of a checkpoint's config.json.
FAMILIES = {
    "qwen2_vl": Family(
        "Qwen2-VL", "Qwen2VLProcessor", "Qwen2VLVideoProcessor", _QWEN_VISION, _QWEN_TOKENS, vllm_rollouts=True
    ),
    "qwen2_5_vl": Family(
        "Qwen2.5-VL", "Qwen2_5_VLProcessor", "Qwen2VLVideoProcessor", _QWEN_VISION, _QWEN_TOKENS, vllm_rollouts=True
    ),
    "qwen3_vl": Family(
        "Qwen3-VL", "Qwen3VLProcessor", "Qwen3VLVideoProcessor", _QWEN_VISION, _QWEN_TOKENS, vllm_rollouts=True
    ),
    "internvl": Family(
        "InternVL",
        "InternVLProcessor",
        "InternVLVideoProcessor",
        vision=("model.vision_tower", "model.multi_modal_projector"),
        tiled=True,
    ),
}


def family_of(model_type: str | None, checkpoint: Path | str) -> Family:
    """The family of a model type.

    Args:
        checkpoint: what the message names.

    Raises:
        DataError: the family is not known here.
    """
    if model_type not in FAMILIES:
        known = ", ".join(f"{family.name} ({name})" for name, family in FAMILIES.items())
        raise DataError(f"{checkpoint} is a model of type {model_type}, which is not supported; use one of {known}")
    return FAMILIES[model_type]


def family_of_checkpoint(folder: Path) -> Family:
    """The family of a checkpoint folder, by its config.json.

    Raises:
        DataError: the file is missing or no JSON object, or the family is not known here.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} has no config.json that can be read, so it is no checkpoint: {error}") from None
    return family_of(config.get("model_type") if isinstance(config, dict) else None, folder)


def check_vllm_rollouts(family: Family, key: str = "policies.*") -> None:
    """Refuse rollouts by vLLM of a family whose prompts it would read otherwise than the trainer (trl#6294).

    Args:
        key: of the policy's section.

    Raises:
        PipelineError: names the key.
    """
    if not family.vllm_rollouts:
        right = ", ".join(other.name for other in FAMILIES.values() if other.vllm_rollouts)
        raise PipelineError(
            f"`{key}.training.use_vllm` is true; rollouts by vLLM are known to be right for {right} only, and the base "
            f"is {family.name}: set it false"
        )
