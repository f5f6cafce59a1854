"""The machine of a measurement, as the pages name it."""

import os
import platform
import re
from pathlib import Path


def machine() -> str:
    """The processor's name, its architecture, and how many cores there are."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    name = re.sub(r"\(R\)|\(TM\)", "", found[1]).strip() if found else "unknown processor"
    return f"{name} ({platform.machine()}), {os.cpu_count()} cores"
