"""Switches of what makes a run faster and changes no result: `auto` where it can be, `on` insists, `off`."""

import logging
from functools import cache

from reinforced_cot.errors import PipelineError

log = logging.getLogger(__name__)


def is_on(key: str, wanted: str, reason: str | None) -> bool:
    """Whether a switch is on, given what, if anything, speaks against it.

    Args:
        key: of the config, which messages name.
        wanted: its value.

    Raises:
        PipelineError: ``on``, where it cannot be.
    """
    if reason and wanted == "on":
        raise PipelineError(f"{key} is on, and cannot be: {reason}; set it auto or off")
    if reason and wanted == "auto":
        _say(key, reason)
    return wanted != "off" and not reason


@cache  # a trainer asks at every step
def _say(key: str, reason: str) -> None:
    log.info("%s is off: %s", key, reason)
