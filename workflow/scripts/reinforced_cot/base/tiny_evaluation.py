"""How often the tiny model reads held-out scenes right: its pretraining ends by this."""

from collections.abc import Sequence
from typing import Self

import torch
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor

from reinforced_cot.base.tiny_texts import Scenes, Texts, predictions, rope_positions, tokenize
from reinforced_cot.data.completions import THINK_OPEN, completion_text
from reinforced_cot.digits.digit_scenes import Record

# Their chain has one right form. Where a question is about two objects, a shortcut is an expected answer, too.
HELD_OUT_TYPES = ("color", "value")


class HeldOutQuestions:
    """Questions about scenes that the model is not trained on, each with the one right chain.

    Args:
        texts: of one scene, and maybe of two: questions up to the tag that opens the chain, which tells the model to
            think, and the completions.
        features: of every scene's image, shape `(scenes, visual tokens, hidden)`.
        grid: `image_grid_thw` of any one image, shape `(1, 3)`.
    """

    def __init__(self, texts: Sequence[Texts], features: torch.Tensor, grid: torch.Tensor) -> None:
        self._texts, self._features, self._grid = texts, features, grid

    @classmethod
    def of(
        cls,
        processor: Qwen2_5_VLProcessor,
        questions: Sequence[Sequence[tuple[Scenes, Record]]],
        features: torch.Tensor,
        grid: torch.Tensor,
    ) -> Self:
        """Questions of several kinds; those of a kind are about equally many scenes, each given by its number."""
        begin = f"{THINK_OPEN}\n"
        kinds = [
            [
                (scenes, record["question"], completion_text(record["cot"], record["answer"]).removeprefix(begin))
                for scenes, record in kind
            ]
            for kind in questions
        ]
        return cls([tokenize(processor, features.shape[1], rows, begin) for rows in kinds], features, grid)

    @torch.no_grad()
    def accuracy(self, model: Qwen2_5_VLForConditionalGeneration) -> float:
        """Share of the questions whose greedy completion is right in every token, chain and answer.

        One pass tells it without generation: the greedy completion is the right one exactly if, after each of its
        tokens, the next is the most probable.
        """
        was_training = model.training
        model.eval()
        wrong = torch.cat([self._wrong(model, texts) for texts in self._texts])
        model.train(was_training)
        return 1 - wrong.float().mean().item()

    def _wrong(self, model: Qwen2_5_VLForConditionalGeneration, texts: Texts) -> torch.Tensor:
        """Whether a token of each row's completion is wrong, shape `(rows,)`."""
        rows = torch.arange(len(texts.ids))
        positions = rope_positions(model, texts.ids, self._grid.repeat(texts.scene.shape[1], 1))
        logits, true, row = predictions(model, texts, rows, self._features, positions)
        wrong = torch.zeros(len(rows), dtype=torch.bool)
        wrong[row[logits.argmax(-1) != true]] = True
        return wrong
