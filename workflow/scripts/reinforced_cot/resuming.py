"""Checkpoints that outlive a killed job: which one a run goes on from, and what happens to those of other runs.

A checkpoint counts when its manifest, which is written last, fits all its files. Nothing of another run is deleted: its
checkpoints are moved into a folder ``replaced-1`` beside them, and only when the new run has passed all its checks.
"""

import logging
import re
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from shutil import move, rmtree
from typing import Any

from reinforced_cot.errors import DataError
from reinforced_cot.files import read_json, write_json
from reinforced_cot.manifests import check_manifest
from reinforced_cot.run_fingerprint import FINGERPRINT, differences

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"  # in a checkpoint's folder
VALIDATION = "validation"  # beside the checkpoints: what the policy wrote to some questions of val
_STATE = "trainer_state.json"  # the last file that `Trainer` writes into a checkpoint
_NAME = re.compile(r"checkpoint-(\d+)")
# Settings that change no weight: of saving, of logging, of how data are loaded, and limits that refuse a run.
_FREE_TRAINING = (
    *("save_total_limit", "logging_steps", "logging_strategy", "logging_first_step", "log_level", "log_level_replica"),
    *("log_on_each_node", "disable_tqdm", "log_completions", "num_completions_to_print", "log_unique_prompts"),
    *("dataloader_num_workers", "dataloader_prefetch_factor", "dataloader_persistent_workers"),
    "include_num_input_tokens_seen",
)


def deciding(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A training stage's settings without those that change no weight: a run may go on after they have changed."""
    policy, prompt = dict(settings["policy"]), dict(settings["prompt"])
    base_model = dict(settings["base_model"])
    policy.pop("probes", None)
    # Which checkpoint becomes the policy is decided at the end.
    policy["selection"] = {key: value for key, value in policy.get("selection", {}).items() if key != "publish"}
    prompt.pop("max_tokens", None)
    base_model.pop("vision_cache_gib", None)
    policy["training"] = {key: value for key, value in policy["training"].items() if key not in _FREE_TRAINING}
    return {**settings, "policy": policy, "prompt": prompt, "base_model": base_model}


_REMEDY = "the run goes on from the checkpoint before it, if there is one; nothing is to be done"


def resume_point(checkpoints: Path, expected: Mapping[str, Any]) -> Path | None:
    """The newest undamaged checkpoint of the same run, or None to start afresh. Nothing is changed.

    The log says what differs from the run that left the folder, and which checkpoints are damaged.
    """
    saved = saved_checkpoints(checkpoints)
    if not saved:
        return None
    if (changes := changed_since(checkpoints, expected)) is not None:
        log.warning(
            "%s has %d checkpoints of another run, which are moved aside when training starts; what differs: %s",
            *(checkpoints, len(saved), "; ".join(changes) or "it left no fingerprint"),
        )
        return None
    for folder in reversed(saved):
        if _is_unfinished(folder):
            continue
        try:
            check_manifest(folder, folder / MANIFEST, content=True, remedy=_REMEDY)
        except DataError as error:
            log.warning("%s cannot be used: %s", folder, error)
            continue
        log.info("resuming from %s", folder)
        return folder
    log.warning("%s has no complete checkpoint: the run starts from its beginning", checkpoints)
    return None


def changed_since(checkpoints: Path, expected: Mapping[str, Any]) -> list[str] | None:
    """What differs from the run that left a folder: empty where it left no fingerprint, None where nothing differs."""
    try:
        before = read_json(checkpoints / FINGERPRINT)
    except DataError:
        return []
    return None if before == expected else list(differences(before, expected))


def foreseen_changes(checkpoints: Path, expected: Mapping[str, Any]) -> list[str] | None:
    """As `changed_since`, before the run's inputs exist: only the parts that ``expected`` has are compared."""
    try:
        before = read_json(checkpoints / FINGERPRINT)
    except DataError:
        return []
    known = {part: before.get(part) for part in expected} if isinstance(before, Mapping) else before
    return None if known == expected else list(differences(known, expected))


def claim_checkpoints(checkpoints: Path, expected: Mapping[str, Any], resume_from: Path | None) -> None:
    """Make a folder that of this run: move aside what others left, and write the fingerprint.

    Newer checkpoints than the one that this run goes on from are damaged: they are moved, too. One that the trainer had
    not finished when its job was killed is deleted. A user's copies go to ``copies-N``. The folder may be a link; then
    the files behind it are moved.

    Args:
        resume_from: what `resume_point` has returned.

    Raises:
        DataError: something could not be moved.
    """
    checkpoints.mkdir(parents=True, exist_ok=True)
    is_other = changed_since(checkpoints, expected) is not None
    newest = _step(resume_from) if resume_from else -1
    aside = _unused(checkpoints, "replaced")
    tensorboard = checkpoints.with_name("tensorboard")  # otherwise curves of two runs would mix
    saved = saved_checkpoints(checkpoints)
    copies = [path for path in checkpoints.glob("checkpoint-*") if path not in saved]
    if copies:  # the user's own, which `Trainer` would delete, and `make prune` keeps
        kept = _unused(checkpoints, "copies")
        kept.mkdir()
        for copy in copies:
            move(copy, kept / copy.name)
            log.warning("moved %s to %s", copy, kept)
    others = [folder for folder in saved if is_other or _step(folder) > newest]
    beside = [tensorboard, checkpoints / VALIDATION] if is_other else []
    for folder in [*others, *filter(Path.exists, beside)]:
        if folder in others and _is_unfinished(folder):
            rmtree(folder)
            continue
        aside.mkdir(exist_ok=True)
        move(folder, aside / folder.name)
        log.warning("moved %s to %s", folder, aside)
    if left := [folder for folder in others if folder.exists()]:
        raise DataError(f"{left[0]} belongs to another run and could not be moved away: move it, or delete it")
    if is_other:
        if (checkpoints / FINGERPRINT).is_file() and aside.is_dir():
            move(checkpoints / FINGERPRINT, aside / FINGERPRINT)
        write_json(checkpoints / FINGERPRINT, expected)


def _unused(folder: Path, name: str) -> Path:
    """The first of ``{name}-1``, ``{name}-2``, ... that is not there."""
    return next(path for n in count(1) if not (path := folder / f"{name}-{n}").exists())


def saved_checkpoints(folder: Path) -> list[Path]:
    """The folders ``checkpoint-<digits>``, by their steps; a user may keep copies under other names."""
    return sorted((path for path in folder.glob("checkpoint-*") if _NAME.fullmatch(path.name)), key=_step)


def unfinished_checkpoints(folder: Path) -> list[Path]:
    """Those that the trainer had not finished when its job ended: `claim_checkpoints` deletes them."""
    return [checkpoint for checkpoint in saved_checkpoints(folder) if _is_unfinished(checkpoint)]


def _is_unfinished(checkpoint: Path) -> bool:
    """Whether the job was killed while the trainer wrote it."""
    return not (checkpoint / MANIFEST).is_file() and not (checkpoint / _STATE).is_file()


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])
