"""The files of a published checkpoint: a folder, or a model of the Hugging Face Hub at one commit."""

from pathlib import Path

from reinforced_cot.disk_space import full_disk
from reinforced_cot.errors import DataError
from reinforced_cot.hub_errors import hub_problem
from reinforced_cot.models.settings import BaseCheckpoint

_HUB_PATTERNS = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model", "README.md"]  # pickles are not fetched


def published_folder(base_model: BaseCheckpoint) -> Path:
    """The folder of a checkpoint; a hub id's files are downloaded, unless they are there.

    Raises:
        DataError: they cannot be downloaded; the message says why, and what to do.
    """
    name, revision = base_model.path or "", base_model.revision
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    patterns = [*_HUB_PATTERNS, *(["*.py"] if base_model.trust_remote_code else [])]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except Exception as error:  # of a dozen types, from three libraries
        problem = hub_problem(error, "model", name)
        if problem is None or full_disk(error):
            raise
        raise DataError(f"base_model.path {name}, revision {(revision or 'none')[:12]}: {problem}") from None
