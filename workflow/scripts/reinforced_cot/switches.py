"""Switches of optimisations that change no result: `auto` uses one where possible, `on` insists on it."""

import logging
from functools import cache

from reinforced_cot.errors import PipelineError

log = logging.getLogger(__name__)


def is_on(key: str, wanted: str, reason: str | None) -> bool:
    """Whether an optimisation is used.

    Args:
        key: the key of the configuration, for messages.
        wanted: the value of that key.
        reason: why the optimisation is impossible; None where it is possible.

    Raises:
        PipelineError: the value is ``on`` though the optimisation is impossible.
    """
    if reason and wanted == "on":
        raise PipelineError(f"{key} is on, and cannot be: {reason}; set it auto or off")
    if reason and wanted == "auto":
        _log_once(key, reason)
    return wanted != "off" and not reason


@cache  # a trainer asks at every step
def _log_once(key: str, reason: str) -> None:
    log.info("%s is off: %s", key, reason)
