"""The findings about each training of a run, for the report and for the log of the training itself."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from reinforced_cot.errors import DataError
from reinforced_cot.report.diagnosis import Finding, diagnose

log = logging.getLogger(__name__)


def findings_about(folder: Path, method: str, history: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """What is wrong in the training of the policy in ``folder``.

    Args:
        method: as in `policies.methods`.
        history: the logged entries.
    """
    return diagnose(folder.name, method, history, updates_per_generation(settings_of(folder)))


def log_findings(folder: Path, method: str, history: Sequence[Mapping[str, Any]]) -> None:
    """Warn of each fault in the log of the training that has just ended."""
    for finding in findings_about(folder, method, history):
        log.warning("%s", finding.sentence)


def settings_of(folder: Path) -> Mapping[str, Any]:
    """What the stage that trained a policy has read; empty where its file is missing.

    Raises:
        DataError: the file is damaged.
    """
    file = folder / "train.yaml"
    if not file.is_file():
        return {}
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{file} is no YAML ({error}): delete it, and the next run writes it again") from None
    return settings if isinstance(settings, dict) else {}


def updates_per_generation(settings: Mapping[str, Any]) -> float:
    """How many optimizer steps RL takes with the completions of one generation; 1 where that is not known."""
    policy = settings.get("policy") or {}
    training = policy.get("training") or {}
    generated, trained = training.get("generation_batch_size"), policy.get("global_batch_size")
    if not (generated and trained):
        return 1
    return float(generated / trained * (training.get("num_iterations") or 1))
