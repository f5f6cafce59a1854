"""An adapter merged into its base file by file: no more than a layer's weights, or a vocabulary's, are in memory.

What a layer's merged weights are is PEFT's own answer: what it can merge (rsLoRA, DoRA, patterns of ranks, modules that
are trained in full) is merged here, too.
"""

from functools import lru_cache
from pathlib import Path

import torch
from torch.nn import Module
from transformers import GenerationConfig

from reinforced_cot.errors import PipelineError
from reinforced_cot.files import read_json, write_json
from reinforced_cot.models import special_tokens
from reinforced_cot.stored_models import ADAPTED, StoredModel
from reinforced_cot.tensor_files import INDEX, places_in, write_like


def write_merged(stored: StoredModel, folder: Path, dtype: torch.dtype) -> None:
    """Write the merged weights into as many files as the base has, under its names, and what loads them.

    Tensors that the base's model does not know are taken over.

    Args:
        stored: the base with the adapter, computing in float32.
        folder: a new checkpoint folder, which lacks its processor afterwards.
        dtype: of the weights that are written.

    Raises:
        PipelineError: the adapter changes one of several parameters for which the base has one tensor.
    """
    layers = adapted_layers(stored)
    owners = {name: path for path in layers for name in stored.parameters if name.startswith(f"{path}.")}
    places = places_in(stored.folder)

    @lru_cache(maxsize=1)  # a layer's weight and bias follow each other in a file
    def merged_layer(path: str) -> dict[str, torch.Tensor]:
        merged = merged_module(stored.filled(layers[path]))
        return {f"{path}.{name}": parameter.data for name, parameter in merged.named_parameters()}

    def parameter(name: str) -> torch.Tensor:
        return merged_layer(owners[name])[name] if name in owners else stored.read(stored.parameters[name])

    def value(key: str) -> torch.Tensor:
        names = stored.names.get(key)
        if not names:
            return places[key].read()
        first, *others = names
        found = parameter(first)
        for other in others if owners.keys() & names else []:
            if not torch.equal(found, parameter(other)):
                raise PipelineError(
                    f"the adapter changes {' and '.join(names)} in different ways, for which the base has one tensor: "
                    "it cannot be merged; leave them out of `lora`'s target_modules and modules_to_save"
                )
        return found

    files = sorted({place.file for place in places.values()})
    size = sum(write_like(folder / file.name, file, dtype, value) for file in files)
    if (stored.folder / INDEX).is_file():
        index = read_json(stored.folder / INDEX)
        write_json(folder / INDEX, {**index, "metadata": {**index.get("metadata", {}), "total_size": size}})
    config = stored.model.get_base_model().config
    config.dtype = dtype
    config.save_pretrained(folder)
    stated = (stored.folder / "generation_config.json").is_file()
    generation = (
        GenerationConfig.from_pretrained(stored.folder) if stated else GenerationConfig.from_model_config(config)
    )
    special_tokens(generation).save_pretrained(folder)


def adapted_layers(stored: StoredModel) -> dict[str, Module]:
    """The modules that an adapter has put in the place of others, by their path in the base."""
    layers: dict[str, Module] = {}
    for path, module in stored.model.get_base_model().named_modules():
        if isinstance(module, ADAPTED) and not any(path.startswith(f"{outer}.") for outer in layers):
            layers[path] = module
    return layers


def merged_module(layer: Module) -> Module:
    """What PEFT leaves in the place of an adapted layer that has its weights (`StoredModel.filled`)."""
    if hasattr(layer, "unload_and_optionally_merge_module"):
        return layer.unload_and_optionally_merge_module(merge=True, safe_merge=False, adapter_names=None)
    layer.merge()
    return layer.get_base_layer()
