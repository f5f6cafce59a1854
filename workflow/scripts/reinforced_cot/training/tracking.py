"""What trackers are told of a training: its curves, and completions with their images."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from reinforced_cot.files import read_json
from reinforced_cot.generation.batching import opened
from reinforced_cot.policies.settings import TrainSettings
from reinforced_cot.scoring.prediction_rows import unscored
from reinforced_cot.scoring.predictions import scored
from reinforced_cot.trackers.policy_run import Entry, PolicyRun, Row, Rows, final_figures
from reinforced_cot.trackers.settings import Trackers
from reinforced_cot.training.validation import SELECTED_BY, completions_file

_SHOWN = 16  # completions of one generation


class Tracking(TrainerCallback):
    """Tells the trackers what is logged, what the policy answers at each validation, and what RL learns from.

    Args:
        output: ``results/{policy}``.
        trackers: as JSON.
    """

    def __init__(self, trainer: Trainer, settings: TrainSettings, output: Path, trackers: str) -> None:
        chosen = Trackers.model_validate_json(trackers)
        self._trainer, self._every = trainer, chosen.completions_every
        self._run = PolicyRun(chosen, output, settings.as_dict(), is_training=True)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._run.tell(self._history(), self._shown)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._run.tell(self._history(), self._shown)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self._every and state.global_step % self._every == 0 and getattr(self._trainer, "generation", None):
            self._run.table("completions/train", self._generated, state.global_step)

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """Tell the end of the training.

        Args:
            metrics: the content of metrics.json.
        """
        self._run.finish(self._history(), self._shown, dict(final_figures(metrics)))

    def _history(self) -> list[dict[str, Any]]:
        # `Trainer`'s closing entry is left out as in metrics.json: it tells of the time since the last resume.
        return [entry for entry in self._trainer.state.log_history if "train_runtime" not in entry]

    def _shown(self, entry: Entry) -> tuple[str, Rows] | None:
        file = completions_file(self._trainer.args, int(entry["step"]))
        if SELECTED_BY not in entry or not file.is_file():
            return None
        return "completions/val", partial(self._answered, int(entry["step"]), file)

    def _answered(self, step: int, file: Path) -> list[Row]:
        """What the policy wrote to some questions of val."""
        questions = self._trainer.questions
        examples = {example.id: example for example in questions.examples}
        return [
            {
                "step": step,
                "image": side_by_side([opened(questions.data / name) for name in examples[answer["id"]].images]),
                "question": answer["question"],
                "completion": answer["completion"],
                "answer": answer["answer"],
                "right": bool(scored(unscored(examples[answer["id"]], answer["completion"]))["is_correct"]),
            }
            for answer in read_json(file)
        ]

    def _generated(self) -> list[Row]:
        """What RL has learned from last, with its rewards."""
        rows, completions, rewards = self._trainer.generation
        weights = self._trainer.reward_weights.to(rewards.device)
        return [
            {
                "step": self._trainer.state.global_step,
                "image": side_by_side(row["images"]),
                "question": row["question"],
                "completion": completion[0]["content"],
                "answer": row["answer"],
                **dict(zip(self._trainer.reward_func_names, earned.tolist(), strict=True)),
                "reward": (earned * weights).sum().item(),
            }
            for row, completion, earned in zip(rows[:_SHOWN], completions, rewards, strict=False)
        ]


def side_by_side(images: Sequence[Image.Image]) -> Image.Image:
    """The images of one question as one picture: not every tracker has several in a cell."""
    if len(images) == 1:
        return images[0]
    picture = Image.new("RGB", (sum(image.width for image in images), max(image.height for image in images)), "white")
    left = 0
    for image in images:
        picture.paste(image, (left, 0))
        left += image.width
    return picture
