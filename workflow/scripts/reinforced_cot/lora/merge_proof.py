"""The proof of a merge: the saved checkpoint computes what the adapter computed, layer by layer and in a full forward.

It also checks that transformers finds a tensor for every parameter, without loading the values: they would take a whole
model's memory.
"""

import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from PIL import Image
from transformers import AutoModelForImageTextToText, PreTrainedModel, ProcessorMixin

from reinforced_cot.data.prompts import prompt_messages
from reinforced_cot.data.settings import Prompt
from reinforced_cot.errors import PipelineError
from reinforced_cot.lora.shard_merge import adapted_layers, merged_parameter
from reinforced_cot.lora.streamed_model import StoredModel
from reinforced_cot.models.loading import device
from reinforced_cot.models.settings import Loading

TOLERANCE = 1e-4  # relative to the largest logit, or to the largest output of a layer; float32
# Of the adapter's effect on the logits, what a published checkpoint must keep, and how far it may be from it.
MIN_EFFECT_KEPT, MAX_EFFECT_ERROR = 0.9, 0.3
_ROUNDING = 3e-6  # 5 x the float32 rounding measured on a layer with 19,000 inputs, relative to its largest output
_LAYERS = 16  # how many are compared one by one
PROBES = ["What is in the picture?", "Is it red or blue?", "How many are there on the left?", "yes no 1 2 3"]


class Probe(NamedTuple):
    """Fixed prompts, and what the base and the base with its adapter make of them, computed in float32.

    Attributes:
        from_base, from_adapter: logits, shape ``(positions, vocabulary)``.
    """

    inputs: Any
    from_base: torch.Tensor
    from_adapter: torch.Tensor

    @classmethod
    def of(cls, adapted: StoredModel, processor: ProcessorMixin, prompt: Prompt) -> "Probe":
        """Ask a base with its adapter, which computes in float32."""
        inputs = probe_inputs(processor, prompt).to(device())
        with adapted.streaming() as model:
            from_adapter = logits(model, inputs)
            with model.disable_adapter():
                return cls(inputs, logits(model, inputs), from_adapter)


def prove(probe: Probe, saved: StoredModel, loading: Loading) -> dict[str, Any]:
    """Measure what `check_proof` judges, with no more than one layer's weights in memory.

    Args:
        saved: the published checkpoint, computing in float32: in half precision, the rounding of what lies between the
            layers would be larger than the effect of an adapter that was trained for some steps.
        loading: of the policy.

    Returns:
        ``adapter_vs_base`` and ``adapter_vs_saved``: `relative_difference` of logits; ``effect_kept`` and
        ``effect_error`` (`effect`); ``not_loaded``; and the circumstances.
    """
    with saved.streaming() as model:
        from_saved = logits(model, probe.inputs)
    kept, error = effect(probe.from_base, probe.from_adapter, from_saved)
    return {
        "adapter_vs_base": relative_difference(probe.from_adapter, probe.from_base),
        "adapter_vs_saved": relative_difference(probe.from_adapter, from_saved),
        "effect_kept": kept,
        "effect_error": error,
        "not_loaded": not_loaded(saved.folder, loading.trust_remote_code),
        "dtype": loading.dtype,
        "tolerance": TOLERANCE,
        "probes": len(PROBES),
    }


def effect(base: torch.Tensor, adapter: torch.Tensor, saved: torch.Tensor) -> tuple[float, float]:
    """How much of an adapter's effect a saved model has.

    Args:
        base, adapter, saved: logits of the base, of the base with its adapter, and of the saved model.

    Returns:
        The projection of the saved model's effect on the adapter's, and the distance of the two, both as shares of the
        adapter's. 0 and 1 where the saved model is the base; NaN where the adapter has no effect.
    """
    size = projection = distance = 0.0
    for base_row, adapter_row, saved_row in zip(base, adapter, saved, strict=True):  # a vocabulary is large enough
        wanted, actual = (adapter_row - base_row).double(), (saved_row - base_row).double()
        size += float(wanted @ wanted)
        projection += float(actual @ wanted)
        distance += float((actual - wanted).square().sum())
    return (projection / size, (distance / size) ** 0.5) if size else (math.nan, math.nan)


def keeps_effect(proof: Mapping[str, Any]) -> bool:
    """Whether a checkpoint has enough of its adapter's effect (`effect`)."""
    return bool(proof["effect_kept"] >= MIN_EFFECT_KEPT and proof["effect_error"] <= MAX_EFFECT_ERROR)


@torch.no_grad()
def sampled_layers(adapted: StoredModel, saved: StoredModel) -> dict[str, Any]:
    """Compare some adapted linear layers with their merged weights, and the merged weights with the saved ones.

    Returns:
        ``layers``: how many. ``adapter_vs_merged``: the largest `relative_difference` of their outputs for random
        inputs. ``layers_not_merged``: layers whose difference is larger than the adapter's effect and than rounding.
        ``layers_not_saved``: names of weights whose saved values are not the merged ones, cast.
    """
    linear = {
        path: layer
        for path, layer in adapted_layers(adapted).items()
        if isinstance(layer, LoraLayer) and isinstance(layer.get_base_layer(), torch.nn.Linear)
    }
    paths = random.Random(0).sample(sorted(linear), min(_LAYERS, len(linear)))
    differences, not_merged, not_saved = [0.0], [], []
    for path in paths:
        layer = adapted.filled(linear[path])
        merged = {
            name: torch.cat([*merged_parameter(adapted, linear[path], name)])
            for name, _ in layer.get_base_layer().named_parameters()
        }
        inputs = torch.randn(8, layer.in_features, generator=torch.Generator().manual_seed(0))
        output = torch.nn.functional.linear(inputs, **{name: weight.float() for name, weight in merged.items()})
        expected = layer(inputs)
        differences.append(relative_difference(expected, output))
        change = relative_difference(expected, layer.get_base_layer()(inputs))
        if not differences[-1] <= max(change, _ROUNDING):
            not_merged.append(path)
        for name, weight in merged.items():
            stored = saved.read(saved.parameters[f"{path}.{name}"])
            if not torch.equal(stored, weight.to(stored.dtype)):
                not_saved.append(f"{path}.{name}")
    return {
        "layers": len(paths),
        "adapter_vs_merged": max(differences),
        "layers_not_merged": not_merged,
        "layers_not_saved": not_saved,
    }


def not_loaded(folder: Path, trust_remote_code: bool) -> list[str]:
    """Names of a checkpoint's parameters for which `from_pretrained` finds no tensor of the right shape."""
    _, report = AutoModelForImageTextToText.from_pretrained(
        folder,
        device_map={"": "meta"},
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        trust_remote_code=trust_remote_code,
    )
    return sorted(report["missing_keys"] | {name for name, *_ in report["mismatched_keys"]})


def check_proof(proof: Mapping[str, Any]) -> None:
    """Refuse a merge that changed anything but what the adapter changes.

    Raises:
        PipelineError: names the measure, its value and its limit.
    """
    if not proof["adapter_vs_merged"] <= TOLERANCE:
        raise PipelineError(
            f"merge refused: outputs of a merged layer and of its adapter differ by {proof['adapter_vs_merged']:.2e}"
        )
    if proof["layers_not_merged"]:
        raise PipelineError(
            f"merge refused: {proof['layers_not_merged'][0]} and its adapter differ by more than the adapter changes"
        )
    if proof["layers_not_saved"]:
        raise PipelineError(f"merge refused: {proof['layers_not_saved'][0]} is not saved as it was merged")
    if proof["not_loaded"]:
        raise PipelineError(f"merge refused: from_pretrained finds no weights that fit for {proof['not_loaded'][0]}")
    if not proof["adapter_vs_base"] > 0:
        raise PipelineError("merge refused: the adapter does not change the logits of its base (peft#2586)")
    # Weights in half precision are rounded: how much that may cost is judged by the effect.
    is_exact = proof["dtype"] == "float32" or proof["form"] != "merged"
    if is_exact and not proof["adapter_vs_saved"] <= TOLERANCE:
        raise PipelineError(
            f"merge refused: logits of the saved model and of the adapter differ by {proof['adapter_vs_saved']:.2e} "
            f"of the largest logit, more than {TOLERANCE:.2e}"
        )


def probe_inputs(processor: ProcessorMixin, prompt: Prompt) -> Any:
    """A fixed batch of prompts with patterned images. It needs no data, so that new data does not rerun a merge."""
    ramp = torch.linspace(0, 255, 112).to(torch.uint8)
    images = [
        Image.fromarray(
            torch.stack(
                [ramp.roll(17 * i).expand(84, -1), ramp.flip(0).expand(84, -1), ramp[:84, None].expand(-1, 112)], dim=-1
            ).numpy()
        )
        for i in range(len(PROBES))
    ]
    texts = [
        processor.apply_chat_template(prompt_messages(question, 1, prompt), tokenize=False, add_generation_prompt=True)
        for question in PROBES
    ]
    return processor(
        text=texts, images=images, padding=True, padding_side="left", add_special_tokens=False, return_tensors="pt"
    )


@torch.no_grad()
def logits(model: PreTrainedModel | PeftModel, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Logits at the positions of text, float32, shape ``(positions, vocabulary)``.

    Padding is left out, and so are images: no token is ever sampled after an image token, the logits there are flat,
    and any rounding changes which one is the largest.
    """
    model.eval()
    text = inputs["attention_mask"].bool() & (inputs["input_ids"] != model.config.image_token_id)
    return model(**inputs).logits.float()[text]


def relative_difference(expected: torch.Tensor, actual: torch.Tensor) -> float:
    """Largest absolute difference of two tensors, as a share of the largest absolute value expected."""
    return float((expected - actual).abs().max() / expected.abs().max())
