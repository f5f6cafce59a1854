"""Folders that tests read: the repository, its scripts, its test data, and the shared sample beside a checkout."""

from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
SCRIPTS = REPO / "workflow" / "scripts"
DATA = REPO / "tests" / "data"
SHARED = REPO.parent / "shared"  # not part of the repository: tests that use it are skipped where it is absent
