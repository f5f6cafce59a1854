"""Answering with transformers: a checkpoint is loaded once and answers batch by batch."""

from pathlib import Path
from typing import Any

from transformers import ProcessorMixin

from reinforced_cot.generation.batching import Batch, Completion
from reinforced_cot.generation.generate import generate_batch
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.models.image_cache import remember_images
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.vision_cache import VISION_CACHE, use_vision_cache


class TransformersEngine:
    """A checkpoint loaded by transformers; the cache of its image features stands beside the policies' folders."""

    def __init__(self, folder: Path, processor: ProcessorMixin, settings: AnswerSettings, data: Path) -> None:
        """
        Args:
            folder: ``results/{policy}/model``.
            data: the folder that image paths are relative to.
        """
        loading = settings.base_model
        self._processor, self._prompt, self._data = processor, settings.prompt, data
        self._model = load_model(folder, loading).requires_grad_(False)
        use_vision_cache(self._model, folder.parents[1] / VISION_CACHE, loading)
        remember_images(processor, 1)  # while a batch is prepared, its own images are kept as well

    def generate_batch(
        self, batch: Batch, *, max_new_tokens: int, samples: int = 0, seed: int = 0, begin: str = ""
    ) -> list[list[Completion]]:
        """Call `generate.generate_batch`."""
        options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "samples": samples, "seed": seed, "begin": begin}
        return generate_batch(self._model, self._processor, batch, self._data, self._prompt, **options)
