"""Checkpoints with an adapter in their folder: the weights of a base, and a LoRA adapter beside them.

A merge has this form where the dtype of the weights cannot hold the sum of both: in bfloat16, a change below half of a
weight's last bit is rounded away. transformers knows the form: `from_pretrained` loads both where PEFT is installed.

A policy that is loaded from such a folder has the adapter as a fixed part: each adapted layer adds the adapter's change
to its output. A further adapter can be trained on it as on any other model.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.nn import Module
from torch.nn.functional import linear
from transformers import PreTrainedModel

from reinforced_cot.files import read_json, write_json

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
ADAPTER_FILES = (ADAPTER_CONFIG, ADAPTER_WEIGHTS)
_A, _B = "fixed_lora_a", "fixed_lora_b"  # buffers of an adapted layer: (r, inputs) and, scaled, (outputs, r)


def has_adapter(folder: Path) -> bool:
    """Whether a checkpoint folder holds an adapter, too."""
    return (folder / ADAPTER_CONFIG).is_file()


def sort_adapter_config(folder: Path) -> None:
    """Write the configuration of an adapter in one order: PEFT writes sets of names in a new one in each process."""
    config = read_json(folder / ADAPTER_CONFIG)
    named = ("target_modules", "modules_to_save", "exclude_modules")
    in_order = {key: sorted(config[key]) for key in named if isinstance(config.get(key), list)}
    write_json(folder / ADAPTER_CONFIG, {**config, **in_order})


def fix_adapter(model: PreTrainedModel) -> None:
    """Make the adapter that ``from_pretrained`` has loaded a fixed part of the model.

    Only what adds ``scaling * B A`` to a linear layer can be fixed. Other kinds of adapters stay as PEFT's layers: such
    a model answers as usual, but no further adapter can be trained on it.
    """
    from reinforced_cot.models.peft_hooks import ADAPTED, forget_adapter, is_plain_lora  # answering does without PEFT

    adapted = {path: module for path, module in model.named_modules() if isinstance(module, ADAPTED)}
    if not all(map(is_plain_lora, adapted.values())):
        model.requires_grad_(False)
        return
    for path, module in adapted.items():
        (name,) = module.lora_A
        base = module.get_base_layer()
        base.register_buffer(_A, module.lora_A[name].weight.data, persistent=False)
        base.register_buffer(_B, module.lora_B[name].weight.data * module.scaling[name], persistent=False)
        base.register_forward_hook(_add_change)
        parent, _, leaf = path.rpartition(".")
        setattr(model.get_submodule(parent), leaf, base)
    forget_adapter(model)


def _add_change(module: Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
    """The forward hook: computes the change as PEFT does. After `fold_adapter` it has nothing left to add."""
    if not hasattr(module, _A):
        return output
    a, b = getattr(module, _A), getattr(module, _B)
    return output + linear(linear(inputs[0].to(a.dtype), a), b).to(output.dtype)


def is_adapted(model: PreTrainedModel) -> bool:
    """Whether a model has an adapter that could not be fixed."""
    return bool(getattr(model, "peft_config", None))


def fixed_layers(model: Module) -> Iterator[Module]:
    """The layers whose adapter was fixed."""
    return (module for module in model.modules() if hasattr(module, _A))


def changed_weight(module: Any) -> torch.Tensor:
    """The weight of a fixed layer with the adapter's change, in the weight's dtype: a small change is rounded away."""
    change = getattr(module, _B).float() @ getattr(module, _A).float()
    return (module.weight.float() + change).to(module.weight.dtype)


def fold_adapter(model: PreTrainedModel) -> None:
    """Add a fixed adapter to the weights, so that these can be trained. In float32 next to nothing is lost."""
    for module in fixed_layers(model):
        module.weight.data = changed_weight(module)
        delattr(module, _A)
        delattr(module, _B)
