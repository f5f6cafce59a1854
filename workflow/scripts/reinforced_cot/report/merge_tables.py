"""The report's tables of merges."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

_COLUMNS = {
    "adapter_vs_base": "adapter against base",
    "adapter_vs_merged": "adapter against merged",
    "effect_kept": "effect kept",
    "effect_error": "error",
    "form": "form",
    "dtype": "dtype",
}


def merge_proofs(proofs: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """One row per merged policy: what its proof says of the adapter's effect (see `lora.merge_proof`)."""
    return pd.DataFrame.from_dict(
        {policy: {title: proof[key] for key, title in _COLUMNS.items()} for policy, proof in proofs.items()},
        orient="index",
    )


def quantized_merges(proofs: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """One row per policy whose adapter was trained on a quantized base: what merging changed (`quantized_merge`)."""
    measured = {policy: proof["measured"] for policy, proof in proofs.items() if proof["measured"]}
    return pd.DataFrame.from_dict(measured, orient="index").rename(columns=lambda name: str(name).replace("_", " "))
