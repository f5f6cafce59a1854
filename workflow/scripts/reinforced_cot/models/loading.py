"""Loading a checkpoint on this process's device, in the type and with the attention kernel that are configured."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, GenerationConfig, PreTrainedModel
from transformers.integrations import is_deepspeed_zero3_enabled

from reinforced_cot.errors import PipelineError
from reinforced_cot.models.checkpoints import check_checkpoint
from reinforced_cot.models.settings import Loading

log = logging.getLogger(__name__)


def device() -> torch.device:
    """The GPU that this process was given, else the CPU.

    Raises:
        PipelineError: a GPU was claimed and torch cannot use it; the run would go on for days on the CPU.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given and not torch.cuda.is_available():
        raise PipelineError(
            f"this job was given GPU {given}, but torch {torch.__version__} sees none: install a build of torch for "
            "its driver, or set launch.*.topology to cpu"
        )
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def autocast_dtype(device_type: str) -> torch.dtype | None:
    """The type that autocast computes in on such a device, or None where it is off."""
    return torch.get_autocast_dtype(device_type) if torch.is_autocast_enabled(device_type) else None


def load_model(
    folder: Path, loading: Loading, quantization: str | None = None, dtype: str | None = None
) -> PreTrainedModel:
    """Load a complete checkpoint on `device`.

    Args:
        folder: ``results/{policy}/model``; its manifest ``model.json`` beside it is checked first.
        loading: the type, the attention kernel, and whether code of the checkpoint may run.
        quantization: None, ``nf4`` for 4-bit double-quantized weights (QLoRA, arXiv:2305.14314), or ``int8``
            (LLM.int8, arXiv:2208.07339); of the language model alone, prepared for the training of an adapter.
        dtype: in place of the config's, for checks in float32.

    Raises:
        DataError: a file of the checkpoint is missing or damaged, its weights are pickles, or it is to be quantized
            and of no family that is known.
        PipelineError: a quantization without bitsandbytes.
    """
    check_checkpoint(folder)
    chosen = getattr(torch, dtype or loading.dtype)
    options = {
        "dtype": chosen,
        "attn_implementation": loading.attn_implementation,
        "trust_remote_code": loading.trust_remote_code,
    }
    if quantization:
        from reinforced_cot.models.quantization import (
            load_quantized,  # with PEFT and bitsandbytes, which nothing else needs
        )

        model = load_quantized(folder, quantization, device(), options)
    else:
        model = AutoModelForImageTextToText.from_pretrained(folder, **options)
    model.generation_config = special_tokens(model.generation_config)
    if not quantization and not is_deepspeed_zero3_enabled():  # which has split the weights over its processes
        model.to(device())
    log.info("loaded %s: %d parameters, %s on %s", folder, count(model.parameters()), chosen, model.device)
    return model


def backbone_of(model: Any) -> Any:
    """The model below the head, vision tower and language model, of a model with or without an adapter."""
    return (model.get_base_model() if hasattr(model, "get_base_model") else model).model


def special_tokens(stated: GenerationConfig) -> GenerationConfig:
    """The only part of a checkpoint's generation_config.json that is kept.

    Its own sampling defaults (Qwen2.5-VL's has a repetition penalty) would bend every distribution that is asked for
    here, and RL's importance ratios with them.
    """
    kept = ("bos_token_id", "eos_token_id", "pad_token_id")
    return GenerationConfig(**{name: getattr(stated, name) for name in kept})


def count(parameters: Iterable[torch.nn.Parameter]) -> int:
    """How many numbers they hold; under ZeRO-3, where a process has a part of each, over all processes."""
    return sum(getattr(parameter, "ds_numel", parameter.numel()) for parameter in parameters)
