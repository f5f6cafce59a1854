"""The proof of a merge: what is saved computes what the adapter computed, in some layers and in one forward of all.

What is saved is loaded by transformers, too, but without its numbers, which would take the whole model's memory.
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

TOLERANCE = 1e-4  # relative to the largest logit, or output of a layer; float32
TOP1_AGREEMENT = 0.99  # share of positions, after a cast to half precision
_ROUNDING = 3e-6  # of the outputs of a layer with 19,000 inputs, five times over; relative to the largest, float32
_LAYERS = 16  # that are looked at by themselves
_PROBES = ["What is in the picture?", "Is it red or blue?", "How many are there on the left?", "yes no 1 2 3"]


def prove(
    adapted: StoredModel, saved: StoredModel, processor: ProcessorMixin, settings: TrainSettings
) -> dict[str, Any]:
    """What `check_proof` judges; no more than a layer's weights are in memory.

    Args:
        adapted: the base with its adapter, computing in float32.
        saved: the merged checkpoint as it was saved.
        settings: of the policy, whose dtype the checkpoint has.
    """
    inputs = probe(processor, settings.prompt).to(device())
    dtype = settings.base_model.dtype
    with adapted.streaming() as model:
        from_adapter = logits(model, inputs)
        with model.disable_adapter():
            from_base = relative_difference(from_adapter, logits(model, inputs))
    with saved.streaming() as model:
        from_saved = logits(model, inputs)
    cast_floor = 0.0
    if dtype != "float32":  # what half precision alone does to the logits: base and adapter cast, but not merged
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
    """Compare some adapted linear layers with their merged weights, and those with what was saved.

    Returns:
        ``layers``, how many; ``adapter_vs_merged``, the largest `relative_difference` of what they make of random
        inputs; ``layers_not_merged``, those where it is more than the adapter changes, and than rounding;
        ``layers_not_saved``, the names of their weights that are not saved as they were merged, cast.
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
        found = torch.nn.functional.linear(inputs, **{name: weight.float() for name, weight in merged.items()})
        expected = layer(inputs)
        differences.append(relative_difference(expected, found))
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
    """Names of a checkpoint's parameters for which `from_pretrained` finds no tensor that fits."""
    _, found = AutoModelForImageTextToText.from_pretrained(
        folder,
        device_map={"": "meta"},
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        trust_remote_code=trust_remote_code,
    )
    return sorted(found["missing_keys"] | {name for name, *_ in found["mismatched_keys"]})


def check_proof(proof: Mapping[str, Any]) -> None:
    """Refuse a merge that did nothing or did something else.

    In half precision the weights are rounded, so the saved model is held to twice what rounding the unmerged model
    alone does to the same logits, and to the same first choice at 99 % of the positions that rounding leaves decided.

    Raises:
        PipelineError: names the measure, its value and its limit.
    """
    if not proof["adapter_vs_merged"] <= TOLERANCE:
        raise PipelineError(
            f"merge refused: outputs of a merged layer and of its adapter differ by {proof['adapter_vs_merged']:.2e}"
        )
    if proof["layers_not_merged"]:
        raise PipelineError(
            f"merge refused: {proof['layers_not_merged'][0]} differs from its adapter by more than that changes it"
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
        raise PipelineError("merge refused: half precision leaves no first choice decided, so that none is checked")
    if proof["dtype"] != "float32" and not proof["top1_agreement"] >= TOP1_AGREEMENT:
        raise PipelineError(
            f"merge refused: the first choice agrees at only {proof['top1_agreement']:.1%} of positions"
        )


def first_choices(expected: torch.Tensor, found: torch.Tensor, noise: float) -> dict[str, float]:
    """How often two tensors of logits have the same largest one, where it leads by more than rounding can turn around.

    Args:
        expected, found: shape ``(positions, vocabulary)``.
        noise: what rounding does to a logit, as a share of the largest; both of two logits may move by it.

    Returns:
        ``top1_positions``, how many positions count, and ``top1_agreement``, the share of them that agree (1 of none).
    """
    largest = expected.topk(2, dim=-1).values
    decided = largest[:, 0] - largest[:, 1] > 2 * noise * expected.abs().max()
    agree = expected.argmax(-1) == found.argmax(-1)
    count = int(decided.sum())
    return {"top1_positions": count, "top1_agreement": float(agree[decided].float().mean()) if count else 1.0}


def probe(processor: ProcessorMixin, prompt: Prompt) -> Any:
    """A fixed batch of prompts with patterned images: it needs no data, so that data cannot make a merge rerun."""
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

    Padding means nothing, and inside an image no next token is ever asked for: there the logits are flat, and the first
    choice among equals changes with any rounding.
    """
    model.eval()
    text = inputs["attention_mask"].bool() & (inputs["input_ids"] != model.config.image_token_id)
    return model(**inputs).logits.float()[text]


def relative_difference(expected: torch.Tensor, found: torch.Tensor) -> float:
    """Largest absolute difference of two tensors of logits, as a share of the largest absolute logit expected."""
    return float((expected - found).abs().max() / expected.abs().max())
