"""Supervised fine-tuning on chains of thought, with the checkpoint chosen by generated answers on val."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import ProcessorMixin, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_pt_utils import LengthGroupedSampler
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.errors import DataError
from reinforced_cot.generation.distributed import generate_together
from reinforced_cot.generation.rendering import prompt_lengths
from reinforced_cot.launch.topologies import Topology
from reinforced_cot.lora.adapter import lora_config, train_in_float32
from reinforced_cot.models.checkpoints import context_length
from reinforced_cot.models.loading import backbone_of, load_model
from reinforced_cot.models.packing import without_padding
from reinforced_cot.models.processors import load_processor
from reinforced_cot.models.tree_attention import NEFTUNE, no_trees
from reinforced_cot.planning.model_shapes import shapes_of
from reinforced_cot.planning.stage_memory import check_memory, sft_plan
from reinforced_cot.processes import local_world_size
from reinforced_cot.scoring.metrics import shares
from reinforced_cot.scoring.prediction_rows import unscored
from reinforced_cot.scoring.predictions import scored
from reinforced_cot.seeds import mixed, subset
from reinforced_cot.switches import is_on
from reinforced_cot.training.full_finetuning import loaded_dtype
from reinforced_cot.training.resuming_trainer import ResumingTrainer
from reinforced_cot.training.topology_check import check_dtype, check_spread
from reinforced_cot.training.trainer import keep_features, run, trainer_arguments
from reinforced_cot.training.trainer_data import sft_dataset


class CompletionCollator:
    """TRL's collator without a loss on the line break that templates write after the end token: it is never sampled."""

    def __init__(self, processor: ProcessorMixin) -> None:
        self._stock = DataCollatorForVisionLanguageModeling(processor, completion_only_loss=True)
        self._tokenizer = processor.tokenizer

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Batch of examples; its labels have shape ``(examples, tokens)``."""
        batch: dict[str, Any] = self._stock(examples)
        end = batch["labels"] == self._tokenizer.eos_token_id
        batch["labels"][end.cumsum(dim=1) - end.long() > 0] = -100
        return batch


class EpochSampler(LengthGroupedSampler):
    """Batches of like length in an order that follows from seed and epoch alone.

    The stock sampler draws from torch's global state: a run that resumes within an epoch would see some rows twice and
    others never.
    """

    def __init__(self, batch_size: int, lengths: list[int], seed: int) -> None:
        super().__init__(batch_size, lengths=lengths, generator=torch.Generator())
        self._seed = seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """The data loader says which epoch begins."""
        self.generator.manual_seed(mixed(self._seed, "sft epoch", epoch))


class AnswerSelectingTrainer(ResumingTrainer, SFTTrainer):
    """`SFTTrainer` whose evaluation asks the questions of val and scores the generated answers.

    The loss does not say whether the answers are right, and the original chose its checkpoint on the test set
    (pitfall 4).

    Attributes:
        padding_free_rows: `sft.padding_free`.
    """

    padding_free_rows = "auto"

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> EpochSampler:
        stock = super()._get_train_sampler(train_dataset)
        # Over all processes, so that the order, and which rows make one step, does not depend on how many there are.
        return EpochSampler(stock.batch_size * self.args.world_size, list(stock.lengths), self.args.seed)

    def ask(self, examples: Sequence[Example], data: Path, settings: Mapping[str, Any]) -> None:
        """Tell the trainer what `evaluate` asks; ``settings`` has the sections prompt and sft."""
        self._asked = (examples, data, settings)

    def compute_loss(self, model: torch.nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        backbone = backbone_of(self.accelerator.unwrap_model(model))
        reason = NEFTUNE if self.args.neftune_noise_alpha else no_trees(backbone)
        if is_on("sft.padding_free", self.padding_free_rows, reason):
            inputs = without_padding(inputs, backbone)
        return super().compute_loss(model, inputs, *args, **kwargs)

    def evaluate(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> dict[str, float]:
        examples, data, settings = self._asked
        selection = settings["sft"]["selection"]
        completions = generate_together(
            self,
            examples,
            data,
            settings["prompt"],
            batch_size=selection["batch_size"],
            max_new_tokens=selection["max_new_tokens"],
            samples=selection["samples"],
            seed=settings["seed"],
        )
        rows = [
            scored(unscored(example, completion.text))
            for example, answers in zip(examples, completions, strict=True)
            for completion in answers  # one greedy completion, or the samples
        ]
        scores = shares(rows)
        metrics = {f"{metric_key_prefix}_{name}": scores[name] for name in ("accuracy", "format_rate", "consistency")}
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class AskAtTheEnd(TrainerCallback):
    """Lets the last checkpoint take part in the selection: with ``save_steps`` it is saved, but not evaluated."""

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        if args.eval_strategy == "steps" and state.global_step >= state.max_steps:
            control.should_evaluate = True
        return control


def train(
    settings: Mapping[str, Any],
    train_examples: Sequence[Example],
    val_examples: Sequence[Example],
    data: Path,
    parent: Path,
    output: Path,
    resume_from: Path | None,
    topology: Topology | None = None,
) -> None:
    """Fine-tune ``parent``; write ``adapter/`` (in full: ``model/``), its manifest and ``metrics.json`` to ``output``.

    Args:
        settings: sections seed, base_model, prompt and sft.
        data: the folder that the examples' images are relative to.
        parent: ``results/base``.
        output: ``results/sft``.
        resume_from: a checkpoint of this very run, or None.
        topology: what the run must be spread over; None is one process.

    Raises:
        DataError: no example has a chain, or a prompt is too long.
    """
    sft, prompt = settings["sft"], settings["prompt"]
    chains = subset([example for example in train_examples if example.cot], sft["examples"], settings["seed"])
    if not chains:
        raise DataError("SFT needs chains of thought, and no training example has one")
    asked = subset(val_examples, sft["selection"]["examples"], settings["seed"])
    trusted = settings["base_model"]["trust_remote_code"]
    processor = load_processor(parent / "model", trust_remote_code=trusted)
    context = context_length(parent / "model", trusted)
    prompt_lengths(processor, asked, data, prompt, context, sft["selection"]["max_new_tokens"])
    completions = _completion_lengths(processor, chains)
    prompts = prompt_lengths(processor, chains, data, prompt, context, completions)
    lengths = [a + b for a, b in zip(prompts, completions, strict=True)]
    shapes = shapes_of(parent / "model", sft["lora"], trust_remote_code=trusted)
    check_memory(sft_plan(settings, shapes, topology, max(prompts), max(lengths)), local_world_size())
    arguments = sft_config(settings, output)  # before the model: ZeRO-3 splits weights while they are loaded
    dtype = loaded_dtype(settings["base_model"]["dtype"], sft["lora"] is None, topology)
    model = load_model(parent / "model", settings["base_model"], sft["quantization"], dtype)
    trainer = AnswerSelectingTrainer(
        model=model,
        args=arguments,
        train_dataset=sft_dataset(chains, data, prompt, lengths),
        eval_dataset=_placeholder(chains, data, prompt, lengths),
        data_collator=CompletionCollator(processor),
        processing_class=processor,
        peft_config=lora_config(sft["lora"], model),
    )
    trainer.padding_free_rows = sft["padding_free"]
    trainer.ask(asked, data, settings)
    trainer.add_callback(AskAtTheEnd())
    if sft["quantization"]:
        train_in_float32(trainer.model)
    check_spread(trainer.accelerator, topology)
    check_dtype(trainer.model, dtype, sft["quantization"])
    keep_features(trainer, settings, output)
    run(trainer, settings, resume_from, parent, output)


def sft_config(settings: Mapping[str, Any], output: Path) -> SFTConfig:
    """TRL's configuration: the user's fields, loss on completion tokens only, dynamic padding grouped by length."""
    training = settings["sft"]["training"]
    return SFTConfig(
        **trainer_arguments(settings, "sft", settings["sft"], output),
        completion_only_loss=True,
        max_length=None,  # nothing is cut: a cut image is an error or, worse, none (trl#4289)
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        remove_unused_columns=False,  # else the lengths are dropped before batches are grouped by them
        eval_strategy=training["save_strategy"],
        eval_steps=training.get("save_steps"),
        metric_for_best_model="eval_accuracy",
        greater_is_better=True,
    )


def _completion_lengths(processor: ProcessorMixin, examples: Sequence[Example]) -> list[int]:
    end = processor.tokenizer.eos_token + "\n"  # what the chat template writes after a turn
    texts = [completion_text(example.cot, example.taught_answer) + end for example in examples]
    return [len(ids) for ids in processor.tokenizer(texts, add_special_tokens=False)["input_ids"]]


def _placeholder(chains: Sequence[Example], data: Path, prompt: Mapping[str, Any], lengths: Sequence[int]) -> Dataset:
    """The trainer wants an evaluation data set before it calls `evaluate`, which asks val's questions itself."""
    return sft_dataset(chains[:1], data, prompt, lengths[:1])
