"""Hack probes during RL: how much cheating would earn from the same rewards that the policy learns from."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import GRPOTrainer

from reinforced_cot.answers.truth import truth_of
from reinforced_cot.data.examples import Example, ShownImages
from reinforced_cot.data.image_probes import IMAGE_PROBES
from reinforced_cot.data.opened_chains import after_opening, opened_by
from reinforced_cot.data.parsing import parse_completion
from reinforced_cot.data.prompts import prompt_messages
from reinforced_cot.generation.batching import opened
from reinforced_cot.generation.distributed import generate_together
from reinforced_cot.generation.rendering import rendered_prompt
from reinforced_cot.policies.grpo import GrpoSettings
from reinforced_cot.scoring.constant_answers import constant_answers
from reinforced_cot.scoring.hack_probes import (
    CONSTANT_ANSWER,
    PROBES,
    TEXT_PROBES,
    constant_completions,
)
from reinforced_cot.scoring.rewards import Reward
from reinforced_cot.seeds import subset
from reinforced_cot.training.trainer_data import reward_columns
from reinforced_cot.training.trl_hooks import next_log

_JUDGED_CONSTANTS = 3  # the most frequent ones: a judge may cost money


class ProbeCallback(TrainerCallback):
    """Logs ``probes/...`` every so many steps: the mean reward of the policy and of each probe on the same questions.

    Answers are greedy and leave the trainer's random state as it is, so that a run with probes trains exactly as one
    without.
    """

    def __init__(
        self,
        trainer: GRPOTrainer,
        settings: GrpoSettings,
        examples: Sequence[Example],
        data: Path,
        rewards: Sequence[Reward],
        weights: Sequence[float],
    ) -> None:
        probes, seed = settings.policy.probes, settings.seed
        self._trainer, self._prompt, self._data = trainer, settings.prompt, data
        self._every, self._batch_size = probes.every, probes.batch_size
        self._tokens = settings.policy.training["max_completion_length"]
        self._rewards = list(zip(rewards, weights, strict=True))
        is_costly = any(judge.by == "endpoint" for judge in settings.judges.values())
        questions = min(probes.questions, probes.judged) if is_costly else probes.questions
        self._examples = subset(examples, questions, seed)
        self._images = {name: probe.images(self._examples, seed) for name, probe in IMAGE_PROBES.items()}
        rows = [reward_columns(example) for example in self._examples]
        processor = trainer.processing_class
        self._opened = [opened_by(rendered_prompt(processor, example, self._prompt)) for example in self._examples]
        # The arguments that TRL passes besides the completions; made once, since some fifty constants are tried.
        self._columns = {
            "prompts": [
                prompt_messages(example.question, len(example.images), self._prompt) for example in self._examples
            ],
            "images": [[opened(data / name) for name in example.images] for example in self._examples],
            "log_extra": lambda *_: None,  # a reward must not log a probe as if it were the policy
            "log_metric": lambda *_: None,
            "environments": None,
            **{name: [row[name] for row in rows] for name in rows[0]},
        }
        # One process grades: each would pay a judge for the same completions.
        self._grades = trainer.accelerator.is_main_process
        # The reward of a constant answer does not depend on the policy.
        constants = constant_answers([*map(truth_of, self._examples)])[: _JUDGED_CONSTANTS if is_costly else None]
        self._constant = max(
            self._mean_reward([text] * len(self._examples))
            for answer in constants
            for text in constant_completions(answer)
        )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step % self._every:
            return
        for name, value in self._probed().items():
            next_log(self._trainer)[PROBES + name].append(value)  # which the process that grades writes

    def _probed(self) -> dict[str, float]:
        answers = {"policy": self._ask(None)}
        answers |= {name: self._ask(images) for name, images in self._images.items()}
        earned = {name: self._mean_reward(texts) for name, texts in answers.items()}
        kept = [parse_completion(text).answer or "" for text in answers["policy"]]
        for name, complete in TEXT_PROBES.items():
            texts = [
                complete(example.question_text, answer) for example, answer in zip(self._examples, kept, strict=True)
            ]
            earned[name] = self._mean_reward(texts)
        return {**earned, f"best_{CONSTANT_ANSWER}": self._constant}

    def _ask(self, images: Sequence[ShownImages] | None) -> list[str]:
        completions = generate_together(
            self._trainer,
            self._examples,
            self._data,
            self._prompt,
            batch_size=self._batch_size,
            max_new_tokens=self._tokens,
            images=images,
        )
        return [completion.text for [completion] in completions]

    def _mean_reward(self, texts: Sequence[str]) -> float:
        """The weighted sum of all rewards, as RL pays it, averaged over the questions; 0 if another process grades."""
        if not self._grades:
            return 0.0
        tokenizer = self._trainer.processing_class.tokenizer
        drawn = [after_opening(text, opened) for text, opened in zip(texts, self._opened, strict=True)]
        columns = {
            **self._columns,
            "completions": [[{"role": "assistant", "content": text}] for text in texts],
            "completion_ids": tokenizer(drawn, add_special_tokens=False)["input_ids"],
            "trainer_state": self._trainer.state,
        }
        return sum(weight * fmean(reward(**columns)) for reward, weight in self._rewards)
