"""Why something on the Hugging Face Hub cannot be had, and what to do about it, in one line."""

import importlib
from collections.abc import Iterable, Iterator
from typing import Any, Literal

# Types of errors by their names: the libraries that define them take long to import.
_UNREACHABLE = {"ConnectionError", "ConnectError", "TimeoutException", "ProxyError", "LocalEntryNotFoundError"}
_CUT = {"RemoteProtocolError", "ReadError", "IncompleteRead", "ChunkedEncodingError"}
_SAYS_CUT = "Consistency check failed"  # a file of another size than was announced
_TOKENS = "https://huggingface.co/settings/tokens"
_GIVE_TOKEN = f"set HF_TOKEN to a token from {_TOKENS}, or log in with `hf auth login`"


def hub_problem(error: BaseException, what: Literal["data set", "model"], name: str) -> str | None:
    """What an error of the hub's libraries means and what to do, or None if it is not about the hub.

    Args:
        what: the kind of repository. name: its id.
    """
    causes = list(causes_of(error))
    names = kinds_of(causes)
    text = " ".join(map(str, causes))  # `datasets` raises some errors anew without their causes
    statuses = {status for cause in causes if (status := _status(cause))}
    page = f"https://huggingface.co/{'datasets/' if what == 'data set' else ''}{name}"
    if "GatedRepoError" in names or "gated dataset" in text:
        if 403 in statuses or "to ask for access" in text:  # the hub knows who asks
            return (
                f"the {what} is gated, and the account of your token has no access: accept the terms on {page} with "
                "that account, or let a fine-grained token read gated repositories"
            )
        return f"the {what} is gated: accept its terms on {page}, then {_GIVE_TOKEN}"
    if "RevisionNotFoundError" in names or "Revision '" in text:
        return f"there is no such commit; {page}/commits/main lists them"
    if names & {"DatasetNotFoundError", "RepositoryNotFoundError"}:
        return f"there is no such {what}, or it is private: check its name; if it is private, {_GIVE_TOKEN}"
    if 401 in statuses:
        return f"the hub refuses your token: {_GIVE_TOKEN}; for what is public, HF_TOKEN may be unset"
    if 403 in statuses:
        return f"the hub forbids access to the {what}: {_GIVE_TOKEN}; its account must be allowed to read {page}"
    if 429 in statuses:
        return f"the hub has had too many requests: wait some minutes and give the same command again; {_GIVE_TOKEN}"
    if failed := {status for status in statuses if status >= 500}:
        return (
            f"the hub fails (status {max(failed)}): give the same command again later; https://status.huggingface.co "
            "says how it is"
        )
    if names & _CUT or _SAYS_CUT in text:
        return (
            f"the download broke off ({_said(causes, _CUT)}): give the same command again, which keeps the files that "
            "are complete"
        )
    if "OfflineModeIsEnabled" in names or "(OfflineModeIsEnabled)" in text:
        return (
            f"HF_HUB_OFFLINE is set, and the {what} was not downloaded completely before: unset it, or run once on a "
            "machine with a network and the same HF_HOME"
        )
    if names & _UNREACHABLE:
        endpoint = importlib.import_module("huggingface_hub.constants").ENDPOINT
        return (
            f"the hub cannot be reached at {endpoint} ({_said(causes, _UNREACHABLE)}), and the {what} was not "
            "downloaded completely before: check network, proxy and HF_ENDPOINT, or run once on a machine with a "
            "network and the same HF_HOME"
        )
    return None


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """The error and those behind it, also where a library hides them."""
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in found:
        found.append(cause)
        yield cause
        cause = cause.__cause__ or cause.__context__


def kinds_of(causes: Iterable[BaseException]) -> set[str]:
    """The names of their types, and of the types that these are derived from."""
    return {kind.__name__ for cause in causes for kind in type(cause).__mro__}


def _status(error: BaseException) -> int | None:
    """The status of the answer that an error is about."""
    response: Any = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) and status != 404 else None  # libraries ask for files that may be absent


def _said(causes: list[BaseException], kinds: set[str]) -> str:
    """What the innermost error of some kinds says, on one line."""
    found = [cause for cause in causes if kinds & kinds_of([cause])] or causes
    return " ".join(str(found[-1]).split())[:200] or type(found[-1]).__name__
