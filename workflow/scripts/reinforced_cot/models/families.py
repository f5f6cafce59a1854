"""The supported model families and their differences. `processors` has a class for each family, too."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reinforced_cot.errors import DataError, PipelineError


@dataclass(frozen=True)
class Family:
    """What the pipeline has to know about a family and cannot ask transformers.

    Attributes:
        name: in the spelling of its makers.
        processor: name of transformers' processor class; `processors` replaces it by a class of the same name.
        video_processor: name of the class that the stock processor loads for videos where torchvision is installed.
        vision: paths of the modules for images: the vision tower, and the projector if that is a module of its own.
        vision_tokens: tokens around images that the processor does not name.
        tiled: images are cut into tiles of one size; the processor bounds the number of tiles instead of the area.
        vllm_rollouts: TRL's colocated vLLM reads prompts correctly once each run of image tokens is collapsed.
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
        """Regular expressions that match the beginning of the paths of modules that are not quantized.

        A vision tower is small and loses the most by quantization. The head often shares the embedding's weights.
        """
        return [*map(re.escape, self.vision), "lm_head"]

    def is_vision(self, module: str) -> bool:
        """Whether the module at a path is one for images, in or below ``vision``."""
        return any(f"{module}.".startswith(f"{path}.") for path in self.vision)

    def budget_options(self, min_pixels: int, max_pixels: int, size: Mapping[str, int]) -> dict[str, Any]:
        """The pixel budget in the image processor's own fields.

        Args:
            min_pixels, max_pixels: from the section `image`.
            size: the image processor's own; of a tiled family, ``height`` and ``width`` of a tile in pixels.
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
        checkpoint: named in the error message.

    Raises:
        DataError: the family is unknown.
    """
    if model_type not in FAMILIES:
        known = ", ".join(f"{family.name} ({name})" for name, family in FAMILIES.items())
        raise DataError(f"{checkpoint} is a model of type {model_type}, which is not supported; use one of {known}")
    return FAMILIES[model_type]


def family_of_checkpoint(folder: Path) -> Family:
    """The family of a checkpoint folder, by its config.json.

    Raises:
        DataError: the file is missing or is no JSON object, or the family is unknown.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} has no config.json that can be read, so it is no checkpoint: {error}") from None
    return family_of(config.get("model_type") if isinstance(config, dict) else None, folder)


def check_vllm_rollouts(family: Family, key: str = "policies.*") -> None:
    """Refuse rollouts by vLLM for a family whose prompts vLLM may read differently from the trainer (trl#6294).

    Args:
        key: the policy's section, such as ``policies.grpo``.

    Raises:
        PipelineError: names the key.
    """
    if not family.vllm_rollouts:
        right = ", ".join(other.name for other in FAMILIES.values() if other.vllm_rollouts)
        raise PipelineError(
            f"`{key}.training.use_vllm` is true; rollouts by vLLM are known to be right for {right} only, and the base "
            f"is {family.name}: set it false"
        )
