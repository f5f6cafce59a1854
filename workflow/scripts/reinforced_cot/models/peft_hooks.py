"""The parts of PEFT that the package uses although they are not documented.

PEFT's own `merge_and_unload` needs the whole model in memory, and `get_delta_weight` makes several tensors as large as
a weight. `tests/unit/test_library_hooks.py` pins each part to the installed version.
"""

from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from torch.nn import Linear, Module
from transformers import PreTrainedModel

ADAPTED = (BaseTunerLayer, AuxiliaryTrainingWrapper)  # layers that PEFT puts in a module's place


def is_plain_lora(layer: Module) -> bool:
    """Whether an adapted layer adds ``scaling * B A`` to a linear layer's weight, and nothing else.

    The weight may be quantized.
    """
    return (
        isinstance(layer, LoraLayer)
        and isinstance(layer.get_base_layer(), Linear)
        and not layer.lora_variant
        and not layer.fan_in_fan_out
        and not any(layer.lora_bias.values())
    )


def merged_layer(layer: Module) -> Module:
    """Merge an adapted layer, which is changed, and return the module that the adapter had wrapped."""
    if hasattr(layer, "unload_and_optionally_merge_module"):
        merged: Module = layer.unload_and_optionally_merge_module(merge=True, safe_merge=False, adapter_names=None)
        return merged
    layer.merge()
    return layer.get_base_layer()


def forget_adapter(model: PreTrainedModel) -> None:
    """Let a model whose adapted layers were replaced count as one without an adapter."""
    model._hf_peft_config_loaded = False
    del model.peft_config
