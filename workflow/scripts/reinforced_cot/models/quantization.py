"""Loading a base with quantized weights (bitsandbytes), fit for the training of an adapter."""

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
    """The checkpoint, quantized as `models.load_model` says; vision tower and head stay as they are.

    Args:
        options: of ``from_pretrained``.

    Raises:
        DataError: the checkpoint is of no family that is known.
        PipelineError: bitsandbytes is not installed.
    """
    if not is_bitsandbytes_available():
        raise PipelineError(f"quantization {quantization} needs bitsandbytes: {GPU_EXTRA}")
    kept = family_of_checkpoint(folder).not_quantized
    if quantization == "int8":
        config = BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=kept)
    else:
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=options["dtype"],
            llm_int8_skip_modules=kept,  # 4-bit layers read it, too
        )
    model = AutoModelForImageTextToText.from_pretrained(
        folder, quantization_config=config, device_map={"": device}, **options
    )
    prepare_for_training(model)
    return model


def prepare_for_training(model: PreTrainedModel) -> None:
    """Freeze a quantized base, and have what is not quantized in float32 (TRL does not do it)."""
    prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)  # the trainer sees to that
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            # Else a forward without gradients repacks the weights on such processors, and none with them works.
            module.support_avx512bf16_for_cpu = False
