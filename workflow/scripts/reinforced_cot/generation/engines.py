"""What generates answers, by the names of ``answer.engine``: a checkpoint that is asked batch by batch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from reinforced_cot.generation.batching import Batch, Completion
from reinforced_cot.generation.settings import AnswerSettings


class Policy(Protocol):
    """A checkpoint that can be asked questions."""

    def generate_batch(
        self, batch: Batch, *, max_new_tokens: int, samples: int = 0, seed: int = 0, begin: str = ""
    ) -> list[list[Completion]]:
        """For each question of a batch its completions: a greedy one, or ``samples`` at temperature 1.

        Args:
            seed: of the sampling.
            begin: what is written for the policy at the start of its turn, and not returned.
        """


@dataclass(frozen=True)
class Engine:
    """One way to generate.

    Attributes:
        load: makes a `Policy` of ``results/{policy}/model``, its processor, the stage's settings, and the folder that
            image paths are relative to.
        plans_memory: whether it takes a fixed share of the device by itself; the stage's memory plan is then not asked.
    """

    load: Callable[[Path, Any, AnswerSettings, Path], Policy]
    plans_memory: bool = False


def _transformers(folder: Path, processor: Any, settings: AnswerSettings, data: Path) -> Policy:
    from reinforced_cot.generation.transformers_engine import TransformersEngine

    return TransformersEngine(folder, processor, settings, data)


def _vllm(folder: Path, processor: Any, settings: AnswerSettings, data: Path) -> Policy:
    from reinforced_cot.generation.vllm_engine import VllmEngine

    return VllmEngine(folder, processor, settings, data)


ENGINES = {"transformers": Engine(_transformers), "vllm": Engine(_vllm, plans_memory=True)}
