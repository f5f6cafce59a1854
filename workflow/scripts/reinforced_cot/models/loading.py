"""Loading a checkpoint on this process's device, with the dtype and the attention kernel of the configuration."""

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
from reinforced_cot.models.embedded_adapter import fix_adapter, has_adapter
from reinforced_cot.models.settings import Loading

log = logging.getLogger(__name__)


def device() -> torch.device:
    """The GPU of this process, or the CPU if there is none.

    Raises:
        PipelineError: torch cannot use the GPU that was claimed; on the CPU the run would take days.
    """
    claimed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if claimed and not torch.cuda.is_available():
        raise PipelineError(
            f"this job was given GPU {claimed}, but torch {torch.__version__} sees none: install a build of torch for "
            "its driver, or set launch.*.topology to cpu"
        )
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def autocast_dtype(device_type: str) -> torch.dtype | None:
    """The dtype that autocast computes in on a type of device, or None if autocast is off there."""
    return torch.get_autocast_dtype(device_type) if torch.is_autocast_enabled(device_type) else None


def load_model(
    folder: Path, loading: Loading, quantization: str | None = None, dtype: str | None = None
) -> PreTrainedModel:
    """Load a complete checkpoint on `device`.

    Args:
        folder: ``results/{policy}/model``; its manifest ``model.json`` beside it is checked first.
        loading: dtype, attention kernel, and whether code of the checkpoint may run.
        quantization: None, ``nf4`` for 4-bit double-quantized weights (QLoRA, arXiv:2305.14314), or ``int8``
            (LLM.int8, arXiv:2208.07339). Only the language model is quantized; an adapter can then be trained on it.
        dtype: replaces that of ``loading``.

    Raises:
        DataError: a file of the checkpoint is missing or damaged, its weights are pickles, or its family is unknown,
            which matters only if it is quantized.
        PipelineError: bitsandbytes is not installed, which a quantization needs.
    """
    check_checkpoint(folder)
    chosen = getattr(torch, dtype or loading.dtype)
    options = {
        "dtype": chosen,
        "attn_implementation": loading.attn_implementation,
        "trust_remote_code": loading.trust_remote_code,
    }
    if quantization:
        from reinforced_cot.models.quantization import load_quantized  # imports PEFT, which answering does without

        model = load_quantized(folder, quantization, device(), options)
    else:
        model = AutoModelForImageTextToText.from_pretrained(folder, **options)
    if has_adapter(folder):
        fix_adapter(model)
    model.generation_config = special_tokens(model.generation_config)
    if not quantization and not is_deepspeed_zero3_enabled():  # ZeRO-3 has split the weights over the processes
        model.to(device())
    log.info("loaded %s: %d parameters, %s on %s", folder, count_weights(model.parameters()), chosen, model.device)
    return model


def backbone_of(model: Any) -> Any:
    """The part of a model below its head: vision tower and language model. The model may have an adapter."""
    return (model.get_base_model() if hasattr(model, "get_base_model") else model).model


def special_tokens(stored: GenerationConfig) -> GenerationConfig:
    """The special tokens of a checkpoint's generation_config.json, and none of its sampling defaults.

    A default such as Qwen2.5-VL's repetition penalty would distort every distribution that the pipeline samples from,
    and with it RL's importance ratios.
    """
    kept = ("bos_token_id", "eos_token_id", "pad_token_id")
    return GenerationConfig(**{name: getattr(stored, name) for name in kept})


def count_weights(parameters: Iterable[torch.nn.Parameter]) -> int:
    """How many numbers some parameters hold. Under ZeRO-3 a process has a part of each; all processes are counted."""
    return sum(getattr(parameter, "ds_numel", parameter.numel()) for parameter in parameters)
