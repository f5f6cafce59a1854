"""Puts the package that the stage scripts import on the path, as running a script does."""

import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO / "workflow" / "scripts"))


@pytest.fixture(scope="session")
def repo() -> Path:
    """The repository's root."""
    return REPO
