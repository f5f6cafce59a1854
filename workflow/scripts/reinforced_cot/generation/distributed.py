"""Generation during training: a trainer's processes share the questions, and each process gets all completions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import DistributedType, gather_object
from transformers import Trainer
from transformers.integrations import is_deepspeed_zero3_enabled
from trl.models import unwrap_model_for_generation

from reinforced_cot.data.examples import Example, ShownImages
from reinforced_cot.data.settings import Prompt
from reinforced_cot.generation.batching import Completion, batches
from reinforced_cot.generation.generate import generate_batches


def generate_together(
    trainer: Trainer,
    examples: Sequence[Example],
    data: Path,
    prompt: Prompt,
    *,
    batch_size: int,
    images: Sequence[ShownImages] | None = None,
    **options: Any,
) -> list[list[Completion]]:
    """Do what `generate.generate` does with the trainer's policy in its present state; every process must call it."""
    accelerator = trainer.accelerator
    all_batches = batches(examples, batch_size, images)
    gathered = getattr(trainer.args, "ds3_gather_for_generation", True)  # GRPOConfig's; SFTConfig has no such field
    together = forwards_together(trainer.accelerator, gathered)
    own_batches = all_batches if together else all_batches[accelerator.process_index :: accelerator.num_processes]
    checkpointing = trainer.args.gradient_checkpointing_kwargs
    training = trainer.model.training
    with unwrap_model_for_generation(
        trainer.model_wrapped,
        accelerator,
        gather_deepspeed3_params=gathered,
        gradient_checkpointing_kwargs=checkpointing,
    ) as model:
        try:
            answered = generate_batches(model, trainer.processing_class, own_batches, data, prompt, **options)
            numbered = [(batch.number, completions) for batch, completions in answered]
        finally:
            model.train(training)
    by_number = dict(numbered if together else gather_object(numbered))
    return [completions for batch in all_batches for completions in by_number[batch.number]]


def forwards_together(accelerator: Accelerator, gathered: bool) -> bool:
    """Whether each forward pass gathers weights from all processes, which must then make the same passes.

    Args:
        gathered: whether ZeRO-3's weights are gathered beforehand, once for all passes.
    """
    split = accelerator.distributed_type == DistributedType.FSDP or is_deepspeed_zero3_enabled()
    return bool(split and not (gathered and is_deepspeed_zero3_enabled()))
