"""Merging an adapter into its base file by file, with no more than one layer's weights in memory.

All that PEFT can merge is merged: also rsLoRA, DoRA, rank patterns, and the trained copies of `modules_to_save`.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch.nn import Module
from transformers import GenerationConfig

from reinforced_cot.errors import PipelineError
from reinforced_cot.files import read_json, write_json
from reinforced_cot.lora.embedded_changes import changes_of, write_sum
from reinforced_cot.lora.streamed_model import StoredModel
from reinforced_cot.lora.tensor_files import INDEX, places_in, write_like
from reinforced_cot.models.embedded_adapter import ADAPTER_CONFIG, ADAPTER_FILES
from reinforced_cot.models.loading import special_tokens
from reinforced_cot.models.peft_hooks import ADAPTED, is_plain_lora, merged_layer

_NUMBERS = 2**19  # how many numbers of a weight are merged at a time


def write_merged(stored: StoredModel, folder: Path, dtype: torch.dtype) -> None:
    """Write the merged weights into files with the names and keys of the base's, and the configuration beside them.

    Tensors that the base's model does not know are copied.

    Args:
        stored: the base with the adapter, computing in float32.
        folder: a new checkpoint folder, which lacks its processor afterwards.
        dtype: of the weights that are written.

    Raises:
        PipelineError: several parameters share one tensor of the base, and the adapter changes them differently.
    """
    layers = adapted_layers(stored)
    owners = {name: path for path in layers for name in stored.parameters if name.startswith(f"{path}.")}
    places = places_in(stored.folder)

    def parameter(name: str) -> Iterator[torch.Tensor]:
        if name not in owners:
            return iter([stored.read(stored.parameters[name])])
        path = owners[name]
        return merged_parameter(stored, layers[path], name.removeprefix(f"{path}."))

    def value(key: str) -> Iterator[torch.Tensor]:
        names = stored.names.get(key)
        if not names:
            return iter([places[key].read()])
        first, *others = names
        for other in others if owners.keys() & names else []:
            if not torch.equal(torch.cat([*parameter(first)]), torch.cat([*parameter(other)])):
                raise PipelineError(
                    f"the adapter changes {' and '.join(names)} in different ways, for which the base has one tensor: "
                    "it cannot be merged; leave them out of `lora`'s target_modules and modules_to_save"
                )
        return parameter(first)

    write_checkpoint(stored, folder, dtype, value)


def write_base_and_adapter(stored: StoredModel, adapter: Path, folder: Path, dtype: torch.dtype) -> None:
    """Write the base's own weights, and the adapter beside them (`embedded_adapter`).

    Where the base has an adapter embedded, too, one adapter is written that adds what both add.

    Args:
        stored: the base with the adapter.
        adapter: the adapter's folder.
        folder, dtype: as for `write_merged`.

    Raises:
        PipelineError: the base has an adapter embedded, and one of the two does more than add to linear layers.
    """
    places = places_in(stored.folder)
    write_checkpoint(stored, folder, dtype, lambda key: [places[key].read()])
    if not (folder / INDEX).is_file():  # vLLM takes every file of a folder without an index for weights of the model
        index = {key: place.file.name for key, place in places.items()}
        write_json(folder / INDEX, {"metadata": {}, "weight_map": index})
    if stored.changes:
        write_sum(stored.changes, changes_of(adapted_layers(stored), stored.place_of, adapter), folder)
        return
    for name in ADAPTER_FILES:
        shutil.copyfile(adapter / name, folder / name)
    # The weights beside the adapter are its base, wherever the folder is moved to.
    config = read_json(folder / ADAPTER_CONFIG)
    write_json(folder / ADAPTER_CONFIG, {**config, "base_model_name_or_path": None})


def write_checkpoint(
    stored: StoredModel, folder: Path, dtype: torch.dtype, value: Callable[[str], Iterable[torch.Tensor]]
) -> None:
    """Write the files of a checkpoint like the base's, but its processor.

    Args:
        value: returns the tensor of a key, whole or in pieces.
    """
    files = sorted({place.file for place in places_in(stored.folder).values()})
    size = sum(write_like(folder / file.name, file, dtype, value) for file in files)
    if (stored.folder / INDEX).is_file():
        index = read_json(stored.folder / INDEX)
        write_json(folder / INDEX, {**index, "metadata": {**index.get("metadata", {}), "total_size": size}})
    config = stored.model.get_base_model().config
    for part in (config, config.get_text_config(), config.vision_config):
        part.dtype = dtype
    config.save_pretrained(folder)
    stated = (stored.folder / "generation_config.json").is_file()
    generation = (
        GenerationConfig.from_pretrained(stored.folder) if stated else GenerationConfig.from_model_config(config)
    )
    special_tokens(generation).save_pretrained(folder)


def adapted_layers(stored: StoredModel) -> dict[str, Module]:
    """The modules that an adapter has put in the place of the base's, by their path in the base."""
    layers: dict[str, Module] = {}
    for path, module in stored.model.get_base_model().named_modules():
        if isinstance(module, ADAPTED) and not any(path.startswith(f"{outer}.") for outer in layers):
            layers[path] = module
    return layers


def merged_parameter(stored: StoredModel, layer: Module, name: str) -> Iterator[torch.Tensor]:
    """One parameter of a merged layer, in pieces of some rows; a changed parameter is float32.

    Plain LoRA is added to a few rows at a time, which stay in the CPU's cache. PEFT would make several tensors of the
    weight's size, and most of its time would be spent on their memory. All other kinds are merged by PEFT.
    """
    if is_plain_lora(layer):
        base = stored.read(layer.base_layer.get_parameter(name))
        if name != "weight":
            yield base
            return
        (adapter,) = layer.lora_A
        lora_a, lora_b = (stored.read(part[adapter].weight).float() for part in (layer.lora_A, layer.lora_B))
        rows = max(1, _NUMBERS // base.shape[1])
        for weight, change in zip(base.split(rows), lora_b.split(rows), strict=True):
            yield weight.to(torch.float32, copy=True).addmm_(change, lora_a, alpha=layer.scaling[adapter])
        return
    yield merged_layer(stored.filled(layer)).get_parameter(name).data
