"""A model whose weights stay in their files: only the layer that is running has its weights in memory."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from torch.nn import Embedding, Linear, Module, Parameter
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightRenaming, rename_source_key

from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.lora.embedded_changes import embedded_changes
from reinforced_cot.lora.tensor_files import Place, places_in, places_of
from reinforced_cot.models.embedded_adapter import ADAPTER_WEIGHTS, has_adapter
from reinforced_cot.models.loading import device
from reinforced_cot.models.peft_hooks import ADAPTED
from reinforced_cot.models.settings import Loading
from reinforced_cot.models.transformers_hooks import whole_modules

CHANGES_BASE = ("pissa", "olora", "corda", "loftq")  # values of init_lora_weights that change the base
_ROWS = 8192  # how many rows of a head's weight are cast at a time


class StoredModel:
    """A checkpoint, with an adapter or without.

    Attributes:
        model: on the meta device, except the buffers that no file holds (rotary frequencies): they are on `device`.
        parameters: of the base, by name. An adapter wraps their modules and leaves the parameters as they are.
        names: for each key of the files, the names of its parameters; tied parameters share a key.
        changes: of the adapter that is embedded in the folder, by the path of the layer; empty without one.
    """

    def __init__(
        self, folder: Path, loading: Loading, adapter: Path | None = None, stored_as: torch.dtype | None = None
    ) -> None:
        """Build the model from its config.json alone.

        Args:
            folder: of the checkpoint. An adapter that is embedded in it is added to the weights as they are read.
            loading: dtype, attention kernel, and whether code of the checkpoint may run. The base computes in that
                dtype, the adapter in float32, as in training.
            adapter: a folder of `ADAPTER_FILES`.
            stored_as: the dtype that the base's weights are rounded to when they are read, as in training; None leaves
                them as they are.

        Raises:
            DataError: the folder lacks weights of its model.
            PipelineError: the checkpoint is quantized, or has two tensors for tied parameters; or the adapter changed
                its base, lacks weights, or has weights for modules that the model lacks.
        """
        self.folder, self.adapter, self._stored_as = folder, adapter, stored_as
        trusted = loading.trust_remote_code
        options = {"attn_implementation": loading.attn_implementation, "trust_remote_code": trusted}
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trusted)
        if getattr(config, "quantization_config", None):
            raise PipelineError(
                f"{folder} is a quantized checkpoint (quantization_config in its config.json), into which no adapter "
                "can be merged: take the original weights as base_model.path, and quantize them by `quantization`"
            )
        with init_empty_weights(include_buffers=False):
            model: PreTrainedModel = AutoModelForImageTextToText.from_config(
                config, dtype=getattr(torch, loading.dtype), **options
            )
        model.tie_weights()  # building it on the meta device has untied them
        self.model: PreTrainedModel | PeftModel = model.eval()
        self.parameters = dict(model.named_parameters(remove_duplicate=False))
        self.names: dict[str, list[str]] = {}
        self._places: dict[int, Place] = {}  # by the id of a parameter
        self._held: dict[Module, dict[str, Parameter]] = {}
        self._whole = whole_modules(model)
        self._locate_weights()
        self.changes = embedded_changes(folder, model) if has_adapter(folder) else {}
        self._changes = {id(self.parameters[f"{path}.weight"]): change for path, change in self.changes.items()}
        for module in model.modules():
            for name, buffer in module.named_buffers(recurse=False):
                setattr(module, name, buffer.to(device()))
        if adapter:
            self._add_adapter(adapter)

    def _locate_weights(self) -> None:
        """Find every parameter's tensor in the files. These may use older names, which transformers can translate."""
        model, parameters = self.model, self.parameters
        known = model.state_dict()
        renamings = [entry for entry in get_model_conversion_mapping(model) if isinstance(entry, WeightRenaming)]
        for key, place in places_in(self.folder).items():
            name, _ = rename_source_key(key, renamings, [], model.base_model_prefix, known)
            if name in parameters:
                parameter = parameters[name]
                known_place = self._places.get(id(parameter))
                if known_place and not torch.equal(known_place.read(), place.read()):
                    raise PipelineError(
                        f"{self.folder} has two tensors for {name}, {known_place.key} and {key}, and they differ, "
                        "though its config.json ties them: set tie_word_embeddings false there"
                    )
                self._places[id(parameter)] = place
                self.names[key] = [other for other, candidate in parameters.items() if candidate is parameter]
        missing = [name for name, parameter in parameters.items() if id(parameter) not in self._places]
        if missing:
            raise DataError(
                f"{self.folder} lacks {len(missing)} weights that the model of its config.json needs "
                f"({', '.join(missing[:3])}): is a file missing?"
            )

    def _add_adapter(self, adapter: Path) -> None:
        config, stored = LoraConfig.from_pretrained(adapter), places_of(adapter / ADAPTER_WEIGHTS)
        if str(config.init_lora_weights).partition("_")[0] in CHANGES_BASE:
            raise PipelineError(
                f"{adapter} was started with init_lora_weights {config.init_lora_weights}, which changes the base: it "
                "cannot be merged into the base on disk"
            )
        self.model = get_peft_model(self.model, config, low_cpu_mem_usage=True).eval()
        # By the names under which PEFT saves them. An adapted embedding is saved together with its base weight.
        parameters = get_peft_model_state_dict(
            self.model,
            state_dict=dict(self.model.named_parameters(remove_duplicate=False)),
            save_embedding_layers=any(key.endswith(".base_layer.weight") for key in stored),
        )
        if unknown := sorted(set(stored) - set(parameters)):
            raise PipelineError(
                f"{adapter} has weights that no module of its base takes ({unknown[0]}, and {len(unknown) - 1} more): "
                "it cannot be merged into this base"
            )
        if missing := sorted(set(parameters) - set(stored)):
            raise PipelineError(f"{adapter} lacks {len(missing)} weights that its configuration names: {missing[0]}")
        self._places |= {id(parameter): stored[key] for key, parameter in parameters.items()}

    def place_of(self, parameter: Parameter) -> Place:
        """Where a parameter of the base or of the adapter is stored."""
        return self._places[id(parameter)]

    def read(self, parameter: Parameter) -> torch.Tensor:
        """A parameter's values as they are stored; float32 where an embedded adapter changes them.

        Raises:
            PipelineError: the stored tensor has another shape.
        """
        place = self._places[id(parameter)]
        if (tensor := place.read()).shape != parameter.shape:
            raise PipelineError(
                f"{place.file}: {place.key} has the shape {tuple(tensor.shape)}, the model needs "
                f"{tuple(parameter.shape)}; a base and an adapter of different vocabularies cannot be merged"
            )
        if self._stored_as and tensor.is_floating_point() and place.file.parent == self.folder:
            tensor = tensor.to(self._stored_as)
        change = self._changes.get(id(parameter))
        return tensor if change is None else change.added_to(tensor)

    def filled(self, module: Module) -> Module:
        """A copy of one of the model's modules with its weights, on the CPU."""
        copied = copy.deepcopy(module, {id(parameter): parameter for parameter in module.parameters()})
        for part in copied.modules():
            for name, parameter in _own_parameters(part).items():
                # A copy: a merge must not write to the file's mapping.
                values = self.read(parameter).to(parameter.dtype, copy=True)
                setattr(part, name, Parameter(values, requires_grad=False))
        return copied

    @contextmanager
    def streaming(self) -> Iterator[PreTrainedModel | PeftModel]:
        """Let the model run on `device` within the block."""
        handles, heads = [], []
        for module, whole in self._blocks(self.model):
            if type(module) is Linear:
                heads.append(module)
                module.forward = partial(self._in_rows, module)
            else:
                handles.append(module.register_forward_pre_hook(partial(self._fill, whole)))
                handles.append(module.register_forward_hook(self._empty))
        try:
            yield self.model
        finally:
            for handle in handles:
                handle.remove()
            for module in heads:
                del module.forward

    def _blocks(self, module: Module) -> Iterator[tuple[Module, bool]]:
        """Each module that is loaded as a unit, and whether that includes its submodules."""
        if type(module).__name__ in self._whole or isinstance(module, ADAPTED):
            yield module, True
            return
        if _own_parameters(module):
            yield module, False
        for child in module.children():
            yield from self._blocks(child)

    def _fill(self, whole: bool, module: Module, inputs: Any) -> None:
        for part in module.modules() if whole else [module]:
            self._held[part] = _own_parameters(part)
            for name, parameter in self._held[part].items():
                # Of a vocabulary only a few rows are looked up: they are cast afterwards.
                dtype = None if type(module) is Embedding else parameter.dtype
                setattr(part, name, Parameter(self.read(parameter).to(device(), dtype), requires_grad=False))

    def _empty(self, module: Module, inputs: Any, output: Any) -> Any:
        for part in module.modules():
            for name, parameter in self._held.pop(part, {}).items():
                setattr(part, name, parameter)
        return output.to(module.weight.dtype) if type(module) is Embedding else output

    def _in_rows(self, linear: Linear, hidden: torch.Tensor) -> torch.Tensor:
        """Compute a linear layer outside the blocks, such as the head, casting `_ROWS` rows of its weight at a time."""
        rows = self.read(linear.weight).split(_ROWS)
        output = torch.cat([torch.nn.functional.linear(hidden, part.to(hidden)) for part in rows], dim=-1)
        return output if linear.bias is None else output + self.read(linear.bias).to(hidden)


def _own_parameters(module: Module) -> dict[str, Parameter]:
    """A module's parameters by their names in it, without those of modules below it."""
    return dict(module.named_parameters(recurse=False, remove_duplicate=False))
