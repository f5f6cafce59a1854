"""The changes that a LoRA adapter makes to the weights of its base, layer by layer, where they lie in its files."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch.nn import Module, Parameter
from transformers import PreTrainedModel

from reinforced_cot.errors import PipelineError
from reinforced_cot.lora.tensor_files import Place, places_of
from reinforced_cot.models.embedded_adapter import ADAPTER_WEIGHTS, sort_adapter_config
from reinforced_cot.models.peft_hooks import ADAPTED, is_plain_lora


class Change(NamedTuple):
    """What an adapter adds to one weight: ``scaling * B A``, where A has the shape (r, inputs), B (outputs, r)."""

    a: Place
    b: Place
    scaling: float

    def added_to(self, weight: torch.Tensor) -> torch.Tensor:
        """A weight and its change, in float32."""
        return weight.float().addmm(self.b.read().float(), self.a.read().float(), alpha=self.scaling)


def embedded_changes(folder: Path, model: PreTrainedModel) -> dict[str, Change]:
    """The changes of the adapter that is embedded in a checkpoint folder, by the path of the layer.

    Args:
        model: of the folder, without an adapter, on the meta device.

    Raises:
        PipelineError: the adapter does more than add to linear layers, or it lacks weights.
    """
    config, places = LoraConfig.from_pretrained(folder), places_of(folder / ADAPTER_WEIGHTS)
    adapted = get_peft_model(copy.deepcopy(model), config, low_cpu_mem_usage=True).get_base_model()
    layers = {path: module for path, module in adapted.named_modules() if isinstance(module, ADAPTED)}
    keys = {
        id(part.weight): f"base_model.model.{path}.{name}.weight"
        for path, layer in layers.items()
        if is_plain_lora(layer)
        for name in ("lora_A", "lora_B")
        for part in getattr(layer, name).values()
    }
    if missing := sorted(set(keys.values()) - set(places)):
        raise PipelineError(f"{folder / ADAPTER_WEIGHTS} lacks {len(missing)} weights: {missing[0]}")
    return changes_of(layers, lambda parameter: places[keys[id(parameter)]], folder)


def changes_of(
    layers: Mapping[str, Module], place_of: Callable[[Parameter], Place], adapter: Path
) -> dict[str, Change]:
    """The changes of adapted layers.

    Args:
        layers: by their path.
        place_of: tells where a parameter of the adapter is stored.
        adapter: the folder that an error names.

    Raises:
        PipelineError: a layer is changed in another way.
    """
    if others := [path for path, layer in layers.items() if not is_plain_lora(layer)]:
        raise PipelineError(
            f"{adapter} does more than add to linear layers ({others[0]}): it cannot be joined with another adapter of "
            "the same model; let the later policy go on with the earlier one's adapter by `start: adapter`"
        )
    changes = {}
    for path, layer in layers.items():
        ((name, scaling),) = layer.scaling.items()
        changes[path] = Change(place_of(layer.lora_A[name].weight), place_of(layer.lora_B[name].weight), scaling)
    return changes


def write_sum(one: Mapping[str, Change], other: Mapping[str, Change], folder: Path) -> None:
    """Write an adapter that adds what two adapters add: A and B of both side by side, so that their ranks add up.

    Layers that only one of the two changes are filled up with zeros.
    """
    paths = sorted({*one, *other})
    both = {path: [changes[path] for changes in (one, other) if path in changes] for path in paths}
    rank = max(sum(change.a.read().shape[0] for change in changes) for changes in both.values())
    weights = {}
    for path, changes in both.items():
        a = torch.cat([change.a.read().float() for change in changes])
        b = torch.cat([change.scaling * change.b.read().float() for change in changes], dim=1)
        missing = rank - a.shape[0]
        weights[f"base_model.model.{path}.lora_A.weight"] = torch.nn.functional.pad(a, (0, 0, 0, missing))
        weights[f"base_model.model.{path}.lora_B.weight"] = torch.nn.functional.pad(b, (0, missing))
    save_file(weights, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    LoraConfig(
        task_type="CAUSAL_LM", r=rank, lora_alpha=rank, target_modules=paths, inference_mode=True
    ).save_pretrained(folder)
    sort_adapter_config(folder)
