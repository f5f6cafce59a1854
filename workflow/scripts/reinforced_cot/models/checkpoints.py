"""Checkpoint folders: the check that they are complete, and the hash of their weights."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from reinforced_cot.errors import DataError
from reinforced_cot.integrity import check_published
from reinforced_cot.manifests import PICKLE_SUFFIXES


def check_checkpoint(folder: Path) -> None:
    """Check a checkpoint folder against the manifest beside it, and refuse pickled weights, which may run code.

    Raises:
        DataError: a file is missing or damaged, or the weights are pickles.
    """
    check_published(folder)
    refuse_pickles(folder)


def refuse_pickles(folder: Path) -> None:
    """Refuse a checkpoint that has pickled weights and no safetensors.

    Raises:
        DataError: there are such weights; the message names the files.
    """
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLE_SUFFIXES)
    if pickles and not list(folder.glob("*.safetensors")):
        raise DataError(f"{folder} has pickled weights ({', '.join(pickles)}): convert them to safetensors")


def weights_hash(manifest: Mapping[str, Any]) -> str:
    """One hash for all weights of a checkpoint or adapter, from the sha256 of each safetensors file in its manifest."""
    shards = sorted(entry["sha256"] for name, entry in manifest["files"].items() if name.endswith(".safetensors"))
    return hashlib.sha256("".join(shards).encode()).hexdigest()


def context_length(folder: Path, trust_remote_code: bool = False) -> int:
    """How many positions the checkpoint's language model has, according to its config."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
    return int(config.get_text_config().max_position_embeddings)
