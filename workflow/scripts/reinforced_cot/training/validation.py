"""Questions of val that a policy answers while it is trained: its curve, the best checkpoint, and an early end."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from reinforced_cot.data.examples import Example
from reinforced_cot.data.settings import Prompt
from reinforced_cot.files import read_json, write_json
from reinforced_cot.generation.distributed import generate_together
from reinforced_cot.policies.settings import Selection
from reinforced_cot.resuming import VALIDATION
from reinforced_cot.scoring.metrics import shares
from reinforced_cot.scoring.prediction_rows import unscored
from reinforced_cot.scoring.predictions import scored

log = logging.getLogger(__name__)

SELECTED_BY = "eval_accuracy"  # of the checkpoint that is published
_SHOWN = 10  # questions whose completions are kept


@dataclass(frozen=True)
class ValidationQuestions:
    """The questions whose generated answers decide which checkpoint is kept.

    Attributes:
        data: the folder that the examples' images are relative to.
        seed: of sampled answers.
    """

    examples: Sequence[Example]
    data: Path
    prompt: Prompt
    selection: Selection
    seed: int


class ValidatingTrainer(Trainer):
    """A trainer whose evaluation asks the questions of val and scores the generated answers.

    The loss does not say whether the answers are right, and the original chose its checkpoint on the test set. Answers
    are greedy, or sampled by a generator of their own: training draws the same random numbers as without them.

    Args:
        questions: that `evaluate` asks; None where nothing calls it.
    """

    def __init__(self, *args: Any, questions: ValidationQuestions | None = None, **kwargs: Any) -> None:
        self.questions = questions
        super().__init__(*args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        assert self.questions is not None
        questions, selection = self.questions, self.questions.selection
        completions = generate_together(
            self,
            questions.examples,
            questions.data,
            questions.prompt,
            batch_size=selection.batch_size,
            max_new_tokens=selection.max_new_tokens,
            samples=selection.samples,
            seed=questions.seed,
        )
        rows = [
            scored(unscored(example, completion.text))
            for example, answers in zip(questions.examples, completions, strict=True)
            for completion in answers  # one greedy completion, or the samples
        ]
        scores = shares(rows)
        if not scores["format_rate"]:
            cut_off = sum(completion.truncated for answers in completions for completion in answers)
            log.warning(
                "step %d: none of %d answers is well-formed, so that none is right; %d were cut off at "
                "selection.max_new_tokens %d",
                *(self.state.global_step, len(rows), cut_off, selection.max_new_tokens),
            )
        metrics = {f"eval_{name}": scores[name] for name in ("accuracy", "format_rate", "consistency")}
        if self.is_world_process_zero():
            texts = [answers[0].text for answers in completions[:_SHOWN]]
            shown = [
                {"id": one.id, "question": one.question_text, "answer": one.answer, "completion": text}
                for one, text in zip(questions.examples, texts, strict=False)
            ]
            file = completions_file(self.args, self.state.global_step)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, shown)
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _determine_best_metric(self, metrics: dict[str, float], *args: Any, **kwargs: Any) -> bool:
        if metrics[SELECTED_BY] == self.state.best_metric:
            self.state.best_metric = None  # of two equal checkpoints the later one has learned more
        return bool(super()._determine_best_metric(metrics, *args, **kwargs))


class ValidateEvery(TrainerCallback):
    """Asks for validation before the first step, every so many steps, and after the last one.

    TRL's own switch would also want rewards of val's questions. Training's averages are logged first, so that those of
    val do not mix with them.
    """

    def __init__(self, trainer: Trainer, every: int | None) -> None:
        self._trainer, self._every = trainer, every

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._every and state.global_step == 0:
            self._trainer.evaluate()  # what the policy starts from, which no checkpoint holds

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        if self._every and (state.global_step % self._every == 0 or state.global_step >= state.max_steps):
            control.should_evaluate = control.should_log = True
        return control


class StopEarly(TrainerCallback):
    """Ends training when the accuracy on val has not risen for ``patience`` validations; that step is saved."""

    def __init__(self, patience: int | None) -> None:
        self._patience = patience

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        if has_ended(state.log_history, self._patience):
            log.info(
                "step %d: training ends, since %d validations in a row brought no better accuracy on val",
                *(state.global_step, self._patience),
            )
            control.should_training_stop = control.should_save = True
        return control


def has_ended(history: Sequence[Mapping[str, Any]], patience: int | None) -> bool:
    """Whether the accuracy on val has not risen in the last ``patience`` validations of a training history.

    The first one may be of the policy that training starts from.

    >>> curve = [{"eval_accuracy": value} for value in (0.2, 0.5, 0.5, 0.4)]
    >>> has_ended(curve, 2), has_ended(curve, 3), has_ended(curve, None)
    (True, False, False)
    """
    found = [entry[SELECTED_BY] for entry in history if SELECTED_BY in entry]
    return patience is not None and len(found) > patience and max(found[-patience:]) <= max(found[:-patience])


def warn_if_below_start(history: Sequence[Mapping[str, Any]], best: str | None) -> None:
    """Log a warning where the policy that training started from answered more questions of val right.

    Args:
        best: the checkpoint that is published for its accuracy; None where the last one is.
    """
    found = {entry["step"]: entry[SELECTED_BY] for entry in history if SELECTED_BY in entry}
    if not found or 0 not in found:
        return
    published = int(best.rpartition("-")[2]) if best else max(found)
    if found[published] < found[0]:
        log.warning(
            "step %d, which is published, answers %.3f of val right; before training it was %.3f",
            *(published, found[published], found[0]),
        )


def kept_completions(trainer: Trainer) -> list[dict[str, Any]]:
    """What the policy wrote to the same few questions of val, by the step."""
    steps = [entry["step"] for entry in trainer.state.log_history if SELECTED_BY in entry]
    return [
        {"step": step, "answers": read_json(file)}
        for step in steps
        if (file := completions_file(trainer.args, step)).is_file()
    ]


def completions_file(args: TrainingArguments, step: int) -> Path:
    """Where a validation keeps what the policy wrote."""
    return Path(str(args.output_dir)) / VALIDATION / f"{step}.json"
