"""A model's `memory_plan.Shapes` from its configuration alone: built without memory, on PyTorch's meta device."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForImageTextToText, PretrainedConfig

from reinforced_cot.attention.tree_attention import no_trees
from reinforced_cot.models.embedded_adapter import ADAPTER_WEIGHTS, has_adapter
from reinforced_cot.models.families import family_of
from reinforced_cot.models.loading import backbone_of
from reinforced_cot.models.settings import Loading
from reinforced_cot.planning.memory_plan import Shapes


def shapes_of(folder: Path, loading: Loading, lora: Mapping[str, Any] | None = None) -> Shapes:
    """The shapes of the model in a checkpoint folder, and of an adapter that is embedded in it.

    Args:
        loading: how the checkpoint is loaded.
        lora: the policy's section; None without an adapter.
    """
    config = AutoConfig.from_pretrained(folder, trust_remote_code=loading.trust_remote_code)
    embedded = 0
    if has_adapter(folder):
        with safe_open(folder / ADAPTER_WEIGHTS, "pt") as file:
            embedded = sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
    return replace(shapes_of_config(config, loading, lora), embedded=embedded)


def shapes_of_config(config: PretrainedConfig, loading: Loading, lora: Mapping[str, Any] | None = None) -> Shapes:
    """The shapes of the model that a configuration describes; other arguments as for `shapes_of`.

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
    (layers,) = (module for path, module in model.named_modules() if path.endswith("language_model.layers"))
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
        query_size=text.num_attention_heads * head,
        kv_size=text.num_key_value_heads * head,
        vocabulary=text.vocab_size,
        layer=sum(parameter.numel() for parameter in layers[0].parameters()),
        **_image_sizes(config),
        trees=no_trees(backbone_of(model), loading.attn_implementation) is None,
    )
    if lora is None:
        return shapes
    from peft.tuners.lora import LoraLayer

    from reinforced_cot.lora.adapter import adapter_weights  # imports PEFT, which answering does without

    adapter = adapter_weights(lora, model)  # `model` has it now
    widths = {module.in_features for module in layers.modules() if isinstance(module, LoraLayer)}
    return replace(shapes, adapter=adapter, products=4 if text.intermediate_size in widths else 3)


def _image_sizes(config: PretrainedConfig) -> dict[str, int]:
    """The sizes of `Shapes` that are about images: their pixels are float32 in three colours."""
    vision, hidden = config.vision_config, config.get_text_config().hidden_size
    if hasattr(config, "image_seq_length"):  # an image is cut into tiles of one size
        height, width = vision.image_size
        return {"pixel_bytes": 12, "token_pixels": height * width // config.image_seq_length, "features": hidden}
    side, inner = vision.patch_size * vision.spatial_merge_size, getattr(vision, "deepstack_visual_indexes", ())
    # An image is shown as a film of equal frames.
    pixel = 12 * vision.temporal_patch_size
    return {"pixel_bytes": pixel, "token_pixels": side**2, "features": hidden * (1 + len(inner))}
