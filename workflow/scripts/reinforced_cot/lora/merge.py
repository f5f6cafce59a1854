"""Merging an adapter into its base, with a proof that the published checkpoint computes what the adapter computed."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from reinforced_cot.disk_space import check_room
from reinforced_cot.files import new_folder
from reinforced_cot.lora.adapter import check_base
from reinforced_cot.lora.merge_proof import (
    MAX_EFFECT_ERROR,
    MIN_EFFECT_KEPT,
    Probe,
    check_proof,
    keeps_effect,
    prove,
    sampled_layers,
)
from reinforced_cot.lora.shard_merge import write_base_and_adapter, write_merged
from reinforced_cot.lora.streamed_model import StoredModel
from reinforced_cot.lora.tensor_files import bytes_as
from reinforced_cot.manifests import write_manifest
from reinforced_cot.models.checkpoints import weights_hash
from reinforced_cot.models.processors import load_processor
from reinforced_cot.models.system_message import set_system_message
from reinforced_cot.policies.settings import MergeSettings
from reinforced_cot.result_files import write_result

log = logging.getLogger(__name__)

Measure = Callable[[Path], dict[str, Any]]


def merge(settings: MergeSettings, base: Path, output: Path, measure: Measure | None = None) -> None:
    """Write ``{output}/model``, its manifest ``model.json`` and the proof ``merge.json``.

    The adapter is added to the weights. Where their dtype rounds too much of its effect away, the base's weights are
    published with the adapter beside them (`models.embedded_adapter`), and the log and ``form`` in the proof say so.

    Args:
        settings: of the policy.
        base: folder of the policy that the adapter was trained on.
        output: ``results/{policy}``, which holds ``adapter``.
        measure: called with the published checkpoint's folder; its result becomes part of the proof.

    Raises:
        DataError: the adapter belongs to another base, or the base lacks weights.
        PipelineError: the published model differs from the adapter, the adapter cannot be merged, or the disk has too
            little room.
    """
    adapter_manifest = check_base(output / "adapter", base)
    hashes = {"base_weights": adapter_manifest["base_weights"], "adapter_weights": weights_hash(adapter_manifest)}
    facts = {
        "base": adapter_manifest["base"],
        "base_weights": hashes["base_weights"],
        "adapter": hashes["adapter_weights"],
    }
    loading = settings.base_model
    dtype = getattr(torch, loading.dtype)
    left = output.glob(".model.*.tmp")  # by a job that was killed: `new_folder` deletes them
    check_room(output, bytes_as(base / "model", dtype), "the merged weights", freed=left)
    processor = load_processor(base / "model", trust_remote_code=loading.trust_remote_code)
    # Flash attention takes no float32.
    exact = loading.model_copy(update={"dtype": "float32", "attn_implementation": "sdpa"})
    adapted = StoredModel(base / "model", exact, output / "adapter", stored_as=dtype)
    probe = Probe.of(adapted, processor, settings.prompt)
    with new_folder(output / "model") as folder:
        write_merged(adapted, folder, dtype)
        saved = StoredModel(folder, exact)
        proof = {"form": "merged", **sampled_layers(adapted, saved), **prove(probe, saved, loading)}
        check_proof(proof)
        if not keeps_effect(proof):
            log.warning(
                "%s: added to weights in %s, the adapter keeps %.2f of its effect, with an error of %.2f; needed are "
                "%.2f or more and %.2f or less. So the model has the base's weights, and the adapter beside them",
                *(output.name, loading.dtype, proof["effect_kept"], proof["effect_error"]),
                *(MIN_EFFECT_KEPT, MAX_EFFECT_ERROR),
            )
            for file in folder.iterdir():
                file.unlink()
            write_base_and_adapter(adapted, output / "adapter", folder, dtype)
            kept = {f"{key}_merged": proof[key] for key in ("effect_kept", "effect_error")}
            proof |= {"form": "base and adapter", **kept, **prove(probe, StoredModel(folder, exact), loading)}
            check_proof(proof)
        set_system_message(processor, settings.prompt.system)
        processor.save_pretrained(folder)
    manifest = write_manifest(output / "model", output / "model.json", **facts)
    proof |= {**hashes, "merged_weights": weights_hash(manifest)}
    proof["measured"] = measure(output / "model") if measure else None
    write_result(output / "merge.json", proof)
    log.info("merged: %s", proof)
