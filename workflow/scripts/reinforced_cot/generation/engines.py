"""The engines that generate answers, by their names in ``answer.engine``."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from reinforced_cot.generation.batching import Batch, Completion
from reinforced_cot.generation.settings import AnswerSettings


class AnsweringModel(Protocol):
    """A loaded checkpoint that answers questions batch by batch."""

    def generate_batch(
        self, batch: Batch, *, max_new_tokens: int, samples: int = 0, seed: int = 0, begin: str = ""
    ) -> list[list[Completion]]:
        """Complete each question of a batch: one greedy completion, or ``samples`` completions at temperature 1.

        Args:
            seed: the sampling follows from it and from the batch's number.
            begin: text written for the policy at the start of its turn; completions do not include it. Without it, they
                begin with what the prompt has opened (`opened_chains`).
        """


@dataclass(frozen=True)
class Engine:
    """One way to generate.

    Attributes:
        load: makes an `AnsweringModel` of ``results/{policy}/model``, its processor, the stage's settings, the folder
            that image paths are relative to, and how many images one question shows at most.
        reserves_memory: whether the engine reserves a fixed share of the device by itself; the stage's memory plan is
            then not checked.
    """

    load: Callable[[Path, Any, AnswerSettings, Path, int], AnsweringModel]
    reserves_memory: bool = False


def _transformers(folder: Path, processor: Any, settings: AnswerSettings, data: Path, images: int) -> AnsweringModel:
    from reinforced_cot.generation.transformers_engine import TransformersEngine

    return TransformersEngine(folder, processor, settings, data)


def _vllm(folder: Path, processor: Any, settings: AnswerSettings, data: Path, images: int) -> AnsweringModel:
    from reinforced_cot.generation.vllm_engine import VllmEngine

    return VllmEngine(folder, processor, settings, data, images)


ENGINES = {"transformers": Engine(_transformers), "vllm": Engine(_vllm, reserves_memory=True)}
