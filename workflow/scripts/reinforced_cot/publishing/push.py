"""Uploads a policy's published folder with its card, in one commit, and compares what the hub then holds."""

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants
from huggingface_hub.hf_api import RepoFile
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from reinforced_cot.errors import PipelineError
from reinforced_cot.files import write_json
from reinforced_cot.hub_errors import causes_of, kinds_of
from reinforced_cot.integrity import check_published
from reinforced_cot.models.model_cards import CARD

log = logging.getLogger(__name__)

_HUBS_OWN = {".gitattributes"}
_TRIES = 4


def push(folder: Path, card: Path, repo: str, private: bool, token: str, pushed: Path) -> None:
    """Upload a policy, and write where to.

    Large files that the hub has already are not sent again, so an upload that broke off goes on. Files of the
    repository that the folder does not have are deleted in the same commit.

    Args:
        folder: ``results/{policy}/model``; exactly the files that its manifest lists are uploaded.
        card: becomes README.md.
        repo: ``owner/name``; it is made if it is not there.
        private: whether it is made private.
        pushed: the file that says what was uploaded, written last.

    Raises:
        PipelineError: the folder is damaged, the hub refuses, or it holds other bytes afterwards.
    """
    files = {name: folder / name for name in check_published(folder)["files"] if name != CARD} | {CARD: card}
    api = HfApi(token=token)
    try:
        commit = _commit(api, files, repo, private)
        held = _held(api, repo, commit)
    except Exception as error:  # of a dozen types, from three libraries
        raise PipelineError(f"push to {repo}: {_problem(error, repo)}") from None
    if wrong := sorted(name for name in files.keys() | held.keys() if not _is_held(files.get(name), held.get(name))):
        raise PipelineError(
            f"push to {repo}: the hub holds other bytes than the folder: {', '.join(wrong)}; push again"
        )
    address = f"{api.endpoint}/{repo}"
    write_json(pushed, {"repo": repo, "url": address, "commit": commit, "files": sorted(files)})
    log.info("%d files are at %s, commit %s", len(files), address, commit)


def _commit(api: HfApi, files: Mapping[str, Path], repo: str, private: bool) -> str:
    """Upload, and return the commit."""
    for attempt in Retrying(
        stop=stop_after_attempt(_TRIES),
        wait=wait_exponential(max=30),
        retry=retry_if_exception(_may_pass),
        reraise=True,
    ):
        with attempt:
            api.create_repo(repo, private=private, exist_ok=True)
    stale = set(api.list_repo_files(repo)) - files.keys() - _HUBS_OWN
    added = [CommitOperationAdd(name, str(file.resolve())) for name, file in sorted(files.items())]
    deleted = [CommitOperationDelete(name) for name in sorted(stale)]
    log.info("uploading %d files to %s, deleting %d", len(added), repo, len(deleted))
    return str(api.create_commit(repo, [*added, *deleted], commit_message="Upload a policy of reinforced-cot").oid)


def _held(api: HfApi, repo: str, commit: str) -> dict[str, RepoFile]:
    """The files of the repository, without the hub's own."""
    entries = api.list_repo_tree(repo, recursive=True, revision=commit)
    return {entry.path: entry for entry in entries if isinstance(entry, RepoFile) and entry.path not in _HUBS_OWN}


def _is_held(file: Path | None, entry: RepoFile | None) -> bool:
    """Whether the hub has a file's bytes, by the hash that it names."""
    if file is None or entry is None or entry.size != file.stat().st_size:
        return False
    if entry.lfs:
        with open(file, "rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == entry.lfs.sha256
    content_bytes = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content_bytes) + content_bytes).hexdigest() == entry.blob_id


def _statuses(error: BaseException) -> set[int]:
    responses: list[Any] = [getattr(cause, "response", None) for cause in causes_of(error)]
    return {response.status_code for response in responses if isinstance(getattr(response, "status_code", None), int)}


def _may_pass(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    return bool(_statuses(error) & {429, 500, 502, 503, 504})


def _problem(error: BaseException, repo: str) -> str:
    """What went wrong and what to do, in one line. It never holds the token."""
    statuses, kinds = _statuses(error), kinds_of(causes_of(error))
    if 401 in statuses:
        return (
            "the hub does not know the token in HF_TOKEN: set it to one with write access, from "
            "https://huggingface.co/settings/tokens"
        )
    if 403 in statuses:
        return f"the token in HF_TOKEN may not write to {repo}: give it write access to the repositories of the owner"
    if failed := {status for status in statuses if status >= 500 or status == 429}:
        return (
            f"the hub fails (status {max(failed)}): give the same command again later; files that have arrived are not "
            "sent again"
        )
    if "OfflineModeIsEnabled" in kinds:
        return "HF_HUB_OFFLINE is set: unset it"
    said = " ".join(str(error).split())[:300].replace(os.environ.get("HF_TOKEN") or "\0", "…")
    if kinds & {"ConnectError", "ConnectionError", "TimeoutException", "NetworkError", "RemoteProtocolError"}:
        return (
            f"the hub at {constants.ENDPOINT} was not reached, or broke off ({said}): give the same command again; "
            "files that have arrived are not sent again"
        )
    return f"{type(error).__name__}: {said}"
