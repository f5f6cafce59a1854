"""Merging an adapter into its base, with a proof that the merged checkpoint computes what the adapter computed."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from reinforced_cot.files import new_folder, write_json, write_manifest, write_text
from reinforced_cot.lora.adapter import check_base
from reinforced_cot.lora.merge_proof import check_proof, prove
from reinforced_cot.lora.shard_merge import write_merged
from reinforced_cot.lora.streamed_model import StoredModel
from reinforced_cot.models.checkpoints import model_card, weights_hash
from reinforced_cot.models.processors import load_processor
from reinforced_cot.policies.settings import MergeSettings

log = logging.getLogger(__name__)

Measure = Callable[[Path], dict[str, Any]]


def merge(settings: MergeSettings, base: Path, output: Path, measure: Measure | None = None) -> None:
    """Write ``{output}/model``, its manifest ``model.json`` and the proof ``merge.json``.

    Args:
        settings: of the policy.
        base: folder of the policy that the adapter was trained on.
        output: ``results/{policy}``, which holds ``adapter``.
        measure: called with the merged checkpoint's folder; its result becomes part of the proof.

    Raises:
        DataError: the adapter belongs to another base, or the base lacks weights.
        PipelineError: the merged model differs from the adapter, or the adapter changes nothing or cannot be merged.
    """
    adapter_manifest = check_base(output / "adapter", base)
    hashes = {"base_weights": adapter_manifest["base_weights"], "adapter_weights": weights_hash(adapter_manifest)}
    facts = {
        "base": adapter_manifest["base"],
        "base_weights": hashes["base_weights"],
        "adapter": hashes["adapter_weights"],
    }
    loading = settings.base_model
    processor = load_processor(base / "model", trust_remote_code=loading.trust_remote_code)
    # Flash attention takes no float32.
    exact = loading.model_copy(update={"dtype": "float32", "attn_implementation": "sdpa"})
    adapted = StoredModel(base / "model", exact, output / "adapter")
    with new_folder(output / "model") as folder:
        write_merged(adapted, folder, getattr(torch, loading.dtype))
        processor.save_pretrained(folder)
        write_text(folder / "README.md", model_card(output.name, facts))
        proof = prove(adapted, StoredModel(folder, loading), processor, settings)
        check_proof(proof)
    manifest = write_manifest(output / "model", output / "model.json", **facts)
    proof |= {**hashes, "merged_weights": weights_hash(manifest)}
    proof["measured"] = measure(output / "model") if measure else None
    write_json(output / "merge.json", proof)
    log.info("merged: %s", proof)
