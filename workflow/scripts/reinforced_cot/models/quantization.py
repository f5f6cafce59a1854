"""Loading a base with quantized weights (bitsandbytes), on which an adapter can be trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import prepare_model_for_kbit_training
from transformers import AutoModelForImageTextToText, BitsAndBytesConfig, PreTrainedModel
from transformers.utils import is_bitsandbytes_available

from reinforced_cot.errors import PipelineError
from reinforced_cot.extras import GPU_EXTRA
from reinforced_cot.models.families import family_of_checkpoint


def load_quantized(
    folder: Path, quantization: str, device: torch.device, options: Mapping[str, Any]
) -> PreTrainedModel:
    """Load a checkpoint, quantized as `loading.load_model` describes; vision tower and head are not quantized.

    Args:
        options: passed to ``from_pretrained``; contains dtype.

    Raises:
        DataError: the checkpoint's family is unknown.
        PipelineError: bitsandbytes is not installed.
    """
    if not is_bitsandbytes_available():
        raise PipelineError(f"quantization {quantization} needs bitsandbytes: {GPU_EXTRA}")
    not_quantized = family_of_checkpoint(folder).not_quantized
    if quantization == "int8":
        config = BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=not_quantized)
    else:
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=options["dtype"],
            llm_int8_skip_modules=not_quantized,  # despite its name it holds for 4 bits, too
        )
    model = AutoModelForImageTextToText.from_pretrained(
        folder, quantization_config=config, device_map={"": device}, **options
    )
    prepare_for_training(model)
    return model


def prepare_for_training(model: PreTrainedModel) -> None:
    """Freeze a quantized base, and cast its other weights to float32, which TRL leaves to its caller."""
    prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)  # the trainer enables it
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            # Such CPUs would repack the weights in a pass without gradients, and every later backward pass would fail.
            module.support_avx512bf16_for_cpu = False
