"""Merging an adapter into its base, with a proof: the merged checkpoint computes what the adapter computed."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from PIL import Image
from transformers import PreTrainedModel, ProcessorMixin

from reinforced_cot.adapters import check_base
from reinforced_cot.errors import PipelineError
from reinforced_cot.files import new_folder, write_json, write_manifest, write_text
from reinforced_cot.model_card import model_card
from reinforced_cot.models import load_model, weights_hash
from reinforced_cot.processors import load_processor
from reinforced_cot.prompts import prompt_messages, with_image

log = logging.getLogger(__name__)

Measure = Callable[[Path], dict[str, Any]]

TOLERANCE = 1e-4  # relative to the largest logit, float32
TOP1_AGREEMENT = 0.99  # share of positions, after a cast to half precision
_PROBES = ["What is in the picture?", "Is it red or blue?", "How many are there on the left?", "yes no 1 2 3"]


def merge(settings: Mapping[str, Any], base: Path, output: Path, measure: Measure | None = None) -> None:
    """Write ``{output}/model``, its manifest ``model.json`` and the proof ``merge.json``.

    Args:
        settings: sections base_model and prompt.
        base: folder of the adapter's parent policy.
        output: ``results/{policy}``, which holds ``adapter``.
        measure: called with the merged checkpoint's folder; what it returns is part of the proof.

    Raises:
        DataError: the adapter belongs to another base.
        PipelineError: the merged model differs from the adapter, or the adapter changes nothing.
    """
    adapter = check_base(output / "adapter", base)
    dtype = settings["base_model"]["dtype"]
    processor = load_processor(base / "model", trust_remote_code=settings["base_model"]["trust_remote_code"])
    exact = {**settings["base_model"], "attn_implementation": "sdpa"}  # flash kernels take no float32
    model = load_model(base / "model", exact, dtype="float32")
    inputs = probe(processor, settings["prompt"]).to(model.device)
    from_base = logits(model, inputs)
    adapted = PeftModel.from_pretrained(model, output / "adapter")
    from_adapter = logits(adapted, inputs)
    merged = adapted.merge_and_unload()
    proof = {
        "adapter_vs_base": relative_difference(from_adapter, from_base),
        "adapter_vs_merged": relative_difference(from_adapter, logits(merged, inputs)),
        "dtype": dtype,
        "tolerance": TOLERANCE,
        "probes": len(_PROBES),
        "base_weights": adapter["base_weights"],
        "adapter_weights": weights_hash(adapter),
    }
    merged.to(getattr(torch, dtype))
    facts = {"base": adapter["base"], "base_weights": adapter["base_weights"], "adapter": proof["adapter_weights"]}
    with new_folder(output / "model") as folder:
        merged.save_pretrained(folder)
        processor.save_pretrained(folder)
        write_text(folder / "README.md", model_card(output.name, facts))
        write_manifest(folder, folder.with_suffix(".json"))  # so that the folder loads like any other checkpoint
        try:
            saved = load_model(folder, settings["base_model"])
        finally:
            folder.with_suffix(".json").unlink()
        from_saved = logits(saved, inputs)
        proof["adapter_vs_saved"] = relative_difference(from_adapter, from_saved)
        proof["cast_floor"] = 0.0 if dtype == "float32" else _cast_floor(settings, base, output, inputs, from_adapter)
        proof |= first_choices(from_adapter, from_saved, proof["cast_floor"])
        check_proof(proof)
    manifest = write_manifest(output / "model", output / "model.json", **facts)
    proof["measured"] = measure(output / "model") if measure else None
    write_json(output / "merge.json", {**proof, "merged_weights": weights_hash(manifest)})
    log.info("merged: %s", proof)


def check_proof(proof: Mapping[str, Any]) -> None:
    """Refuse a merge that did nothing or did something else.

    In half precision the weights are rounded, so the saved model is held to twice what rounding the unmerged model
    alone does to the same logits, and to the same first choice at 99 % of the positions that rounding leaves decided.

    Raises:
        PipelineError: names the measure, its value and its limit.
    """
    if not proof["adapter_vs_merged"] <= TOLERANCE:
        raise PipelineError(f"merge refused: merged and adapter logits differ by {proof['adapter_vs_merged']:.2e}")
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


def _cast_floor(
    settings: Mapping[str, Any], base: Path, output: Path, inputs: Mapping[str, torch.Tensor], exact: torch.Tensor
) -> float:
    """What half precision alone does to the logits: base and adapter cast, but not merged."""
    model = PeftModel.from_pretrained(load_model(base / "model", settings["base_model"]), output / "adapter")
    return relative_difference(exact, logits(model, inputs))


def probe(processor: ProcessorMixin, prompt: Mapping[str, Any]) -> Any:
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
