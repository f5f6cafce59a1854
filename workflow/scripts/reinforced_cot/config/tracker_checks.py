"""Checks of the trackers that are named, before a run that they could not follow."""

import netrc
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from reinforced_cot.extras import TRACKERS_EXTRA
from reinforced_cot.trackers.settings import Trackers


def missing_trackers(trackers: Trackers) -> Iterator[str]:
    """One line per tracker whose package is not installed where Snakemake runs, or that has no key."""
    for name in dict.fromkeys(trackers.report_to):
        if (spec := find_spec(name)) is None or spec.origin is None:  # a folder `wandb` of earlier runs is no package
            yield f"`trackers.report_to` names {name}, which is not installed where Snakemake runs: {TRACKERS_EXTRA}"
        elif name == "wandb" and _sends() and not _has_key() and not _has_login():
            yield (
                "`trackers.report_to` names wandb, and there is no key for it: set WANDB_API_KEY, or call `wandb "
                "login` once; or set WANDB_MODE=offline, which writes each run into its policy's folder"
            )


def _sends() -> bool:
    return os.environ.get("WANDB_MODE", "online") in ("online", "run", "shared")


def _has_key() -> bool:
    return any(os.environ.get(name) for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"))


def _has_login() -> bool:
    """Whether `wandb login` has left a key, in the file where W&B looks for it."""
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").netloc
    try:
        return netrc.netrc(Path(os.environ.get("NETRC", "~/.netrc")).expanduser()).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
