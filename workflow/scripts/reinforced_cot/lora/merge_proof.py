"""The proof of a merge: the saved checkpoint computes what the adapter computed, layer by layer and in a full forward.

It also checks that transformers finds a tensor for every parameter, without loading the values: they would take a whole
model's memory.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from PIL import Image
from transformers import AutoModelForImageTextToText, PreTrainedModel, ProcessorMixin

from reinforced_cot.data.prompts import prompt_messages, with_image
from reinforced_cot.data.settings import Prompt
from reinforced_cot.errors import PipelineError
from reinforced_cot.lora.shard_merge import adapted_layers, merged_parameter
from reinforced_cot.lora.streamed_model import StoredModel
from reinforced_cot.models.loading import device
from reinforced_cot.policies.settings import TrainSettings

TOLERANCE = 1e-4  # relative to the largest logit, or to the largest output of a layer; float32
TOP1_AGREEMENT = 0.99  # share of positions, after a cast to half precision
_ROUNDING = 3e-6  # 5 x the float32 rounding measured on a layer with 19,000 inputs, relative to its largest output
_LAYERS = 16  # how many are compared one by one
_PROBES = ["What is in the picture?", "Is it red or blue?", "How many are there on the left?", "yes no 1 2 3"]


def prove(
    adapted: StoredModel, saved: StoredModel, processor: ProcessorMixin, settings: TrainSettings
) -> dict[str, Any]:
    """Measure what `check_proof` judges, with no more than one layer's weights in memory.

    Args:
        adapted: the base with its adapter, computing in float32.
        saved: the merged checkpoint as it was saved.
        settings: of the policy; the checkpoint has their dtype.
    """
    inputs = probe_inputs(processor, settings.prompt).to(device())
    dtype = settings.base_model.dtype
    with adapted.streaming() as model:
        from_adapter = logits(model, inputs)
        with model.disable_adapter():
            from_base = relative_difference(from_adapter, logits(model, inputs))
    with saved.streaming() as model:
        from_saved = logits(model, inputs)
    cast_floor = 0.0
    if dtype != "float32":  # the effect of half precision alone: base and adapter are cast, but not merged
        with StoredModel(adapted.folder, settings.base_model, adapted.adapter).streaming() as model:
            cast_floor = relative_difference(from_adapter, logits(model, inputs))
    return {
        "adapter_vs_base": from_base,
        **sampled_layers(adapted, saved),
        "not_loaded": not_loaded(saved.folder, settings.base_model.trust_remote_code),
        "adapter_vs_saved": relative_difference(from_adapter, from_saved),
        "cast_floor": cast_floor,
        **first_choices(from_adapter, from_saved, cast_floor),
        "dtype": dtype,
        "tolerance": TOLERANCE,
        "probes": len(_PROBES),
    }


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
            stored = saved.parameters[f"{path}.{name}"]
            if not torch.equal(saved.read(stored), weight.to(stored.dtype)):
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
    """Refuse a merge that changed nothing, or anything but what the adapter changes.

    In half precision the weights are rounded. The logits of the saved model may differ by twice what rounding does to
    those of the unmerged one, and its first choices must agree at 99 % of the positions where rounding cannot change
    them.

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
    if not proof["adapter_vs_base"] > proof["adapter_vs_merged"]:
        raise PipelineError(
            f"merge refused: the adapter changes the logits of its base by {proof['adapter_vs_base']:.2e}, no more "
            "than rounding does (peft#2586)"
        )
    limit = TOLERANCE if proof["dtype"] == "float32" else max(TOLERANCE, 2 * proof["cast_floor"])
    if not proof["adapter_vs_saved"] <= limit:
        raise PipelineError(
            f"merge refused: logits of the saved model and of the adapter differ by {proof['adapter_vs_saved']:.2e} "
            f"of the largest logit, more than {limit:.2e}"
        )
    if proof["dtype"] != "float32" and not proof["top1_positions"]:
        raise PipelineError("merge refused: half precision leaves no first choice decided, so that none can be checked")
    if proof["dtype"] != "float32" and not proof["top1_agreement"] >= TOP1_AGREEMENT:
        raise PipelineError(
            f"merge refused: the first choice agrees at only {proof['top1_agreement']:.1%} of positions"
        )


def first_choices(expected: torch.Tensor, actual: torch.Tensor, noise: float) -> dict[str, float]:
    """How often two tensors of logits have the same first choice, where its lead is more than rounding can close.

    Args:
        expected, actual: shape ``(positions, vocabulary)``.
        noise: what rounding does to a logit, as a share of the largest; both of two logits may move by it.

    Returns:
        ``top1_positions``, how many positions count, and ``top1_agreement``, the share of them that agree (1 of none).
    """
    largest = expected.topk(2, dim=-1).values
    decided = largest[:, 0] - largest[:, 1] > 2 * noise * expected.abs().max()
    agree = expected.argmax(-1) == actual.argmax(-1)
    count = int(decided.sum())
    return {"top1_positions": count, "top1_agreement": float(agree[decided].float().mean()) if count else 1.0}


def probe_inputs(processor: ProcessorMixin, prompt: Prompt) -> Any:
    """A fixed batch of prompts with patterned images. It needs no data, so that new data does not rerun a merge."""
    ramp = torch.linspace(0, 255, 112).to(torch.uint8)
    images = [
        Image.fromarray(
            torch.stack(
                [ramp.roll(17 * i).expand(84, -1), ramp.flip(0).expand(84, -1), ramp[:84, None].expand(-1, 112)], dim=-1
            ).numpy()
        )
        for i in range(len(_PROBES))
    ]
    texts = [
        processor.apply_chat_template(
            with_image(prompt_messages(question, prompt)), tokenize=False, add_generation_prompt=True
        )
        for question in _PROBES
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
