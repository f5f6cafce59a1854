"""Supervised fine-tuning on chains of thought, with the checkpoint chosen by generated answers on val."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import ProcessorMixin
from trl import SFTConfig, SFTTrainer
from trl.data_utils import prepare_multimodal_messages
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from reinforced_cot.attention.padding_free import without_padding
from reinforced_cot.attention.tree_attention import NEFTUNE, no_trees
from reinforced_cot.data.examples import Example
from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.generation.rendering import completion_lengths, taught_text
from reinforced_cot.launch.topologies import Topology
from reinforced_cot.models.loading import backbone_of
from reinforced_cot.policies.settings import Selection
from reinforced_cot.policies.sft import SftSettings
from reinforced_cot.seeds import subset
from reinforced_cot.switches import is_on
from reinforced_cot.training.preflight import (
    check_fits,
    check_trainer,
    checked_lengths,
    find_start,
    load_start,
    pixels_per_question,
    processor_of,
)
from reinforced_cot.training.trainer import (
    Claim,
    ResumingTrainer,
    keep_features,
    nothing_to_claim,
    run,
    trainer_arguments,
)
from reinforced_cot.training.trainer_data import LengthEpochSampler, sft_dataset
from reinforced_cot.training.validation import (
    SELECTED_BY,
    StopEarly,
    ValidatingTrainer,
    ValidationQuestions,
)


class CompletionCollator:
    """TRL's collator, which gets the prompts that are generated from, and the text that is to be generated.

    TRL would render the completion by the chat template, too, and some templates leave its chain out. There is no loss
    on the line break that templates write after the end token: it is never sampled.
    """

    def __init__(self, processor: ProcessorMixin) -> None:
        self._stock = DataCollatorForVisionLanguageModeling(processor, completion_only_loss=True)
        self._processor = processor

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Make a batch of examples; its labels have shape ``(examples, tokens)``."""
        batch: dict[str, Any] = self._stock([self._rendered(example) for example in examples])
        end = batch["labels"] == self._processor.tokenizer.eos_token_id
        batch["labels"][end.cumsum(dim=1) - end.long() > 0] = -100
        return batch

    def _rendered(self, example: dict[str, Any]) -> dict[str, Any]:
        messages = prepare_multimodal_messages(example["prompt"], images=example["images"])
        prompt = self._processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        completion = taught_text(self._processor, prompt, example["completion"][-1]["content"])
        return {**example, "prompt": prompt, "completion": completion}


class PackedTrainer(ValidatingTrainer, ResumingTrainer, SFTTrainer):
    """An `SFTTrainer` with batches of similar length, whose rows may hold several chains without padding.

    Args:
        padding_free_rows: ``padding_free`` of the policy's settings.
    """

    def __init__(self, *args: Any, padding_free_rows: str, **kwargs: Any) -> None:
        self._padding_free_rows = padding_free_rows
        super().__init__(*args, **kwargs)

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> LengthEpochSampler:
        stock = super()._get_train_sampler(train_dataset)
        # Over all processes, so that the order of rows, and the rows of a step, do not depend on their number.
        return LengthEpochSampler(stock.batch_size * self.args.world_size, list(stock.lengths), self.args.seed)

    def compute_loss(self, model: torch.nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        backbone = backbone_of(self.accelerator.unwrap_model(model))
        reason = NEFTUNE if self.args.neftune_noise_alpha else no_trees(backbone)
        if is_on("policies.*.padding_free", self._padding_free_rows, reason):
            inputs = without_padding(inputs, backbone)
        return super().compute_loss(model, inputs, *args, **kwargs)


def train(
    settings: SftSettings,
    train_examples: Sequence[Example],
    val_examples: Sequence[Example],
    data: Path,
    origin: Path,
    output: Path,
    resume_from: Path | None,
    topology: Topology | None = None,
    claim: Claim = nothing_to_claim,
    trackers: str = "",
) -> None:
    """Fine-tune the policy in ``origin``; under ``output``, write ``adapter/`` or, in full fine-tuning, ``model/``, its
    manifest, and ``metrics.json``.

    Args:
        data: the folder that the examples' images are relative to.
        origin: ``results/{policy}`` of the policy to start from.
        output: ``results/{policy}``.
        resume_from: a checkpoint of this very run, or None.
        topology: how the run must be spread over processes and devices; None for one process.
        claim: what `trainer.resume` has returned.
        trackers: what is told of the run, as JSON; empty for TensorBoard alone.

    Raises:
        DataError: no example has a chain, or a prompt is too long.
        PipelineError: answers on val would be cut off, the device has too little memory, or the run is not spread as
            ``topology`` says.
    """
    policy, start = settings.policy, find_start(settings, origin)
    chains = subset([example for example in train_examples if example.chain], policy.examples, settings.seed)
    if not chains:
        raise DataError("SFT needs chains of thought, and no training example has one")
    val_questions = subset(val_examples, policy.selection.examples, settings.seed)
    processor = processor_of(settings, start)
    asked = checked_lengths(settings, start, processor, val_questions, data, policy.selection.max_new_tokens)
    completions = completion_lengths(processor, chains, settings.prompt)
    check_cut_off(policy.selection, completions)
    prompts = checked_lengths(settings, start, processor, chains, data, completions)
    lengths = [a + b for a, b in zip(prompts, completions, strict=True)]
    check_fits(
        settings,
        start,
        topology,
        pixels_per_question(processor, [*chains, *val_questions]),
        max(*prompts, *asked),
        max(lengths),
        output,
        resume_from,
    )
    arguments = sft_config(settings, output)  # before the model: ZeRO-3 splits weights while they are loaded
    model, adapter = load_start(settings, start, topology)
    trainer = PackedTrainer(
        model=model,
        args=arguments,
        train_dataset=sft_dataset(chains, data, settings.prompt, lengths),
        # The trainer requires one, although `evaluate` asks val's questions itself.
        eval_dataset=sft_dataset(chains[:1], data, settings.prompt, lengths[:1]),
        data_collator=CompletionCollator(processor),
        processing_class=processor,
        peft_config=adapter,
        callbacks=[StopEarly(policy.selection.patience)],
        questions=ValidationQuestions(val_questions, data, settings.prompt, policy.selection, settings.seed),
        padding_free_rows=policy.padding_free,
    )
    check_trainer(trainer, settings, start, topology)
    keep_features(trainer, settings, output)
    run(trainer, settings, resume_from, start, output, claim, trackers)


def check_cut_off(selection: Selection, lengths: Sequence[int]) -> None:
    """See that answers may be as long as the chains that are learned.

    Args:
        lengths: of the chains with their answers, in tokens.

    Raises:
        PipelineError: one in ten or more would be cut off, and the settings do not say that this is meant.
    """
    longer = sum(length > selection.max_new_tokens for length in lengths)
    if longer >= len(lengths) / 10 and longer and not selection.allow_cut_off:
        raise PipelineError(
            f"selection.max_new_tokens is {selection.max_new_tokens}, and {longer} of the {len(lengths)} chains that "
            f"SFT learns from are longer ({max(lengths)} tokens at most, answer included): a policy that learned them "
            "would be cut off before its answer, and nothing would decide between checkpoints. Set it to "
            f"{max(lengths)} or more, or selection.allow_cut_off true"
        )


def sft_config(settings: SftSettings, output: Path) -> SFTConfig:
    """TRL's configuration: the user's fields, loss on completion tokens only, batches grouped by length."""
    training = settings.policy.training
    return SFTConfig(
        **trainer_arguments(settings, "sft", output),
        completion_only_loss=True,
        max_length=None,  # no truncation: a truncated image is an error or, worse, passes silently (trl#4289)
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        remove_unused_columns=False,  # else the lengths are dropped before batches are grouped by them
        eval_strategy=training["save_strategy"],
        eval_steps=training.get("save_steps"),
        metric_for_best_model=SELECTED_BY,
        greater_is_better=True,
    )
