"""The parts of transformers that the package uses although they have no public name.

`tests/unit/test_library_hooks.py` pins each of them to the installed version.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from transformers import PretrainedConfig, PreTrainedModel, ProcessorMixin

if TYPE_CHECKING:
    from transformers import TrainingArguments  # imports PEFT, which answering does without


def attention_of(config: PretrainedConfig) -> str:
    """Name of the attention that a model computes with. Transformers has a public setter for it, and no getter."""
    return str(config._attn_implementation)


@contextmanager
def attention_as(config: PretrainedConfig, name: str) -> Iterator[None]:
    """Let the config of a language model or of a vision tower name another attention within the block."""
    stored = vars(config)  # setting the attribute takes 20 times as long, and each layer does so for each token
    before, stored["_attn_implementation_internal"] = stored["_attn_implementation_internal"], name
    try:
        yield
    finally:
        stored["_attn_implementation_internal"] = before


def whole_modules(model: PreTrainedModel) -> set[str]:
    """Names of the classes whose modules stay whole when a model is split: decoder layers, blocks of vision towers."""
    return set(model._no_split_modules)


def image_tokens(processor: ProcessorMixin, width: int, height: int) -> int:
    """How many tokens an image of ``width`` x ``height`` pixels becomes."""
    (tokens,) = processor._get_num_multimodal_tokens(image_sizes=[(height, width)]).num_image_tokens
    return int(tokens)


def use_plain_cpu(arguments: "TrainingArguments") -> None:
    """Set the device to ``cpu``. With several processes accelerate sets cpu:0, and torch.load cannot restore the
    optimizer's state there.
    """
    vars(arguments)["_setup_devices"] = torch.device("cpu")
