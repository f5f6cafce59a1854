"""What the package uses of transformers that has no public name.

`tests/unit/test_library_hooks.py` pins all of it to the version that is installed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from transformers import PretrainedConfig, PreTrainedModel, ProcessorMixin

if TYPE_CHECKING:
    from transformers import TrainingArguments  # with PEFT, which answering does without


def attention_of(config: PretrainedConfig) -> str:
    """Name of the attention that a model computes with; a model can be set to another one, but not asked for it."""
    return str(config._attn_implementation)


@contextmanager
def attention_as(config: PretrainedConfig, name: str) -> Iterator[None]:
    """Let a config name another attention within the block; of its language model or vision tower, not of both."""
    stored = vars(config)  # setting the attribute takes 20 times as long, and each layer does it for each token
    own, stored["_attn_implementation_internal"] = stored["_attn_implementation_internal"], name
    try:
        yield
    finally:
        stored["_attn_implementation_internal"] = own


def whole_modules(model: PreTrainedModel) -> set[str]:
    """Classes whose modules stay together when a model is split: decoder layers, blocks of vision towers."""
    return set(model._no_split_modules)


def image_tokens(processor: ProcessorMixin, width: int, height: int) -> int:
    """How many tokens an image of ``width`` x ``height`` pixels becomes."""
    (tokens,) = processor._get_num_multimodal_tokens(image_sizes=[(height, width)]).num_image_tokens
    return int(tokens)


def use_plain_cpu(arguments: "TrainingArguments") -> None:
    """Let the device be ``cpu``: with several processes accelerate says cpu:0, for which torch.load cannot restore the
    optimizer's state.
    """
    vars(arguments)["_setup_devices"] = torch.device("cpu")
