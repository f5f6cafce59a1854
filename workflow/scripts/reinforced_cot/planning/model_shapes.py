"""A model's `memory_plan.Shapes` from its configuration alone: built without memory, on PyTorch's meta device."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText, PretrainedConfig

from reinforced_cot.models.families import family_of
from reinforced_cot.planning.memory_plan import Shapes


def shapes_of(source: Path | str, lora: Mapping[str, Any] | None = None, **options: Any) -> Shapes:
    """The shapes of the model in a checkpoint folder or behind a hub id.

    Args:
        lora: the policy's section; None without an adapter.
        options: passed to ``AutoConfig.from_pretrained``: revision, trust_remote_code.
    """
    return shapes_of_config(AutoConfig.from_pretrained(source, **options), lora)


def shapes_of_config(config: PretrainedConfig, lora: Mapping[str, Any] | None = None) -> Shapes:
    """The shapes of the model that a configuration describes.

    Raises:
        DataError: the model's family is unknown.
        PipelineError: a name in ``lora.target_modules`` is that of no module.
    """
    not_quantized = family_of(config.model_type, config.name_or_path or "the configuration").not_quantized
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    linear = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    text = config.get_text_config()
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    shapes = Shapes(
        weights=sum(parameter.numel() for parameter in model.parameters()),
        linear=sum(
            module.weight.numel()
            for name, module in linear.items()
            if not any(re.match(pattern, name) for pattern in not_quantized)
        ),
        adapter=0,
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        intermediate=text.intermediate_size,
        kv_size=text.num_key_value_heads * head,
        vocabulary=text.vocab_size,
    )
    if lora is None:
        return shapes
    from reinforced_cot.lora.adapter import adapter_weights  # imports PEFT, which answering does without

    return replace(shapes, adapter=adapter_weights(lora, model))
