"""The steps of every method around its trainer: find the start, check lengths and memory before a model is loaded, load
the model, and check that the trainer really runs as configured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel
from transformers import PreTrainedModel, ProcessorMixin, Trainer

from reinforced_cot.data.examples import Example, most_images
from reinforced_cot.disk_space import check_room
from reinforced_cot.errors import PipelineError
from reinforced_cot.generation.rendering import prompt_lengths
from reinforced_cot.launch.topologies import Topology
from reinforced_cot.lora.adapter import base_of, continued, lora_config, train_in_float32
from reinforced_cot.models.checkpoints import context_length
from reinforced_cot.models.embedded_adapter import fold_adapter, is_adapted
from reinforced_cot.models.loading import device, load_model
from reinforced_cot.models.processors import load_processor, max_pixels
from reinforced_cot.planning.memory_plan import Shapes
from reinforced_cot.planning.model_shapes import shapes_of
from reinforced_cot.planning.stage_memory import check_memory
from reinforced_cot.planning.training_memory import training_plan_of
from reinforced_cot.policies.settings import TrainSettings
from reinforced_cot.processes import local_world_size
from reinforced_cot.resuming import unfinished_checkpoints
from reinforced_cot.training.full_finetuning import loaded_dtype
from reinforced_cot.training.topology_check import check_dtype, check_spread


@dataclass(frozen=True)
class Start:
    """What a policy starts from.

    Attributes:
        base: folder of the policy whose model is loaded.
        adapter: folder of the adapter to continue; None for a fresh adapter or full fine-tuning.
    """

    base: Path
    adapter: Path | None

    @property
    def model(self) -> Path:
        """The checkpoint folder."""
        return self.base / "model"


def find_start(settings: TrainSettings, origin: Path) -> Start:
    """Find the start of a policy that is made from the policy in ``origin``.

    Raises:
        DataError: the adapter is damaged, or the weights of its base have changed.
    """
    adapter = origin / "adapter" if settings.policy.start == "adapter" else None
    return Start(base_of(adapter) if adapter else origin, adapter)


def processor_of(settings: TrainSettings, start: Start) -> ProcessorMixin:
    """Load the processor of the model that training starts from."""
    return load_processor(start.model, trust_remote_code=settings.base_model.trust_remote_code)


def checked_lengths(
    settings: TrainSettings,
    start: Start,
    processor: ProcessorMixin,
    examples: Sequence[Example],
    data: Path,
    new_tokens: int | Sequence[int],
) -> list[int]:
    """Count the tokens of each example's prompt; arguments and errors as for `rendering.prompt_lengths`."""
    context = context_length(start.model, settings.base_model.trust_remote_code)
    return prompt_lengths(processor, examples, data, settings.prompt, context, new_tokens)


def check_fits(
    settings: TrainSettings,
    start: Start,
    topology: Topology | None,
    pixels: int,
    prompt: int,
    row: int,
    output: Path,
    resume_from: Path | None,
) -> None:
    """Refuse a run that its device or its disk cannot hold.

    Call it before TRL's arguments are made: under ZeRO-3, they split every model that is built after them.

    Args:
        pixels: of all images of one question, at most.
        prompt, row: the longest prompt and the longest training row, in tokens.
        output: ``results/{policy}``.
        resume_from: a checkpoint of this very run, or None.

    Raises:
        PipelineError: the memory plan does not fit, or the disk has too little room.
    """
    shapes, on_cpu = shapes_of(start.model, settings.base_model, settings.policy.lora), device().type == "cpu"
    plan = training_plan_of(settings, shapes, topology, prompt, row, pixels, on_cpu)
    check_memory(plan, local_world_size())
    checkpoint, published = written_bytes(settings, shapes, topology)
    # A run that goes on may have saved its last checkpoint already.
    certain = published if resume_from else checkpoint + published
    kept = (settings.policy.training.get("save_total_limit") or 1) + 1  # the oldest is deleted when the next is whole
    check_room(
        output,
        certain,
        "its checkpoint and the trained weights",
        possible=kept * checkpoint + published,
        freed=unfinished_checkpoints(output / "checkpoints"),
    )


def pixels_per_question(processor: ProcessorMixin, examples: Sequence[Example]) -> int:
    """The area of all images of one question, in pixels, at most."""
    return max_pixels(processor) * most_images(examples)


def written_bytes(settings: TrainSettings, shapes: Shapes, topology: Topology | None) -> tuple[int, int]:
    """The least bytes that one checkpoint takes on the disk, and those of the weights that are published."""
    policy = settings.policy
    if policy.is_adapted:
        trained = shapes.adapter
        saved = published = trained * getattr(torch, settings.base_model.dtype).itemsize  # float32 but under ZeRO-3
    else:
        trained = shapes.weights
        saved = trained * getattr(torch, dtype_of(settings, topology)).itemsize
        published = trained * getattr(torch, settings.base_model.dtype).itemsize
    optimizer = policy.training.get("optim", "adamw_torch_fused")
    if policy.training.get("save_only_model") or not optimizer.startswith("adamw") or "bit" in optimizer:
        return saved, published  # the states of other optimizers are not known
    return saved + 8 * trained, published  # two moments in float32


def load_start(
    settings: TrainSettings, start: Start, topology: Topology | None
) -> tuple[PreTrainedModel | PeftModel, LoraConfig | None]:
    """Load the model to train, and make the configuration of its fresh adapter, or None if it gets none.

    Raises:
        PipelineError: the model has an adapter of its own, of a kind that no further training can build on.
    """
    policy = settings.policy
    model = load_model(start.model, settings.base_model, policy.quantization, dtype_of(settings, topology))
    if is_adapted(model):
        raise PipelineError(
            f"{start.model} has an adapter beside its weights, which does more than add to linear layers: no policy "
            f"can be trained on it. Let {start.base.name}'s training go on by `start: adapter`, or leave use_dora, "
            "modules_to_save and the like out of its `lora`"
        )
    if not policy.is_adapted:
        fold_adapter(model)
    if start.adapter:
        return continued(model, start.adapter), None
    return model, lora_config(policy.lora, model)


def dtype_of(settings: TrainSettings, topology: Topology | None) -> str:
    """The dtype that weights are loaded in: those beside an adapter, or those that full fine-tuning trains."""
    return loaded_dtype(settings.base_model.dtype, not settings.policy.is_adapted, topology)


def check_trainer(
    trainer: Trainer, settings: TrainSettings, start: Start, topology: Topology | None, one_type: bool = True
) -> None:
    """Keep a quantized model's adapter in float32, and compare the trainer with topology and dtype.

    Args:
        one_type: whether all weights beside an adapter have one dtype.

    Raises:
        PipelineError: accelerate does not run as the topology says, or weights have a different dtype.
    """
    if settings.policy.quantization:
        train_in_float32(trainer.model, start.adapter)
    check_spread(trainer.accelerator, topology)
    if one_type:
        check_dtype(trainer.model, dtype_of(settings, topology), settings.policy.quantization)
