"""Checkpoints that outlive a killed job, and the fingerprint that tells which run they belong to."""

import logging
import shutil
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reinforced_cot.code_hashes import code_hashes
from reinforced_cot.files import read_json, sha256_of, write_json

log = logging.getLogger(__name__)

_LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate")


def fingerprint(script: Path, settings: Mapping[str, Any], inputs: Iterable[Path]) -> dict[str, Any]:
    """Everything that a training run depends on: its settings, code, input files (by content) and libraries."""
    return {
        "settings": settings,
        "code": code_hashes(script),
        "inputs": {path.name: sha256_of(path) for path in inputs},
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def resume_point(checkpoints: Path, expected: Mapping[str, Any]) -> Path | None:
    """The newest complete checkpoint of the same run, or None to start afresh.

    A folder with another fingerprint is emptied: a run never continues one with another configuration, code or data.
    """
    tensorboard = checkpoints.with_name("tensorboard")  # emptied as well: otherwise curves of two runs would mix
    if not claim_folder(checkpoints, expected, tensorboard):
        return None
    # trainer_state.json is the last file that the trainer writes into a checkpoint
    complete = [path.parent for path in checkpoints.glob("checkpoint-*/trainer_state.json")]
    newest = max(complete, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)
    if newest:
        log.info("resuming from %s", newest)
    return newest


def claim_folder(folder: Path, expected: Mapping[str, Any], *companions: Path) -> bool:
    """Keep ``folder`` if a run with this fingerprint left it; otherwise empty it and write the fingerprint into it.

    Args:
        companions: folders that are emptied together with ``folder``.

    Returns:
        Whether the folder was kept.
    """
    file = folder / "fingerprint.json"
    if file.is_file() and read_json(file) == expected:
        return True
    for path in (folder, *companions):
        shutil.rmtree(path, ignore_errors=True)
    write_json(file, expected)
    return False
